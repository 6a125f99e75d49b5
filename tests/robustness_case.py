"""Automata whose report card can be worked out by hand: still, regrowing, doubling, lopsided."""

from pathlib import Path

import torch
from torch import Tensor, nn

from nca import Batch, Share, Task, UpdateRule, View, register
from nca.checkpoint.file import Checkpoint, weights
from nca.checkpoint.trained import Trained
from nca.recipe.recipe import Recipe

RECIPE = """\
format = 1
random_seed = 3

[grid]
size = [8, 8]

[[levels]]
name = "body"
channels = 1
rules = [{{ name = "{rule}" }}]

[rollout]
steps = [4, 4]

[task]
name = "field"
full = {full}
"""


SEEN = RECIPE.replace(
    '[[levels]]\nname = "body"',
    '[[levels]]\nname = "seen"\nchannels = 1\ninput = true\n\n[[levels]]\nname = "body"',
)
"""The same with an input below."""


class Still(UpdateRule):
    """Propose nothing."""

    def forward(self, view: View) -> Tensor:
        return torch.zeros_like(view.own)


class Regrow(UpdateRule):
    """Propose a quarter where less than 1 stands: what is emptied is lit again after 3 steps."""

    def forward(self, view: View) -> Tensor:
        return 0.25 * (view.own < 1)


class Copy(UpdateRule):
    """Propose half of the way to the input below."""

    reads = ("own", "below")

    def forward(self, view: View) -> Tensor:
        return 0.5 * (view.below - view.own)


class Double(UpdateRule):
    """Propose what stands there."""

    def forward(self, view: View) -> Tensor:
        return view.own


class Lopsided(UpdateRule):
    """Know one's column, which no rule may."""

    def forward(self, view: View) -> Tensor:
        return torch.arange(view.own.shape[-1]).to(view.own.dtype).expand(view.own.shape)


class Weighty(UpdateRule):
    """Propose a share of what stands there, learned."""

    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, view: View) -> Tensor:
        return self.share * view.own


class Field(Task):
    """Which cells are lit shall stay as it was: all of them, or every other one by chance."""

    headline = "kept"
    better = "more"

    def __init__(self, setting, *, full: bool = True) -> None:
        super().__init__(setting)
        self.full = full

    def training_batch(self, draw, samples):
        return self._batch(samples)

    def loss(self, states, batch):
        return {"nothing": torch.zeros(states[-1].batch)}

    def measure(self, state, batch):
        lit = state["body"][:, :1] > 0.5
        kept = (lit == batch.truth["lit"]).flatten(1).double().mean(dim=1)
        return {"kept": Share.of(kept), "lit": Share.of(lit.flatten(1).double().mean(dim=1))}

    def evaluation_batches(self, split, batch):
        for part in (-1 - torch.arange(6)).split(batch):
            yield self._batch(part)

    def picture(self, state):
        return state["body"].expand(-1, 3, -1, -1).clamp(0, 1)

    def _batch(self, samples: Tensor) -> Batch:
        """Return fields lit by chance, on the input as well if there is one."""
        state = self.context.layout.zeros(len(samples), self.context.size)
        state = state.replace(samples=samples)
        lit = state.rng.chance("lit", 0.5, 1, self.context.size) | self.full
        body = lit.float().expand_as(state["body"]).contiguous()
        levels = {name: body for name in state}
        return Batch(state.replace(levels), {"lit": lit})


RULES = {
    "still": Still,
    "regrow": Regrow,
    "copy": Copy,
    "double": Double,
    "lopsided": Lopsided,
    "weighty": Weighty,
}


def recipe(rule: str, *, full: bool = True, text: str = RECIPE) -> Recipe:
    """Return a recipe; registers its plugins."""
    for name, kind in RULES.items():
        register.rule(name)(kind)
    register.task("field")(Field)
    told = text.format(rule=rule, full=str(full).lower())
    return Recipe.parse(told, name=f"all {rule}", folder=Path())


def trained(rule: str, *, full: bool = True, text: str = RECIPE) -> Trained:
    """Return an automaton of one rule with its task."""
    made = recipe(rule, full=full, text=text)
    checkpoint = Checkpoint(name=made.name, recipe=made.text)
    automaton, task = made.automaton().eval(), made.task().eval()
    return Trained(Path("case"), checkpoint, made, automaton, task, torch.device("cpu"))


def saved(rule: str, path: Path) -> Path:
    """Write a checkpoint of such an automaton."""
    one = trained(rule)
    tensors = weights(automaton=one.automaton, task=one.task)
    Checkpoint(name="case", recipe=one.recipe.text, tensors=tensors).write(path)
    return path
