"""Names and things: taken once, loaded when asked for, and refused in words that help."""

import sys
from pathlib import Path

import pytest
from torch import Tensor, nn

from nca import NCAError, PluginError, RegistryError, UpdateRule, View, register, registry
from nca.registry.discovery import load_file
from nca.registry.registry import Registry


class Still(UpdateRule):
    def forward(self, view: View) -> Tensor:
        return 0 * view.own


class Other(Still):
    pass


class Silent(UpdateRule):
    pass


@pytest.fixture
def names() -> Registry:
    return Registry()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return what writes an importable module, whose import leaves a trace."""
    monkeypatch.syspath_prepend(tmp_path)
    written = []

    def write(name: str, source: str) -> str:
        (tmp_path / f"{name}.py").write_text(source)
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


def told(fault: pytest.ExceptionInfo[NCAError]) -> str:
    return str(fault.value)


# taken once


def test_a_name_leads_to_its_thing(names):
    names.add("rule", "still", Still)
    names.add("target", "still", test_a_name_leads_to_its_thing)
    assert names.get("rule", "still") is Still
    assert names.names("rule") == ["still"]


def test_a_second_thing_under_a_name_is_refused_and_both_origins_are_named(names):
    with names.origin("first 1.0"):
        names.add("rule", "still", Still)
    with names.origin("second 2.0"), pytest.raises(RegistryError) as fault:
        names.add("rule", "still", Other)
    assert told(fault) == (
        "the rule name 'still' is taken.\n"
        f"  where:  first by {__name__}:Still from first 1.0, "
        f"then by {__name__}:Other from second 2.0\n"
        "  to do:  rename one of the two, or leave one of them out"
    )
    assert names.get("rule", "still") is Still


def test_a_promise_takes_a_name_as_a_thing_does(names):
    names.promise("rule", "still", "far.away:Still", "first 1.0")
    with pytest.raises(RegistryError, match="'still' is taken"):
        names.promise("rule", "still", "near:Still", "second 2.0")
    with pytest.raises(RegistryError, match="'still' is taken"):
        names.add("rule", "still", Still)


def test_the_same_thing_may_be_registered_again(names):
    names.add("rule", "still", Still)
    names.add("rule", "still", Still)
    assert len(names.entries()) == 1


def test_a_kept_promise_remembers_who_made_it(names):
    names.promise("rule", "still", f"{__name__}:Still", "package 1.0")
    names.add("rule", "still", Still)
    (entry,) = names.entries()
    assert (entry.origin, entry.thing) == ("package 1.0", Still)


def test_what_is_registered_in_a_preserved_block_is_forgotten(names):
    names.add("rule", "still", Still)
    with names.preserved():
        names.add("rule", "other", Other)
        assert names.names("rule") == ["other", "still"]
    assert names.names("rule") == ["still"]


def test_every_test_starts_with_the_same_names():
    assert "test_registry_leftover" not in registry.names("rule")
    register.rule("test_registry_leftover")(Still)
    assert registry.get("rule", "test_registry_leftover") is Still


test_no_test_sees_what_another_one_registered = test_every_test_starts_with_the_same_names


# unknown names


def test_an_unknown_name_gets_the_nearest_one_and_the_list(names):
    names.add("rule", "growing", Still)
    names.add("rule", "life", Other)
    with pytest.raises(RegistryError) as fault:
        names.get("rule", "growin")
    assert told(fault) == (
        "there is no rule named 'growin'.\n"
        "  where:  rule names: growing, life\n"
        "  to do:  did you mean `growing`? choose one of these, or name the plugin's file: "
        "nca ... --plugin FILE"
    )


def test_a_name_like_no_other_gets_the_list_alone(names):
    with pytest.raises(RegistryError) as fault:
        names.get("task", "xyzzy")
    assert told(fault).startswith("there is no task named 'xyzzy'.\n  where:  task names: none\n")


# loaded when asked for


def test_a_promise_imports_nothing_until_it_is_asked_for(names, module):
    module("lazy_plugin", "class Thing:\n    class Inner: pass\n")
    names.promise("target", "lazy", "lazy_plugin:Thing.Inner", "package 1.0")
    assert names.names("target") == ["lazy"]
    assert [entry.thing for entry in names.entries()] == [None]
    assert "lazy_plugin" not in sys.modules
    assert names.get("target", "lazy").__qualname__ == "Thing.Inner"
    assert "lazy_plugin" in sys.modules


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("raise ValueError('broken\\nin two')", "ValueError: broken"),
        ("pass", "AttributeError: module 'broken_plugin' has no attribute 'Thing'"),
    ],
)
def test_a_broken_plugin_is_listed_and_fails_only_who_asks_for_it(names, module, source, reason):
    module("broken_plugin", source)
    names.promise("rule", "broken", "broken_plugin:Thing", "package 1.0")
    names.add("rule", "still", Still)
    assert names.names("rule") == ["broken", "still"]
    assert names.get("rule", "still") is Still
    with pytest.raises(PluginError) as fault:
        names.get("rule", "broken")
    assert told(fault) == (
        f"the rule 'broken' cannot be loaded: {reason}\n"
        "  where:  broken_plugin:Thing, from package 1.0\n"
        "  to do:  correct or remove that plugin; `nca plugins` lists all of them"
    )


def test_a_mended_plugin_is_loaded_without_a_new_start(names, module):
    module("mended_plugin", "raise ValueError")
    names.promise("target", "mended", "mended_plugin:thing", "package 1.0")
    with pytest.raises(PluginError):
        names.get("target", "mended")
    module("mended_plugin", "thing = 'a longer text than before'")
    assert names.get("target", "mended") == "a longer text than before"


# contracts


@pytest.mark.parametrize(
    ("thing", "fault_of_it"),
    [
        (nn.Linear, "it is not a subclass of UpdateRule"),
        (told, "it is not a subclass of UpdateRule"),
        (Silent, "it defines neither program() nor forward(view)"),
    ],
)
def test_what_is_no_rule_is_refused(thing, fault_of_it):
    with pytest.raises(PluginError) as fault:
        register.rule("odd")(thing)
    assert told(fault) == (
        f"'odd' is no rule: {fault_of_it}.\n"
        f"  where:  {thing.__module__}:{thing.__qualname__}\n"
        "  to do:  see `help(nca.registry)` and an existing rule: `nca plugins`"
    )
    assert "odd" not in registry.names("rule")


def test_a_promised_thing_is_held_to_the_contract_too(module):
    module("contract_breaker", "class Thing: pass")
    registry.promise("rule", "breaker", "contract_breaker:Thing", "package 1.0")
    with pytest.raises(PluginError, match="'breaker' is no rule: it is not a subclass"):
        registry.get("rule", "breaker")


# files


RULE = """
from nca import UpdateRule, register

