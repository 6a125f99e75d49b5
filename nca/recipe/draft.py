"""A recipe that is TOML, with its overrides, and not checked yet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nca.recipe.errors import RecipeError
from nca.recipe.overrides import override, replaced, with_values
from nca.recipe.paths import located, plugin_tables, staying
from nca.recipe.recipe_files import RecipeFiles
from nca.recipe.text import decode_toml
from nca.validation.faults import Fault, KeyPath, strange, toml_value

BOM = "\ufeff"
"""What some editors put before a text."""


@dataclass(frozen=True)
class Draft:
    """A recipe that is TOML, with its overrides, and not checked yet.

    Attributes:
        original: The text without overrides, in which errors find their lines.
        text: The text with them.
        tables: What it says.
        overrides: As `table.key=value`.
        overridden: The keys that they set.
        source: The file to name in errors.
    """

    original: str
    text: str
    tables: dict[str, Any]
    overrides: tuple[str, ...]
    overridden: list[KeyPath]
    source: str

    @classmethod
    def read(cls, text: str, overrides: Iterable[str], source: str) -> "Draft":
        """Read a text and write overrides into it.

        Raises:
            RecipeError: It is no TOML, or an override leads nowhere.
        """
        text, overrides = text.removeprefix(BOM), tuple(overrides)
        tables, written, overridden = decode_toml(text, source), text, []
        if overrides:
            written, overridden = override(text, overrides, source)
            tables = decode_toml(written, source)
        return cls(text, written, tables, overrides, overridden, source)

    def located(self, files: RecipeFiles) -> "Draft":
        """Return the same with paths from the root: those of data, and what overrides have brought.

        Args:
            files: Will read those paths.
        """
        found = located(self.tables, self.overridden, Path.cwd()) if self.overridden else {}
        files.permit(found.values())
        if not files.sealed:  # whose relative paths start nowhere
            found = {**staying(self.tables, files.folder), **found}
        if not found:
            return self
        text = replaced(self.text, found)
        return replace(self, text=text, tables=decode_toml(text, self.source))

    def rooted(self, folder: Path) -> str:
        """Return the last override with paths from the root where it has brought paths.

        Args:
            folder: Where relative ones start.
        """
        key, last = self.overridden[-1], self.overrides[-1]
        found = located(self.tables, [key], folder)
        return with_values(last, {path[len(key) :]: text for path, text in found.items()})

    def plugins(self) -> tuple[str, ...]:
        """Return the plugin files that it names; none where they are no list of texts."""
        named = self.tables.get("plugins", [])
        usable = isinstance(named, list) and not strange(named)
        return tuple(n for n in named if isinstance(n, str) and n) if usable else ()

    def words(self, place: KeyPath) -> str:
        """Return what a name in the table of a plugin stands for: `rule "pull"`."""
        tables = plugin_tables(self.tables)
        words = (f"{kind} {toml_value(t['name'])}" for at, kind, t in tables if at == place[:-1])
        return next(words)

    def refusal(self, faults: Sequence[Fault], unchecked: Sequence[str] = ()) -> RecipeError:
        """Return the error that shows faults, and what could not be checked beside them."""
        return RecipeError(self.source, faults, self.original, self.overridden, unchecked)
