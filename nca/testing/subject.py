"""The rules that are checked: one by name, those of a file, or all that are installed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nca.errors import PluginError
from nca.files import user_path
from nca.registry.discovery import load_file
from nca.registry.options import plugin_options
from nca.registry.registry import Entry, registry
from nca.testing.harness import PlaceRule, placed
from nca.validation.arguments import options_of


@dataclass(frozen=True)
class Subject:
    """A rule that is checked.

    Attributes:
        name: What it is registered as.
        origin: Where it comes from, in words.
        plugin: The file that registers it, if it is not installed.
        options: As a recipe has them; the others have their defaults.
    """

    name: str
    origin: str
    plugin: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place_rule(self) -> PlaceRule:
        """What makes the rule.

        Raises:
            RegistryError: There is no rule of that name.
            PluginError: It cannot be loaded, or an option without a default is missing.
            OptionError: Options are not what its signature says.
        """
        kind = registry.get("rule", self.name)
        fields = options_of(kind).model_fields.items()
        needed = [name for name, option in fields if option.is_required()]
        if missing := [name for name in needed if name not in self.options]:
            given = " ".join(f"--set {name}=VALUE" for name in missing)
            raise PluginError(
                f"the rule {self.name!r} cannot be made: there is no default of "
                f"{', '.join(missing)}.",
                where=f"{kind.__module__}.{kind.__qualname__}, from {self.origin}",
                to_do=f"give it: {given}; or give every option a default",
            )
        return placed(self.name, made_options(self.name, self.options))


def made_options(rule: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a registered rule as its constructor takes them; none where none are.

    Raises:
        OptionError: They are not what its signature says.
    """
    return plugin_options("rule", rule, options, ()) if options else {}


def subjects_of_file(file: str) -> list[Subject]:
    """Execute a plugin file and return the rules that it registers, in the order of their names.

    Raises:
        PluginError: It cannot be loaded, or registers no rule.
    """
    load_file(Path(file))
    place = str(Path.cwd() / user_path(file))
    found = [
        Subject(entry.name, file, file) for entry in _rules() if Path(entry.origin) == Path(place)
    ]
    if not found:
        raise PluginError(
            "the plugin registers no rule.",
            where=place,
            to_do='put `@register.rule("name")` above the class of the rule: nca help rules',
        )
    return found


def subject_of_name(name: str, plugins: tuple[str, ...] = ()) -> Subject:
    """Return a registered rule.

    Args:
        name: Of the rule.
        plugins: Files that were executed first; one of them may have registered it.

    Raises:
        RegistryError: There is no rule of that name.
    """
    registry.get("rule", name)
    (entry,) = (entry for entry in _rules() if entry.name == name)
    here = Path.cwd()
    files = [file for file in plugins if here / user_path(file) == Path(entry.origin)]
    return Subject(name, entry.origin, files[0] if files else "")


def installed_subjects() -> list[Subject]:
    """Return all rules that installed packages offer."""
    return [Subject(entry.name, entry.origin) for entry in _rules()]


def _rules() -> Iterator[Entry]:
    return (entry for entry in registry.entries() if entry.kind == "rule")
