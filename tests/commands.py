"""Command lines in texts: found, and parsed as `nca` would, but not executed."""

import re
import shlex
from collections.abc import Iterator

from typer.main import get_command


def commands(text: str) -> Iterator[str]:
    """Yield each `nca ...` of a text: in backticks, or from the start of an indented line."""
    for quoted in re.findall(r"(?<!`)`([^`]+)`(?!`)", text):
        yield from _in_line(" ".join(quoted.split()))
    for line in text.splitlines():
        if line.startswith(("    ", "#   ", "nca ", "pip ")):
            yield from _in_line(re.split(r" {2,}|  #|,$", line.lstrip("# "))[0])


def _in_line(line: str) -> Iterator[str]:
    for part in re.split(r" && | > [\w./]+", line):
        if found := re.match(r"(?:torchrun .* -m )?(nca \S.*)", part):
            yield found[1]


def parse(command: str) -> list[str]:
    """Parse a command line and return the words that lead to its verb, `recipes show`.

    Raises:
        Exception: Whatever the command line raises where a verb or an option does not exist.
    """
    from nca.cli import app

    _, *words = shlex.split(command)
    verb, path = get_command(app), []
    context = None
    while words and hasattr(verb, "commands"):
        name, *words = words
        context = verb.make_context(name, [], parent=context, resilient_parsing=True)
        path.append(name)
        verb = verb.get_command(context, name)
        assert verb is not None, f"{command}: there is no `{name}`"
    if words and "--help" not in words:  # a verb alone is a name, not a line to type
        verb.make_context(path[-1], words, parent=context)
    return path
