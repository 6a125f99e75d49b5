"""What is wrong with a recipe before the plugin files that it names are executed."""

from copy import deepcopy
from dataclasses import dataclass

from nca.errors import PluginError
from nca.files import is_file
from nca.recipe.build import PLUGINS
from nca.recipe.check import Hangs, check_tables, judge_sense
from nca.recipe.draft import Draft
from nca.recipe.paths import plugin_tables
from nca.recipe.recipe import Recipe
from nca.recipe.recipe_files import RecipeFiles
from nca.recipe.tables import Tables
from nca.registry.registry import registry
from nca.validation.faults import Fault, KeyPath


@dataclass(frozen=True)
class Unexecuted:
    """A recipe whose plugin files are not executed yet, judged by what is installed.

    Attributes:
        draft: The recipe.
        files: The files that it names.
        faults: What is wrong with its tables, and which plugin files are missing.
        strangers: The places of names that may come from its plugin files.
    """

    draft: Draft
    files: RecipeFiles
    faults: list[Fault]
    strangers: list[KeyPath]
    _tables: Tables | None
    _hangs: Hangs

    @classmethod
    def judge(cls, draft: Draft, files: RecipeFiles) -> "Unexecuted":
        """Check the tables of a recipe, and look for its plugin files."""
        strangers = [
            (*path, "name")
            for path, kind, table in plugin_tables(draft.tables)
            if isinstance(table.get("name"), str) and table["name"] not in registry.names(kind)
        ]
        tables, faults, hangs = check_tables(deepcopy(draft.tables))
        faults += judge_sense(tables, hangs, draft.overridden)[0]
        faults = [fault for fault in faults if fault.path not in strangers]
        named = draft.plugins()
        faults += [
            Fault(
                (*PLUGINS, draft.tables["plugins"].index(name)),
                "is no file",
                f"there is none at {files.place(name)}",
            )
            for name in named
            if not is_file(files.place(name))
        ]
        return cls(draft, files, faults, strangers, tables, hangs)

    def unloaded(self, error: PluginError) -> Fault:
        """Return the fault of a plugin file that fails to load."""
        return Fault(PLUGINS, error.what.rstrip("."), f"{error.where}: {error.to_do}")

    def unchecked(self) -> list[str]:
        """Return the rules and the like that are not known without the plugin files."""
        return [self.draft.words(place) for place in self.strangers]

    def unbuilt(self) -> list[Fault]:
        """Return what installed rules and tasks refuse as they are built."""
        if self._tables is None:
            return []
        draft, folder = self.draft, self.files.folder
        recipe = Recipe(
            draft.source, draft.text, draft.overrides, folder, self._tables, self.files, draft
        )
        return [
            fault
            for fault in (*recipe.unbuilt(), *recipe.unused())
            if PLUGINS not in fault.others and not self._hangs(fault)
        ]
