"""The JSON schema of recipes, for editors: core tables and the options of every plugin."""

from typing import Any, get_args

from nca.errors import PluginError
from nca.recipe.tables import Tables
from nca.registry.options import options_model
from nca.registry.registry import Kind, registry
from nca.types import Boundary
from nca.validation.arguments import summary

SHORTHANDS: dict[tuple[str, str], dict[str, Any]] = {
    ("Rollout", "steps"): {"type": "integer", "minimum": 1},
    ("Rollout", "noise"): {"type": "number", "minimum": 0},
    ("Train", "memory"): {"enum": ["auto", "store", "segments", "recompute"]},
    ("Grid", "topology"): {"enum": list(get_args(Boundary))},
}
"""What may stand for a table or list that would hold one thing only."""


def recipe_schema() -> dict[str, Any]:
    """Return the schema; plugins that do not load are left out."""
    schema = Tables.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "A recipe of nca"
    definitions = schema["$defs"]
    definitions["RuleTable"] = {"anyOf": _tables("rule", definitions)}
    definitions["TaskTable"] = {"anyOf": _tables("task", definitions)}
    for (table, key), short in SHORTHANDS.items():
        properties = definitions[table]["properties"]
        properties[key] = {"anyOf": [short, properties[key]]}
    return schema


def _tables(kind: Kind, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    tables = []
    for name in registry.names(kind):
        try:
            thing = registry.get(kind, name)
            table = options_model(kind, thing).model_json_schema()
        except PluginError:
            continue
        table = _with_named(table, definitions)
        definitions.update(table.pop("$defs", {}))
        table["title"], table["description"] = name, summary(thing)
        table["properties"] = {"name": {"const": name}, **table.get("properties", {})}
        table["required"] = ["name", *table.get("required", [])]
        tables.append(table)
    return tables


def _with_named(schema: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema with the tables of plugins where an option may name one with its options."""
    if isinstance(schema, list):
        return [_with_named(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("x-plugin")
    found = {k: _with_named(v, definitions) for k, v in schema.items() if k != "x-plugin"}
    if kind:
        others = [branch for branch in found["anyOf"] if branch.get("type") != "object"]
        found["anyOf"] = [*others, *_tables(kind, definitions)]
    return found
