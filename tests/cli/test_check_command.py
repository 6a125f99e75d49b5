"""`nca check`: a line for each law, the smallest counterexample, and exit codes for CI."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nca import testing
from nca.testing import laws
from nca.testing.checks import LAWS
from nca.testing.compare import LawError

RULES = Path(__file__).parents[1] / "laws" / "broken_rules.py"

SOUND = '''"""A rule without a flaw."""

import torch
from torch import nn

from nca import UpdateRule, register


@register.rule("{name}")
class {kind}(UpdateRule):
    """Drift towards the neighbours."""

    {declared}

    def __init__(self) -> None:
        super().__init__()
        self.pull = nn.Parameter(torch.ones(()))

    def forward(self, view):
        change = self.pull * torch.tanh(view.neighbours(view.own).mean(1))
        return {change}
'''


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file with a rule into the working folder."""
    monkeypatch.chdir(tmp_path)

    def written(name: str, change: str = "change", declared: str = "") -> str:
        file = tmp_path / f"{name}.py"
        text = SOUND.format(name=name, kind=name.title(), change=change, declared=declared)
        file.write_text(text)
        return file.name

    return written


def found(text: str) -> dict[str, str]:
    """Return the outcome of each law as printed."""
    pairs = re.findall(r"^(held|broken|n/a|open) +(\S+)", text, re.MULTILINE)
    return {law: outcome for outcome, law in pairs}


def test_a_sound_rule_has_a_line_for_every_law_and_ends_well(nca, write):
    result = nca("check", write("sound_one"), "--examples", "4")
    assert (result.code, result.err) == (0, "")
    assert list(found(result.out)) == [law.name for law in LAWS]
    assert set(found(result.out).values()) == {"held", "n/a"}
    assert re.search(r"^n/a +sparse +the rule does not promise to be cellwise$", result.out, re.M)
    assert "gain    cellwise = True" in result.out
    assert "gain    program()" in result.out
    assert "radius" not in result.out.partition("gain")[2]


def test_a_broken_rule_is_shown_its_smallest_example_which_can_be_repeated(nca, write):
    file = write("counting", "change * view.own.shape[-1]")
    result = nca("check", file, "--law", "tiling", "--law", "translation")
    assert result.code == 1
    outcomes = found(result.out)
    assert outcomes["tiling"] == "broken"
    assert outcomes["translation"] == "held"
    _, law, example, line = result.out[result.out.index("broken  tiling") :].splitlines()[:4]
    assert re.match(r' +level "middle" differs at sample \d, channel \d, cell \(0, \d\): ', law)
    assert example.strip() == (
        "smallest example: a grid of 1 x 1 cells, repeated 2 x 2 times, 1 step, random seed 0"
    )
    with pytest.raises(LawError, match="level"):
        exec(line.strip(), {})


def test_no_law_vanishes_where_python_optimises():
    for module in Path(testing.__file__).parent.rglob("*.py"):
        parts = ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        assert not any(isinstance(part, ast.Assert) for part in parts), module


def test_json_has_all_that_is_printed(nca, write):
    result = nca("check", write("farther", declared="radius = 2"), "--examples", "4", "--json")
    assert result.code == 0
    (rule,) = json.loads(result.out)
    assert (rule["rule"], rule["origin"], rule["end"]) == ("farther", "farther.py", 0)
    assert [law["law"] for law in rule["laws"]] == [law.name for law in LAWS]
    assert any(gain.startswith("radius = 1:") for gain in rule["gains"])


def test_a_rule_that_sees_further_than_it_says_is_told_how_far(nca, write):
    twice = "view.neighbours(change).mean(1)"
    named = ["--law", "locality", "--law", "sparse"]
    result = nca("check", write("far", twice), "--examples", "4", *named)
    assert result.code == 1
    assert found(result.out)["locality"] == "broken"
    assert "gain    radius = 2: so far the rule sees" in result.out
    assert "gain    cellwise" not in result.out


