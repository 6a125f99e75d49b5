"""What is exported steps levels of one scale; a pyramid is refused before anything is written."""

from nca.engine.automaton import Automaton
from nca.errors import ExportError


def demand_one_scale(automaton: Automaton) -> None:
    """Refuse levels of different resolution.

    Raises:
        ExportError: They are.
    """
    if differ := automaton.layout.scales_differ():
        raise ExportError(
            f"it cannot be exported: {differ}.",
            where="[[levels]] scale",
            to_do="run it in torch: nca render, nca evaluate, nca predict",
        )
