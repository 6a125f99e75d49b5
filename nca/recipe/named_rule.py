"""A rule that an option of a task names: by a name alone, or by a table with its options."""

from collections.abc import Mapping
from typing import Any

from nca.engine.context import RuleContext
from nca.engine.rule import UpdateRule, check_declarations
from nca.recipe.recipe_files import RecipeFiles
from nca.registry.options import named_parts, plugin_options
from nca.registry.registry import registry
from nca.validation.arguments import takes_context
from nca.validation.faults import OptionError, toml_value


def named_rule(
    given: str | Mapping[str, Any], key: str, context: RuleContext, files: RecipeFiles
) -> UpdateRule:
    """Return the rule that an option names, made for its surroundings.

    Args:
        given: As a recipe has it: `nca.types.RuleSpec` is the type of such an option.
        key: The option.
        context: Where the rule shall stand.
        files: The files of the run: `context.files` of a task.

    Raises:
        OptionError: Its options, or its surroundings, are not what it takes.
        RegistryError: There is no such rule.
    """
    name, options = named_parts("rule", given, key)
    kind = registry.get("rule", name)
    checked = plugin_options("rule", name, options, (key,), lambda path, _: files.place(path))
    try:
        rule: UpdateRule = kind(*([context] if takes_context(kind) else []), **checked)
    except OptionError as error:
        where = f"{key} = {toml_value(given)}"
        raise OptionError([fault.placed((key,)) for fault in error.faults], where) from None
    check_declarations(rule)
    return rule