def test_a_rule_that_stands_still_is_not_checked(nca, write):
    file = Path(write("still", "change * 0"))
    file.write_text(file.read_text().replace("nn.Parameter(torch.ones(()))", "1.0"))
    result = nca("check", file, "--examples", "1")
    assert result.code == 2
    assert found(result.out)["translation"] == "open"
    assert "the rule stands still, so that nothing was tested" in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "there is no such plugin file"),
        (["grwoing"], "did you mean `growing`?"),
        ([], "name one rule, or --installed"),
        (["growing", "--installed"], "name one rule, or --installed"),
        (["growing", "--budget", "0"], "--budget"),
        (["growing", "--law", "tilling"], "did you mean `tiling`?"),
    ],
)
def test_what_cannot_be_checked_ends_with_2(nca, arguments, message):
    result = nca("check", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in " ".join(result.err.split())


def test_a_slow_rule_ends_in_time_and_says_what_was_left_out(nca, write):
    file = Path(write("slow"))
    file.write_text(
        file.read_text()
        .replace("        change =", "        time.sleep(0.1)\n        change =")
        .replace("import torch\n", "import time\n\nimport torch\n", 1)
    )
    begun = time.perf_counter()
    result = nca("check", file, "--budget", "2")
    assert time.perf_counter() - begun < 15
    assert result.code == 2
    assert found(result.out)["dtype"] == "held"
    assert found(result.out)["tiled"] == "open"
    assert "no time was left for it: --budget gives it more" in result.out


def test_a_missing_hypothesis_is_one_sentence(nca, monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    result = nca("check", "growing")
    assert (result.code, result.out) == (2, "")
    assert 'to do:  pip install "hypothesis>=6.120"' in result.err


@pytest.mark.parametrize(
    "content",
    ["raise SystemExit(0)", "1 / 0", "import nca", SOUND.replace("torch.ones(())", "1 / 0")],
)
def test_a_file_that_does_not_load_or_make_a_rule_ends_with_2(nca, tmp_path, content):
    file = tmp_path / "wrong.py"
    file.write_text(content.format(name="wrong", kind="Wrong", change="change", declared=""))
    result = nca("check", file)
    assert result.code == 2
    assert "to do:" in result.err


def test_a_rule_without_a_default_says_which_one_it_lacks(nca, write):
    file = Path(write("sized"))
    file.write_text(file.read_text().replace("__init__(self)", "__init__(self, *, size: int)"))
    result = nca("check", file)
    assert result.code == 2
    assert "there is no default of size" in result.err
    assert "--set size=VALUE" in result.err


STRETCHED = """
import nca, torch
from nca import UpdateRule, register
from nca.testing import laws

@register.rule("{name}")
class Stretched(UpdateRule):
    def __init__(self, *, factor: float, odd: bool = False) -> None:
        super().__init__()
        self.factor, self.odd = factor, odd

    def forward(self, view):
        change = self.factor * torch.tanh(view.neighbours(view.own).mean(1))
        return change * (view.own.shape[-1] if self.odd else 1)
"""


def test_options_without_defaults_are_given_by_set(nca, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("stretched.py").write_text(STRETCHED.format(name="stretched"))
    sound = nca("check", "stretched.py", "--set", "factor=0.5", "--examples", "2")
    assert (sound.code, sound.err) == (0, "")
    assert sound.out.startswith("stretched, from stretched.py, factor = 0.5\n")
    asked = ["--set", "factor=0.5", "--set", "odd=true", "--law", "tiling", "--json"]
    broken = nca("check", "stretched.py", *asked)
    assert broken.code == 1
    ((row,),) = [rule["laws"] for rule in json.loads(broken.out)]
    assert "options={'factor': 0.5, 'odd': True}" in row["python"]
    with pytest.raises(AssertionError):
        exec(row["python"], {})
    exec(row["python"].replace("True", "False"), {})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("factor=wide", 'factor is "wide"'),
        ("odd=true", "there is no default of factor"),
        ("factor", "is no override"),
    ],
)
def test_options_that_a_rule_does_not_take_end_with_2(nca, tmp_path, monkeypatch, given, message):
    monkeypatch.chdir(tmp_path)
    Path("stretched.py").write_text(STRETCHED.format(name="stretching"))
    result = nca("check", "stretched.py", "--set", given)
    assert (result.code, message in result.err) == (2, True), result.err
    odd = nca("check", "stretched.py", "--set", "factor=1.0", "--set", "facto=1.0")
    assert (odd.code, "did you mean `factor`?" in odd.err) == (2, True), odd.err


def test_options_are_for_one_rule(nca):
    result = nca("check", "--installed", "--set", "hidden=8")
    assert (result.code, "options are for one rule" in result.err) == (2, True)


def test_a_named_rule_takes_options_as_well(nca):
    result = nca("check", "growing", "--set", "hidden=3", "--law", "dtype", "--json")
    assert result.code == 0
    assert json.loads(result.out)[0]["options"] == {"hidden": 3}
    assert nca("check", "growing", "--set", "hiden=3").code == 2


@pytest.mark.parametrize("fault", ["ValueError('too small')", "SystemExit(0)"])
def test_a_rule_that_fails_on_small_grids_is_shown_one_and_the_line(nca, write, fault):
    file = Path(write("picky"))
    raising = f"        if view.own.shape[-1] < 3:\n            raise {fault}\n        change ="
    file.write_text(file.read_text().replace("        change =", raising))
    result = nca("check", file, "--law", "translation")
    assert result.code == 1
    assert re.search(
        r"^ +(ValueError: too small|SystemExit: 0), in \S+/picky.py, line 2\d$", result.out, re.M
    )
    assert "smallest example: a grid of 1 x 1 cells, moved by (0, 0)" in result.out


def test_a_rule_that_needs_what_no_surroundings_have_ends_with_2(nca, write):
    result = nca("check", write("lonely", declared='reads = ("nowhere else",)'))
    assert result.code == 2
    assert "not checked" in result.err


def test_a_named_rule_of_a_plugin_is_repeated_with_its_file(nca, write):
    file = write("named", "change[:, :1]")
    result = nca("check", "named", "--plugin", file, "--law", "dtype", "--law", "replay", "--json")
    assert result.code == 1
    (rule,) = json.loads(result.out)
    lines = [law["python"] for law in rule["laws"] if "python" in law]
    assert lines
    assert all("'named'" in line and "plugin='named.py'" in line for line in lines)


def test_installed_rules_share_the_time(nca, monkeypatch):
    from nca.registry.registry import registry

    monkeypatch.setattr(registry, "_entries", {("rule", "life"): registry._entries["rule", "life"]})
    result = nca("check", "--installed", "--examples", "1", "--json")
    assert result.code == 0
    assert [rule["rule"] for rule in json.loads(result.out)] == ["life"]


PYTEST = """
from broken_rules import CountsTheCells, Sound
from nca.testing import laws

test_sound = laws(Sound, seconds=0.2)
test_counting = laws(CountsTheCells, seconds=0.2)


class Scaled(Sound):
    def __init__(self, context, *, by: float) -> None:
        super().__init__(context)
        self.by = by

    def forward(self, view):
        return self.by * super().forward(view)


test_scaled = laws(Scaled, seconds=0.2, options={"by": 0.5})
"""


def test_pytest_shows_law_by_law(tmp_path):
    (tmp_path / "test_mine.py").write_text(PYTEST)
    shutil.copy(RULES, tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    failed = set(re.findall(r"^FAILED test_mine.py::(\w+\[[\w-]+\])", done.stdout, re.M))
    assert {"test_counting[tiling]", "test_counting[sparse]"} <= failed
    assert not any(name.startswith(("test_sound", "test_scaled")) for name in failed)
    assert "CountsTheCells, broken: to tile a state is to tile its future" in done.stdout
    assert "nca.testing.reproduce(CountsTheCells, 'tiling'" in done.stdout


def test_the_door_imports_nothing_before_it_is_needed():
    code = (
        "import sys; from nca.testing import laws; laws('x'); "
        "print({'torch', 'pytest', 'hypothesis'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert callable(laws("growing"))


LAZY = """
from torch import nn
from nca import UpdateRule, register

@register.rule("lazily")
class Lazily(UpdateRule):
    def __init__(self):
        super().__init__()
        self.layer = nn.LazyLinear(4)

    def forward(self, view):
        return self.layer(view.own.movedim(1, -1)).movedim(-1, 1)
"""


def test_layers_without_sizes_are_refused_in_a_sentence(nca, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lazily.py").write_text(LAZY)
    result = nca("check", "lazily.py")
    assert result.code == 2
    assert "layers without sizes (torch.nn.Lazy...): layer.weight, layer.bias" in result.err
    assert "a RuleContext, has channels" in result.err
    assert "held" not in result.out
