"""`nca help`: longer texts by topic; each is the docstring of the package that it is about.

A docstring is read from the source and nothing is imported, so that help is there at once. An
installed package adds topics through the entry-point group `nca.topics`, `topic = "module"`.
"""

import ast
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from nca.cli.console import print_result
from nca.errors import NCAError
from nca.registry.installed import complain, entry_points_of
from nca.suggest import did_you_mean, listed

TOPICS = {
    "limits": "nca",
    "engine": "nca.engine",
    "randomness": "nca.engine.rng",
    "rules": "nca.registry",
    "checking": "nca.testing",
    "recipes": "nca.recipe",
    "tasks": "nca.tasks",
    "training": "nca.training",
    "memory": "nca.engine.activation_memory",
    "speed": "nca.backends",
    "bench": "nca.bench",
    "gpu": "nca.device",
    "distributed": "nca.distributed",
    "streaming": "nca.streaming",
    "checkpoints": "nca.checkpoint",
    "evaluation": "nca.evaluation",
    "robustness": "nca.reports.robustness",
    "islands": "nca.reports.islands",
    "analysis": "nca.analysis",
    "sweep": "nca.sweep",
    "pictures": "nca.render",
    "play": "nca.play",
    "export": "nca.export",
}
"""The module whose docstring each topic shows."""

WIDTH = 80


def help_command(
    topic: Annotated[
        str | None, typer.Argument(metavar="TOPIC", help="One of those that `nca help` lists.")
    ] = None,
) -> None:
    """Explain a topic, or list the topics there are.

    Example: nca help rules
    """
    known = topics()
    if topic is not None:
        print_result(topic_text(topic, known))
        return
    column = max(map(len, known)) + 2
    for name, module in known.items():
        try:
            title = read_docstring(module).partition("\n")[0]
        except NCAError as fault:
            if name in TOPICS:
                raise
            complain(_package(name), f"help {name}: {fault.what}")
            continue
        print_result(
            textwrap.fill(f"{name:<{column}}{title}", WIDTH, subsequent_indent=" " * column)
        )
    print_result("\nThe options of a command: nca COMMAND --help. Of a plugin: nca plugins NAME.")


def topics() -> dict[str, str]:
    """Return the module of every topic, our own first; a name that is taken stays as it is."""
    added = {point.name: point.value for point in entry_points_of("nca.topics")}
    return {**TOPICS, **{name: added[name] for name in sorted(added) if name not in TOPICS}}


def topic_text(topic: str, known: dict[str, str]) -> str:
    """Return the text of a topic.

    Raises:
        NCAError: There is no such topic; the nearest is suggested.
    """
    if topic not in known:
        raise NCAError(
            f"there is no topic {topic!r}.",
            where=f"nca help {topic}; there are: {listed(known)}",
            to_do=f"{did_you_mean(topic, known)}choose one of these; for the options of a command "
            "run nca COMMAND --help",
        )
    return read_docstring(known[topic])


def read_docstring(module: str) -> str:
    """Return the docstring of a module from its source, without importing it.

    Raises:
        NCAError: The module cannot be found, or has no docstring.
    """
    path, reason = None, f"{module} has no docstring in its source"
    try:
        path = find_source(module)
        text = path and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    except (SyntaxError, ValueError, ImportError, OSError, RecursionError) as fault:
        text, reason = None, f"the source of {module} cannot be read, {fault}"
    if not text:
        raise NCAError(
            f"the text of a topic is missing: {reason}.",
            where=str(path or "no such module"),
            to_do="install the package again, or write a docstring there",
        )
    return text


def _package(topic: str) -> str:
    points = entry_points_of("nca.topics")
    return next((point.package for point in points if point.name == topic), "unknown")


def find_source(module: str) -> Path | None:
    """Return the source file of a module; of a package its `__init__.py`."""
    package, *inside = module.split(".")
    spec = find_spec(package)  # of a package at the top, so that nothing is imported
    if spec is None:
        return None
    roots = spec.submodule_search_locations or []
    places = [Path(root, *inside) for root in roots]
    files = [file for at in places for file in (at.with_suffix(".py"), at / "__init__.py")]
    return next((file for file in files if file.is_file()), None)
