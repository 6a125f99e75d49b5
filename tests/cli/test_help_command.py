"""Help by topic: every topic is there, at once, and every command in it is one."""

import re
import subprocess
import sys

import pytest
from commands import commands, parse

from nca.cli.help import TOPICS, find_source, read_docstring, topics
from nca.errors import NCAError

ALL = topics()
TEXTS = {name: read_docstring(module) for name, module in ALL.items()}

LOADS_NOTHING = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("help", sys.argv[1])
help = importlib.util.module_from_spec(spec)
spec.loader.exec_module(help)
known = help.topics()
assert all(help.topic_text(name, known) for name in known)
print([m for m in sys.modules if m.split(".")[0] in ("torch", "nca_plugins", "nca_recipes")])
"""


def test_plugins_add_topics_and_ours_come_first():
    assert list(ALL)[: len(TOPICS)] == list(TOPICS)
    assert {"glom", "growing", "textures", "measured"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_every_topic_shows_its_docstring(nca, name):
    result = nca("help", name)
    assert (result.code, result.out) == (0, TEXTS[name] + "\n")
    assert len(TEXTS[name].splitlines()) > 3


def test_help_lists_every_topic_in_80_characters(nca):
    result = nca("help")
    assert result.code == 0
    listed = re.findall(r"^(\w+)  +\S", result.out, re.MULTILINE)
    assert listed == list(ALL)
    assert max(map(len, result.out.splitlines())) <= 80


def test_an_unknown_topic_leads_to_the_nearest(nca):
    result = nca("help", "distribution")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("NCAError: there is no topic 'distribution'.\n")
    assert "did you mean `distributed`?" in result.err


@pytest.mark.parametrize("name", ALL)
def test_every_command_of_a_topic_parses(name):
    for command in commands(TEXTS[name]):
        parse(command)


@pytest.mark.parametrize("name", ALL)
def test_a_topic_names_topics_that_exist(name):
    assert set(re.findall(r"nca\s+help\s+([a-z_]+)", TEXTS[name])) <= set(ALL)


def test_commands_are_found_and_wrong_ones_refused():
    found = list(commands("say `nca run\nX`:\n\n    nca recipes show NAME > a.toml   words\n"))
    assert found == ["nca run X", "nca recipes show NAME"]
    assert sum(len(list(commands(text))) for text in TEXTS.values()) > 40
    assert parse("nca recipes show NAME") == ["recipes", "show"]
    for wrong in ("nca rune X", "nca recipes shew NAME", "nca render X --steps N", "nca run --x"):
        with pytest.raises(Exception, match=r"rune|shew|valid integer|--x"):
            parse(wrong)


def test_help_imports_neither_torch_nor_plugins():
    source = str(find_source("nca.cli.help"))
    done = subprocess.run(
        [sys.executable, "-c", LOADS_NOTHING, source], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("module", ["nca.nowhere", "nowhere.at.all"])
def test_a_missing_text_is_an_error(module):
    with pytest.raises(NCAError, match=rf"the text of a topic is missing: {module} "):
        read_docstring(module)
