"""The schema for editors accepts what the program accepts, and knows the plugins' options."""

import json
import re
import tomllib
from typing import Any

import pytest
from tiny import RECIPE, changed

from nca.checkpoint.find import recipes
from nca.recipe.json_schema import recipe_schema

TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "null": type(None),
}


def fits(value: Any, rule: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Judge a value by the part of JSON schema that ours uses."""
    if "$ref" in rule:
        return fits(value, schema["$defs"][rule["$ref"].rpartition("/")[2]], schema)
    if "anyOf" in rule:
        return any(fits(value, branch, schema) for branch in rule["anyOf"])
    if "const" in rule or "enum" in rule:
        return value in rule.get("enum", [rule.get("const")])
    kind = rule.get("type")
    if kind and (
        not isinstance(value, TYPES[kind]) or (isinstance(value, bool) != (kind == "boolean"))
    ):
        return False
    if isinstance(value, dict):
        inner, rest = rule.get("properties", {}), rule.get("additionalProperties", True)
        return set(rule.get("required", [])) <= set(value) and all(
            fits(item, inner[key], schema) if key in inner else rest is not False
            for key, item in value.items()
        )
    if isinstance(value, list):
        each = rule.get("prefixItems") or [rule.get("items", {})] * len(value)
        size = rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value))
        return size and all(fits(v, r, schema) for v, r in zip(value, each, strict=False))
    if isinstance(value, str):
        return re.search(rule.get("pattern", ""), value) is not None
    low, high = rule.get("minimum", value), rule.get("maximum", value)
    return low <= value <= high and value > rule.get("exclusiveMinimum", value - 1)


def accepted(text: str) -> bool:
    schema = recipe_schema()
    return fits(tomllib.loads(text), schema, schema)


@pytest.mark.parametrize("name", list(recipes()))
def test_every_installed_recipe_fits_the_schema(name):
    assert accepted(recipes()[name].read_text(encoding="utf-8"))


@pytest.mark.parametrize("steps", ["3", "[2, 3]"])
@pytest.mark.parametrize("noise", ["0.1", "{ scale = 0.1 }"])
@pytest.mark.parametrize("topology", ['"torus"', '["zeros", "torus"]'])
def test_short_and_long_forms_fit(steps, noise, topology):
    text = changed("[2, 3]", steps).replace("fire_rate", f"noise = {noise}\nfire_rate")
    assert accepted(text.replace("size = [8, 8]", f"size = [8, 8]\ntopology = {topology}"))


@pytest.mark.parametrize("memory", ['"segments"', '{ mode = "segments", every = 8 }', '"auto"'])
def test_a_memory_is_a_word_or_a_table(memory):
    assert accepted(changed("batch = 4", f"batch = 4\nmemory = {memory}"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("fire_rate", "fire_rat"),
        ("hidden = 4", "hiden = 4"),
        ("hidden = 4", "hidden = 0"),
        ('"growing"', '"growin"'),
        ("held_out", "heldout"),
        ("[2, 3]", '"3"'),
        ("[8, 8]", "[]"),
        ("format = 1", ""),
        ("channels = 4", "channels = true"),
        ("batch = 4", 'batch = 4\nmemory = "all"'),
        ("batch = 4", "batch = 4\nmemory = { every = 0 }"),
    ],
)
def test_what_the_program_refuses_does_not_fit(old, new):
    assert accepted(RECIPE)
    assert not accepted(changed(old, new))


def test_every_reference_leads_somewhere():
    schema = recipe_schema()
    names = re.findall(r'"#/\$defs/([^"]+)"', json.dumps(schema))
    assert set(names) <= set(schema["$defs"])
    assert {"RuleTable", "TaskTable", "Alive"} <= set(names)


DIGITS = 'dataset = "blobs"'


@pytest.mark.parametrize(
    ("table", "right"),
    [
        ('"folder"', True),
        ('{ name = "folder", path = "photos", mode = "colour" }', True),
        ('{ name = "folder", pth = "photos" }', False),
        ('{ name = "folder", path = "photos", mode = "blue" }', False),
        ('{ name = "nowhere" }', False),
    ],
)
def test_the_schema_knows_the_options_of_data_sets(table, right):
    assert accepted(changed(DIGITS, f"dataset = {table}")) is right
