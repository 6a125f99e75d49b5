"""Plugin files as modules: they see what lies beside them, and nothing else sees it."""

import io
import sys
from pathlib import Path

import pytest
import torch

from nca import PluginError, RegistryError, registry
from nca.recipe.recipe_files import KeptFile, RecipeFiles
from nca.registry.discovery import load_file, load_files, plugin_fault
from nca.registry.installed import listen

RULE = """
from nca import UpdateRule, register
{above}
@register.rule("{name}")
class Made(UpdateRule):
    FACTOR = {factor}
    def forward(self, view):
        return view.own
"""


def write(path: Path, name: str, above: str = "", factor: str = "1") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RULE.format(name=name, above=above, factor=factor))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(PluginError) as fault:
        load_file(path)
    return str(fault.value)


def test_two_folders_may_have_plugins_and_helpers_of_one_name(tmp_path):
    for folder, number in (("a", 1), ("b", 2)):
        write(tmp_path / folder / "rule.py", f"one_{folder}", "import helper", "helper.NUMBER")
        (tmp_path / folder / "helper.py").write_text(f"NUMBER = {number}")
        load_file(tmp_path / folder / "rule.py")
    found = [registry.get("rule", name).FACTOR for name in ("one_a", "one_b")]
    assert found == [1, 2]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("from helper import NUMBER", "NUMBER"),
        ("import pack.inner as inner", "inner.NUMBER"),
        ("from pack import inner", "inner.NUMBER"),
        ("from .helper import NUMBER", "NUMBER"),
        ("import loose.inner", "loose.inner.NUMBER"),
    ],
)
def test_a_plugin_imports_what_lies_beside_it(tmp_path, line, value):
    for name in ("helper.py", "pack/__init__.py", "pack/inner.py", "loose/inner.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("NUMBER = 7")
    paths = list(sys.path)
    load_file(write(tmp_path / "rule.py", "beside", line, value))
    assert registry.get("rule", "beside").FACTOR == 7
    assert sys.path == paths
    assert not {"helper", "pack", "loose"} & set(sys.modules)


def test_a_file_beside_a_plugin_takes_no_place_of_the_standard_library(tmp_path):
    (tmp_path / "queue.py").write_text("raise SystemExit(3)")
    load_file(write(tmp_path / "rule.py", "queuing", "import queue", "queue.Queue"))
    import queue

    assert registry.get("rule", "queuing").FACTOR is queue.Queue


def test_an_import_inside_a_function_is_found_and_kept(tmp_path):
    above = "def later():\n    import helper\n    return helper.NUMBER"
    write(tmp_path / "rule.py", "late", above, "staticmethod(later)")
    (tmp_path / "helper.py").write_text("import deeper\nNUMBER = deeper.NUMBER")
    (tmp_path / "deeper.py").write_text("NUMBER = 3")
    files = RecipeFiles(tmp_path)
    load_files(["rule.py"], files)
    assert registry.get("rule", "late").FACTOR() == 3
    kept = {path: file.role for path, file in files.kept().items()}
    assert kept == {"rule.py": "plugin", "helper.py": "module", "deeper.py": "module"}


def test_carried_files_are_executed_without_the_disk(tmp_path):
    (tmp_path / "helper.py").write_text("NUMBER = 1")
    source = RULE.format(name="carried", above="import helper", factor="helper.NUMBER")
    carried = {"rule.py": KeptFile(source.encode(), "plugin"), "helper.py": KeptFile(b"NUMBER = 2")}
    load_files(["rule.py"], RecipeFiles(tmp_path, carried, "some.safetensors"))
    assert registry.get("rule", "carried").FACTOR == 2


def test_files_that_a_recipe_names_are_announced_before_they_are_executed(tmp_path):
    (tmp_path / "helper.py").write_text("raise ValueError('executed')")
    write(tmp_path / "rule.py", "announced", "import helper")
    lines: list[str] = []
    listen(lines.append)
    try:
        with pytest.raises(PluginError, match="executed"):
            load_files(["rule.py"], RecipeFiles(tmp_path))
    finally:
        listen(None)
    named = f"{tmp_path / 'rule.py'}, {tmp_path / 'helper.py'}"
    assert lines == [f"executing what the recipe names: {named}"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"raise SystemExit(3)", "SystemExit: 3"),
        (b"class Odd(BaseException): pass\nraise Odd('x')", "Odd: x"),
        (b"def f(:", "SyntaxError"),
        (b"X = 1", "registers nothing"),
        ("X = 1".encode("utf-16"), "no text in UTF-8"),
        (b"X = '\xff'", "SyntaxError"),
        (b"\0", "null bytes"),
    ],
)
def test_what_is_no_plugin_is_refused_in_a_sentence_and_leaves_nothing(tmp_path, source, words):
    before = set(sys.modules)
    path = tmp_path / "odd.py"
    path.write_bytes(source)
    assert words in refusal(path)
    assert not [name for name in set(sys.modules) - before if name.endswith(".odd")]


def test_a_fault_in_a_helper_names_both_files_and_the_line(tmp_path):
    write(tmp_path / "rule.py", "cracked", "import helper")
    (tmp_path / "helper.py").write_text("one = 1\nnone = one / 0")
    assert refusal(tmp_path / "rule.py") == (
        "the plugin fails to load: ZeroDivisionError: division by zero\n"
        f"  where:  {tmp_path / 'helper.py'}, line 2, called from {tmp_path / 'rule.py'}, line 3\n"
        "  to do:  correct the file, there: none = one / 0"
    )


def test_a_fault_of_a_call_that_a_plugin_cannot_take_names_its_function(tmp_path):
    load_file(write(tmp_path / "rule.py", "argumentless"))
    with pytest.raises(TypeError) as caught:
        registry.get("rule", "argumentless").forward()
    assert str(plugin_fault(caught.value)) == (
        "a plugin fails: TypeError: Made.forward() missing 2 required positional arguments: 'self' "
        f"and 'view'\n  where:  {tmp_path / 'rule.py'}, line 7\n"
        "  to do:  correct the file, there: def forward(self, view):"
    )


def test_a_fault_of_our_own_calls_is_no_fault_of_a_plugin(tmp_path):
    load_file(write(tmp_path / "rule.py", "blameless"))
    with pytest.raises(TypeError) as caught:
        load_file()
    assert plugin_fault(caught.value) is None


def test_one_file_cannot_register_a_name_twice(tmp_path):
    path = write(tmp_path / "rule.py", "twice")
    path.write_text(path.read_text() * 2)
    with pytest.raises(RegistryError, match="'twice' is taken"):
        load_file(path)
    assert "twice" not in registry.names("rule")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("import sys; sys.stdout.close()", "stdout"),
        ("import sys, io; sys.stderr = io.StringIO()", "stderr"),
        ("import torch; torch.set_default_device('meta')", "torch's default device"),
        ("import torch; torch.set_default_dtype(torch.float64)", "torch's default dtype"),
        ("import torch; torch.set_grad_enabled(False)", "whether torch computes gradients"),
    ],
)
def test_a_plugin_that_changes_what_all_rely_on_is_refused_and_it_is_put_back(
    tmp_path, monkeypatch, line, words
):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    said = refusal(write(tmp_path / "rule.py", "changing", line))
    assert f"the plugin changes {words} for the whole process" in said
    assert not sys.stdout.closed
    assert not sys.stderr.closed
    assert torch.get_default_device() == torch.device("cpu")
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert "changing" not in registry.names("rule")
