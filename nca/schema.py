"""The JSON schema of recipes, for editors: core tables and the options of every plugin."""

from typing import Any

from nca.errors import PluginError
from nca.options import options_of, summary
from nca.registry import Kind, registry
from nca.tables import Tables


def recipe_schema() -> dict[str, Any]:
    """Return the schema; plugins that do not load are left out."""
    schema = Tables.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "A recipe of nca"
    definitions = schema["$defs"]
    for kind, table in (("rule", "RuleTable"), ("task", "TaskTable")):
        definitions[table] = {"anyOf": _tables(kind, definitions)}
    return schema


def _tables(kind: Kind, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    tables = []
    for name in registry.names(kind):
        try:
            thing = registry.get(kind, name)
        except PluginError:
            continue
        table = options_of(thing).model_json_schema()
        definitions.update(table.pop("$defs", {}))
        table["title"], table["description"] = name, summary(thing)
        table["properties"] = {"name": {"const": name}, **table.get("properties", {})}
        table["required"] = ["name", *table.get("required", [])]
        tables.append(table)
    return tables
