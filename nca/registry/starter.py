"""Files to begin with: a rule with its recipe and test, as one file or as a package to install.

They work as they are; their comments say where to go on. `NAME` and `CLASS` stand for what the rule
and its class are called.
"""

import keyword
import re
import sys
from importlib.util import find_spec

from nca.errors import NCAError, RegistryError
from nca.registry.registry import registry

LONGEST = 60
"""Letters of a name."""

_RULE = '''"""NAME: say in a sentence what a cell computes from what it sees.

It works as it is; make it yours line by line. What comes next:

CHECK
    nca help rules                   all that a rule can see and declare
    nca help checking                the laws, and what to do where one is broken
"""

from nca import RuleContext, StencilPerception, UpdateRule, View, perceptron, register
IMPORTSfrom nca.types import Units
from torch import Tensor, nn


@register.rule("NAME")  # what recipes call it
class CLASS(UpdateRule):
    """Say in a line what it does; `nca plugins NAME` shows it.

    Args:
        context: Where the rule stands: `context.own.channels`, `context.below`, `context.axes`.
        hidden: Units of the hidden layer. Every keyword-only argument is a key of the rule's
            table in a recipe; its type says what may stand there (`nca.types` has more).
    """

    reads = ("own",)  # the levels that it reads; also "below", "above", or names
    cellwise = True  # it looks at other cells through the view alone, at levels as they stand

    def __init__(self, context: RuleContext, *, hidden: Units = 64) -> None:
        super().__init__()
        channels = context.own.channels
        self.perception = StencilPerception(channels, context.axes)  # each channel, its slopes
        self.hidden = nn.Linear(self.perception.features, hidden)
        self.change = nn.Linear(hidden, channels)
        nn.init.zeros_(self.change.weight)  # so that training begins with cells that stand still
        nn.init.zeros_(self.change.bias)

    def forward(self, view: View) -> Tensor:
        """Return the change of each cell, in the shape of `view.own`."""
        # other things to look at: view.neighbours(view.own), the cells around each one;
        # view.below, if `reads` says so; view.uniform(1), numbers drawn by chance; view.step
        seen = self.perception(view, view.own)  # (B, features, *space)
        return perceptron(seen, self.hidden, self.change)
REST'''

_ALONE = """    nca check NAME.py                whether it keeps the laws of an automaton
    pytest NAME.py                   the same as tests, one for each law
    nca run NAME.py                  train it by RECIPE below, and draw what came of it
    nca play runs/NAME-1 --trust     touch it on a page"""

_PACKAGED = """    pip install --editable .         from now on `nca` knows rule and recipe by name
    nca check NAME                   whether it keeps the laws of an automaton
    pytest                           the same as tests, one for each law
    nca run NAME                     train it, and draw what came of it
    nca play runs/NAME-1             touch it on a page"""

_RECIPE = """# NAME: an image that comes out of one cell.
#
# Write here what you measured, on which machine. `nca recipes check RECIPE` says what is
# wrong with this file, `nca help recipes` what may stand in it.
format = 1
random_seed = 0
PLUGINS
[grid]
size = [24, 24]                # height, width, in cells

[[levels]]
name = "body"
channels = 12                  # red, green, blue, alpha, then 8 hidden
rules = [{ name = "NAME", hidden = 48 }]

[rollout]
steps = [24, 32]               # drawn afresh for every batch, both ends included
fire_rate = 0.5                # chance that a cell updates in a step
alive = { level = "body", channel = 3, above = 0.1 }

[task]
name = "image_growth"          # nca help tasks: what else there is
target = "butterfly"           # or a picture of yours: "my.png"
side = 16                      # cells along the longer side of the target

[train]
batch = 4
iterations = 200               # more of them, and it becomes sharp
learning_rate = 2e-3
gradient = "normalised"        # each tensor's gradient divided by its norm

[evaluate]
steps = [32]
"""

_REST = '''

# what `nca run NAME.py` trains; it is read as it stands, so let it be one plain string
RECIPE = """
BODY"""

test_NAME = laws(CLASS)  # for pytest
'''

_PYPROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "NAME"
version = "0.1.0"
description = "Say in a line what is in it."
requires-python = ">=3.11"
dependencies = ["nca"]

# what `nca` finds once the package is installed: NAME = "module:attribute".
# nca.tasks, nca.datasets, nca.targets, nca.importers and nca.topics are declared like this, too
[project.entry-points."nca.rules"]
NAME = "NAME.rule:CLASS"

[project.entry-points."nca.recipes"]
NAME = "NAME"

[tool.setuptools]
packages = ["NAME"]

[tool.setuptools.package-data]
NAME = ["*.toml"]
"""

_TEST = '''"""The rule keeps the laws of an automaton; each is a test of its own."""

from nca.testing import laws
from NAME.rule import CLASS

test_NAME = laws(CLASS)
'''


def rule_file(name: str) -> str:
    """Return the source of a module that is a rule with its recipe and its test.

    Raises:
        NCAError: Nothing may be called so.
        RegistryError: The name is taken.
    """
    key = f'plugins = ["{name}.py"]'
    plugins = f"{key:<30} # this file; it is executed when this is run\n"
    body = _RECIPE.replace("RECIPE", "NAME.py").replace("PLUGINS", plugins)
    rest = _REST.replace("BODY", body)
    imports = "from nca.testing import laws\n"
    return _filled(_RULE, name, CHECK=_ALONE, IMPORTS=imports, REST=rest)


def package_files(name: str) -> dict[str, str]:
    """Return the files of a package by their paths.

    Raises:
        NCAError: Nothing may be called so.
        RegistryError: The name is taken.
    """
    return {
        f"{name}/pyproject.toml": _filled(_PYPROJECT, name),
        f"{name}/{name}/__init__.py": f'"""Say what is in {name}."""\n',
        f"{name}/{name}/rule.py": _filled(_RULE, name, CHECK=_PACKAGED, IMPORTS="", REST=""),
        f"{name}/{name}/{name}.toml": _filled(_RECIPE, name, RECIPE=f"{name}.toml", PLUGINS=""),
        f"{name}/tests/test_{name}.py": _filled(_TEST, name),
    }


def _filled(template: str, name: str, **parts: str) -> str:
    _refuse(name)
    for word, part in parts.items():
        template = template.replace(word, part)
    kind = "".join(part.capitalize() for part in name.split("_"))
    if re.search(rf"\b{kind}\b", _RULE):  # an import would be hidden
        kind += "Rule"
    return template.replace("NAME", name).replace("CLASS", kind)


def _refuse(name: str) -> None:
    """Refuse a name that is none, or is taken."""
    to_do = "choose another one: small letters, digits and _, beginning with a letter"
    where = f"NAME {name!r}"
    if not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{LONGEST - 1}}}", name) or keyword.iskeyword(name):
        raise NCAError("a rule cannot be called so.", where=where, to_do=to_do)
    entry = next(
        (one for one in registry.entries() if (one.kind, one.name) == ("rule", name)), None
    )
    if entry is not None:
        raise RegistryError(
            f"the rule name {name!r} is taken.", where=f"by {entry.origin}", to_do=to_do
        )
    if name in sys.stdlib_module_names or find_spec(name) is not None:
        raise RegistryError(
            f"there is a module named {name!r} already, which would be hidden.",
            where=where,
            to_do=to_do,
        )
