"""Find the line of a key in a TOML text, for errors; imported only when a fault is shown."""

import tomllib
from collections.abc import Iterator

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

Path = tuple[str | int, ...]


def lines_of(text: str) -> dict[Path, int]:
    """Return the line (from 1) of every key, table and list item of a TOML text, by its path."""
    tree = Parser(Language(tree_sitter_toml.language())).parse(text.encode("utf-8", "replace"))
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    for node in tree.root_node.children:
        if node.type == "pair":
            _pair(node, (), lines)
        elif node.type in ("table", "table_array_element"):
            path = _full(tuple(_keys(node.named_children[0])), counts)
            for length in range(1, len(path)):  # [a.b] makes a, too
                lines.setdefault(path[:length], _line(node))
            if node.type == "table_array_element":
                counts[path] = counts.get(path, -1) + 1
                lines.setdefault(path, _line(node))
                path = (*path, counts[path])
            lines[path] = _line(node)
            for child in node.named_children[1:]:
                if child.type == "pair":
                    _pair(child, path, lines)
    return lines


def _full(keys: tuple[str, ...], counts: dict[Path, int]) -> Path:
    """Return the path of a table header; a list of tables on the way means its last one."""
    path: Path = ()
    for key in keys[:-1]:
        path = (*path, key)
        if path in counts:
            path = (*path, counts[path])
    return (*path, keys[-1])


def _pair(node: Node, above: Path, lines: dict[Path, int]) -> None:
    key, value = node.named_children[0], node.named_children[1]
    path = above
    for part in _keys(key):
        path = (*path, part)
        lines.setdefault(path, _line(node))
    _value(value, path, lines)


def _value(node: Node, path: Path, lines: dict[Path, int]) -> None:
    if node.type == "inline_table":
        for child in node.named_children:
            if child.type == "pair":
                _pair(child, path, lines)
    elif node.type == "array":
        items = [child for child in node.named_children if child.type != "comment"]
        for number, child in enumerate(items):
            lines[(*path, number)] = _line(child)
            _value(child, (*path, number), lines)


def _keys(node: Node) -> Iterator[str]:
    if node.type == "dotted_key":
        for child in node.named_children:
            yield from _keys(child)
    else:
        text = (node.text or b"").decode()
        yield next(iter(tomllib.loads(f"{text} = 0"))) if text[:1] in ("'", '"') else text


def _line(node: Node) -> int:
    return node.start_point[0] + 1