@register.rule("from_a_file")
class FromAFile(UpdateRule):
    def forward(self, view):
        return view.own
"""


def test_a_file_registers_under_its_path(tmp_path):
    path = tmp_path / "my_rule.py"
    path.write_text(RULE)
    load_file(path)
    (entry,) = [e for e in registry.entries() if e.name == "from_a_file"]
    assert entry.origin == str(path)
    assert issubclass(registry.get("rule", "from_a_file"), UpdateRule)


def test_a_file_that_claims_a_taken_name_is_refused(tmp_path):
    path = tmp_path / "my_rule.py"
    path.write_text(RULE.replace("from_a_file", "growing"))
    with pytest.raises(RegistryError) as fault:
        load_file(path)
    assert "first by nca_plugins.growing:Growing from nca " in told(fault)
    assert f":FromAFile from {path}\n" in told(fault)


def test_a_file_that_fails_names_the_line(tmp_path):
    path = tmp_path / "my_rule.py"
    path.write_text("import nca\n\nnca.nothing_here\n")
    with pytest.raises(PluginError) as fault:
        load_file(path)
    assert told(fault) == (
        "the plugin fails to load: AttributeError: module 'nca' has no attribute 'nothing_here'\n"
        f"  where:  {path}, line 3\n"
        "  to do:  correct the file, there: nca.nothing_here"
    )


def test_importing_the_library_loads_no_plugin():
    import subprocess

    code = "import sys, nca; sys.exit(any(name.startswith('nca_plugins') for name in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)
