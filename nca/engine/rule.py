"""The contract of update rules: what a rule must say.

A rule belongs to one level and proposes a change for it, from what its view shows. The automaton
sums what the rules of a level propose; only the automaton writes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from nca.engine.program import NotDeclared, Program
from nca.engine.step_inputs import Kernel
from nca.engine.view import View
from nca.registry.registry import registry


class UpdateRule(nn.Module, ABC):
    """Propose a change for one level, from what its cells see.

    The keyword-only arguments of the constructor are the keys of the rule's table in a recipe:
    their names, types, defaults and ranges (`Annotated[float, Ge(0)]`, see `nca.types`). A rule
    that needs to know its surroundings takes a `Place` as its first, positional argument.

    Attributes:
        reads: Which levels the rule reads: `own`, `below`, `above`, or names. An instance may
            replace the class's answer in its constructor.
        cellwise: A promise that `forward` looks at other cells through the view alone: through
            `perceived`, and `correlate` or `neighbours` of a level as it stands; all else it
            does cell by cell. Then a step may hand it, for speed, a list of the cells that can
            change, as `(1, C, cells)` in place of `(B, C, *space)`.
        adjustable: Numbers that may be turned while the automaton runs: a few words for a person,
            then the attribute, its least and its greatest value. An instance may replace the
            class's answer in its constructor.
        radius: How many cells away, along any axis, a cell sees in one step.
    """

    reads: Sequence[str] = ("own",)
    cellwise: bool = False
    adjustable: Mapping[str, tuple[str, float, float]] = {}
    radius: int = 1

    def kernel(self) -> Kernel | None:
        """Return the correlation that the rule begins with, to find it in `view.perceived`.

        A rule need not declare any; if it does, rules that read the same level share the work.
        """
        return None

    def program(self) -> Program | NotDeclared:
        """Return what the rule computes as it stands, for those who compute it in another way.

        A page in a browser or a fused step on a GPU goes by it. Its weights are the rule's own,
        so that gradients reach them. A rule need not say it; then it runs wherever torch does, and
        nowhere else. It is asked anew for each rollout: what is unusual in training only, such
        as dropout, is `NotDeclared` then.
        """
        return NotDeclared("does not say what it computes (UpdateRule.program)")

    @abstractmethod
    def forward(self, view: View) -> Tensor:
        """Return the change, in the shape of the rule's own level `(B, C, *space)`."""


def _contract(thing: object) -> str | None:
    if not (isinstance(thing, type) and issubclass(thing, UpdateRule)):
        return "it is not a subclass of UpdateRule"
    if thing.forward is UpdateRule.forward:
        return "it does not define forward(view)"
    return None


registry.demand("rule", _contract)
