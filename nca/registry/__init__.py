"""Write a rule of your own; how rules, tasks, data sets, targets and importers come in.

A rule is a class with `@register.rule("name")` that sees a view of the old state and returns the
change that it proposes for its level; `nca new rule ripples` writes one to begin with, and `nca
new package ripples` a package to share it. The automaton adds the changes of all rules of a level,
and applies fire rate, noise, alive mask and skips. A rule never writes to the state and never
pads.

`nca new rule` writes one file: a rule, its recipe as the text `RECIPE`, its test. Such a module
stands for a recipe wherever one is asked for, `nca run mine.py`. The text is read without
executing anything, so it must be one plain string; it names its own file, `plugins = ["mine.py"]`,
which is then executed and announced as that of any recipe. Lines in errors count from its first.

A recipe of its own may name the file, too, or a command, `--plugin mine.py`:

    nca plugins --plugin mine.py           what is registered, with all options
    nca recipes check RECIPE --plugin mine.py
    nca check mine.py                      whether it keeps the laws: nca help checking

- A plugin may import what lies beside it (`import helper` is the `helper.py` there); a run keeps
  both. `nca.types.FilePath` is the type of an option that names a file, `PictureSpec` of one that
  names a picture or a target; a task reads them through `context.files.get(path)`.
- The keyword-only arguments of the constructor are the keys of the rule's table in a recipe, with
  their types and defaults. `Annotated` types set ranges; `nca.types` has the usual ones (`Count`,
  `Positive`, `Fraction`, ...).
- A rule that sizes its weights by its surroundings takes a `RuleContext` as its first argument:
  `own`, `below`, `above` and `level(name)` have `.name` and `.channels`; `axes` is 1, 2 or 3.
- `reads = ("below", "own")` declares the levels that it reads: `own`, `below`, `above`, or names.
- The view has `own`, `below`, `above` and `level(name)`, each `(B, C, *space)`;
  `neighbours(tensor, radius=1)`, the wrapped neighbourhood `(B, N, C, *space)` with the cell in the
  middle; `correlate(tensor, weight, bias)`, a wrapped convolution; `convolve(tensor, kernel)`, the
  same with a wide kernel, by Fourier transforms where these are faster;
  `stencils(tensor, kernels)`, every channel through each of K kernels, `(B, K * C, *space)`;
  `uniform(channels)`, `normal(channels)` and `chance(probability, channels)`, counted randomness;
  `step`; and `coordinates`, where the recipe grants them (`[grid] coordinates = true`).
- `nca.per_cell(linear, tensor)` applies one `nn.Linear` to every cell,
  `nca.perceptron(tensor, *layers)` several with relu between.
- `program()` declares a rule that is perception, small layers and a change, as `nca.Program`. Then
  pages run it (`nca help export`), and on a CUDA device a step is one launch (`nca help speed`). A
  table of successors is an `nca.TableTerm`, a network of logic gates an `nca.GatesTerm`; cells of 0
  and 1 are then stepped as bits.
- `cellwise = True` promises that the rule looks at its neighbours through the view alone. Where an
  alive mask spares most of the grid, the rule then gets only cells that can change, `(1, C, n)`,
  with the same results in a third of the time.
- `needs = nca.Needs(channels=2, axes=(2,), states="unit")` declares what the rule needs: exactly so
  many channels of its level (or `least_channels`), at least so many of the levels `below` and
  `above`, grids of so many axes, a level whose cells hold numbers from 0 to 1 (`unit`; on average
  `mean`, 0.5 or less), 0 and 1 alone (`binary`), whole numbers (`whole`) or `any` numbers when
  something is to happen, and whether it must be `alone` on its level. The levels in `reads` must be
  there. It is checked when a recipe is read, with line and key, and when the rule is made in
  Python; the laws put the rule into such surroundings, and an example that no task makes is drawn
  as `states` says.
- `radius = 2` declares a rule that sees further than one cell in a step.
- `adjustable` names numbers that may change while the automaton runs; `nca play` has a control for
  each.

Data sets, targets and importers take options in the same way: the keyword-only arguments of a data
set's constructor, or of the function that draws or imports. A task whose option names one has the
type `nca.types.DatasetSpec` (opened by `nca.data.NamedDataset`) or `TargetSpec`; one whose option
names a rule has `RuleSpec`, and makes it by `nca.named_rule`.

A pattern is a function that returns a first state `(C, *cells)`, `@register.pattern("glider")`; a
notation one that returns the recipe, as TOML, for which a text such as `B36/S23` stands, or None.

To share a rule, declare an entry point in your package; `pip install` is then all that others need.
Tasks, data sets, targets, patterns, importers and notations enter the same way (`nca.tasks`,
`nca.datasets`, `nca.targets`, `nca.patterns`, `nca.importers`, `nca.notations`), and `nca.topics`
adds a text to `nca help`:

    [project.entry-points."nca.rules"]
    consensus = "my_package.consensus:Consensus"

`registry` keeps names: `register.rule("name")` and its like put a class or function under a name,
`get("rule", "name")` returns it, `options` checks those of other plugins. `discovery` finds what
installed packages and files offer, `importer` is the contract of those that read foreign weights,
`target` of those that draw, `pattern` of first states and of notations, `starter` has files to
begin with, `plugin_files` executes a file, `plugin_frames` says where in one a fault comes from,
`installed` says what packages declare.
Public to the other folders: `registry`, `discovery`, `importer`, `installed`, `options` and
`starter`.
"""

import nca.registry.pattern
import nca.registry.target  # noqa: F401  # their contracts hold from the first plugin on
from nca.registry.registry import Entry, register, registry

add, promise, get = registry.add, registry.promise, registry.get
names, entries = registry.names, registry.entries
demand, origin, preserved = registry.demand, registry.origin, registry.preserved

__all__ = [
    "Entry",
    "add",
    "demand",
    "entries",
    "get",
    "names",
    "origin",
    "preserved",
    "promise",
    "register",
    "registry",
]
