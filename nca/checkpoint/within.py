"""Recipes within modules: the text that a Python file assigns to `RECIPE`, read unexecuted."""

import ast
import warnings
from pathlib import Path

from nca.errors import NCAError
from nca.files import read_text_bounded

NAME = "RECIPE"

LARGEST = 1 << 20
"""Bytes of a module."""

TO_DO = f'let the file assign a text, {NAME} = """...""", at its top level: nca help rules'


def recipe_within(path: Path) -> str:
    """Return the recipe in a module; nothing of the module is executed.

    Raises:
        NCAError: The file cannot be read, is no Python source, or has no such text.
    """
    tree = _parsed(path)
    values = [
        value
        for node in tree.body
        for target, value in _assigned(node)
        if isinstance(target, ast.Name) and target.id == NAME
    ]
    if not values:
        raise NCAError("the module has no recipe.", where=str(path), to_do=TO_DO)
    value = values[-1]
    if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
        raise NCAError(
            f"{NAME} is no text that can be read without executing the module.",
            where=f"{path}, line {value.lineno}",
            to_do="write it as one plain string, without f and without names",
        )
    return value.value.strip("\n") + "\n"


def _assigned(node: ast.stmt) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Assign):
        return [(target, node.value) for target in node.targets]
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return [(node.target, node.value)]
    return []


def _parsed(path: Path) -> ast.Module:
    text = read_text_bounded(path, LARGEST, "the module")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        reason = getattr(fault, "msg", None) or str(fault) or "it is nested too deeply"
        line = getattr(fault, "lineno", None)
        raise NCAError(
            f"the module is no Python source: {reason}.",
            where=f"{path}, line {line}" if line else str(path),
            to_do="correct it there",
        ) from None
