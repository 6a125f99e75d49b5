"""Watch a pattern: nothing to train, something to see and to count.

Legend: B batch, C channel, S states, H height, W width.
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from nca import (
    SILENT,
    Batch,
    ChannelColours,
    ClassColours,
    Display,
    Fault,
    HostRNG,
    NCAError,
    NCAWarning,
    OptionError,
    Progress,
    Share,
    State,
    Task,
    TaskContext,
    register,
)
from nca.types import Fraction, Natural, Samples, Size, Split
from nca_plugins.discrete.colours import number_colours, state_colours
from nca_plugins.discrete.families import read_rule
from nca_plugins.discrete.pattern_files import NamedPattern, PatternSpec, open_pattern
from nca_plugins.discrete.placing import Corner, laid_in_grid
from nca_plugins.discrete.rule_string import RuleString, RuleStringError

LIVE = 0.1
"""Cells that hold numbers are counted above this; those of states wherever they are not empty."""

WHERE = "PatternTask(...)"

MOST_CLASSES = 32
"""States that a page shows by their colours at most."""


@register.task("pattern")
class PatternTask(Task):
    """Begin with a pattern, or with cells drawn at random, and count what becomes of it.

    Without either, one cell in the middle is on. Cells are of a few states, or, where the pattern
    says so, hold numbers from 0 to 1.

    Args:
        setting: The run that the task belongs to.
        pattern: A registered pattern (`glider`), alone or with its options as a table; a file of
            runs (`.rle`), plain text (`.cells`) or an array (`.npy`, `.npz`), relative to the
            recipe; or runs, `bo$2bo$3o!`.
        rule: The rule string of the automaton, by which the states are coloured, and patterns
            refused that are of another kind of rule; not needed.
        at: The first cell of the pattern, along each axis; or `centre`.
        soup: Without a pattern: the share of cells that are on.
        level: The level on which it lies; the top level that rules write to, unless named.
        look: What cells hold: `states`, or `numbers` from 0 to 1; `auto`: as the pattern does.
        channel: Which channel is shown and counted.
        trials: How many samples there are, which differ by what is drawn.
    """

    headline = "population"
    better = "more"

    def __init__(
        self,
        setting: TaskContext,
        *,
        pattern: PatternSpec = "",
        rule: str = "",
        at: Literal["centre"] | tuple[Natural, ...] = "centre",
        soup: Fraction = 0.0,
        level: str = "",
        look: Literal["auto", "states", "numbers"] = "auto",
        channel: Natural = 0,
        trials: Samples = 1,
    ) -> None:
        super().__init__(setting)
        writable = [one for one in setting.layout.values() if not one.input]
        self.level = setting.layout[level] if level in setting.layout else writable[-1]
        self.pattern, self.at, self.soup, self.look = pattern, at, soup, look
        self.channel, self.count = channel, trials
        self.rule = self._checked(level, rule)
        self.device = torch.device("cpu")
        self.roles = ("start",) if len(setting.size) == 2 else ()
        self.opened: NamedPattern | None = None

    def check(self) -> None:
        """Refuse a pattern that cannot be had, or does not fit."""
        self._placed()

    def prepare(
        self, device: torch.device, data: Path | None = None, progress: Progress = SILENT
    ) -> None:
        """Read the pattern.

        Raises:
            NCAError: It cannot be had, or does not fit.
        """
        self.device = device
        self._placed()

    def training_batch(self, draw: HostRNG, samples: Tensor) -> Batch:
        """Return a first state for each sample number."""
        state = self.context.layout.zeros(
            len(samples), self.context.size, random_seed=draw.random_seed, device=samples.device
        ).replace(samples=samples)
        cells = state[self.level.name].clone()
        if self.soup and not self.pattern:
            name, channels = f"soup/{self.level.name}", self.level.channels
            on = state.rng.chance(name, self.soup, channels, self.context.size).to(cells.dtype)
            if self.holds_numbers:
                on = on * state.rng.uniform(f"{name}/number", channels, self.context.size)
            cells = on.to(cells.dtype)
        elif self.pattern:
            corner, pattern = self._placed()
            inside = [
                slice(at, at + side) for at, side in zip(corner, pattern.shape[1:], strict=True)
            ]
            cells[(slice(None), slice(None), *inside)] = pattern.to(cells)
        else:
            cells[(slice(None), slice(None), *(side // 2 for side in self.context.size))] = 1
        return Batch(state.replace({self.level.name: cells}))

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Refuse: there is nothing to train for."""
        raise NCAError(
            "a pattern is watched, and not trained for.",
            where='[task] name = "pattern"',
            to_do="leave the table [train] out, or name another task: nca plugins lists them",
        )

    def evaluation_batches(self, split: Split, batch: int) -> Iterator[Batch]:
        """Yield first states; their sample numbers count down from -1."""
        samples = -1 - torch.arange(self.count, device=self.device)
        for part in samples.split(batch):
            yield self.training_batch(HostRNG(self.context.random_seed, 0), part)

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return how many cells are not empty, and, where cells hold numbers, their sum."""
        shown = state[self.level.name][:, self.channel].flatten(1)
        live = shown > (LIVE if self.holds_numbers else 0.5)
        found = {"population": Share.of(live.sum(dim=1))}
        if self.holds_numbers:
            found["mass"] = Share.of(shown.double().sum(dim=1))
        return found

    def add_seed(self, batch: Batch, cell: Size) -> Batch:
        """Turn one cell on."""
        cells = batch.state[self.level.name].clone()
        cells[(slice(None), slice(None), *cell)] = 1
        return Batch(batch.state.replace({self.level.name: cells}), batch.truth)

    def apply_picture(self, batch: Batch, picture: Tensor, role: str) -> Batch:
        """Let what a picture covers be on where it is light, and off where it is dark."""
        light, cover = picture[:3].mean(dim=0), picture[3] > 0.5
        cells = batch.state[self.level.name]
        drawn = light if self.holds_numbers else light > 0.5
        cells = torch.where(cover.to(cells.device), drawn.to(cells), cells)
        return Batch(batch.state.replace({self.level.name: cells}), batch.truth)

    def display(self) -> Display:
        """Return the first state, and the colours of its cells."""
        first = self.training_batch(
            HostRNG(self.context.random_seed, 0), -1 - torch.arange(1, device=self.device)
        ).state
        hint = "Draw cells, and let time pass."
        if self.holds_numbers or len(self.context.size) != 2:
            return Display(first, hint=hint)
        name, count = self.level.name, self.states
        if count == 2:
            return Display(
                first, ChannelColours(name, (self.channel, self.channel, self.channel)), hint=hint
            )
        if count > MOST_CLASSES:
            return Display(first, hint=hint)
        # the greatest of 2 k x - k * k is that of the state k nearest to x
        states = torch.arange(count, dtype=torch.float32)
        weight = torch.zeros(count, self.level.channels)
        weight[:, self.channel] = 2 * states
        names = tuple(f"state {number}" for number in range(count))
        look = ClassColours(name, weight, -(states**2), names, self.colours, silent=0)
        return Display(first, look, hint=hint)

    def picture(self, state: State) -> Tensor:
        """Return the cells in the colours of their states or numbers; three axes from above."""
        shown = state[self.level.name][:, self.channel].detach()
        if shown.ndim == 4:
            shown = shown.amax(dim=1)
        if shown.ndim == 2:
            shown = shown.unsqueeze(1)  # (B, 1, W)
        if self.holds_numbers:
            return number_colours(shown).movedim(-1, 1)
        number = shown.nan_to_num(0.0).round().clamp(0, self.states - 1).long()
        return self.colours.to(number.device)[number].movedim(-1, 1)

    @property
    def holds_numbers(self) -> bool:
        """Whether cells hold numbers, and not states."""
        if self.look != "auto":
            return self.look == "numbers"
        if not self.pattern:
            return False
        cells = self._opened().cells
        return bool(cells.is_floating_point() and (cells != cells.round()).any())

    @property
    def states(self) -> int:
        """How many states are told apart by colour."""
        if self.rule:
            return self.rule.states
        if not self.pattern or self.holds_numbers:
            return 2
        return min(max(int(self._opened().cells.max()) + 1, 2), 256)

    @property
    def colours(self) -> Tensor:
        """The colour of each state, `(S, 3)`."""
        return state_colours(self.states, self.rule.family if self.rule else "")

    def _opened(self) -> NamedPattern:
        if self.opened is None:
            try:
                self.opened = open_pattern(self.pattern, self.context)
            except NCAError as fault:
                what = f"cannot be used: {fault.what.rstrip('.')} ({fault.where})"
                raise OptionError([Fault(("pattern",), what, fault.to_do)], WHERE) from None
            self._compare_rules(self.opened)
        return self.opened

    def _placed(self) -> tuple[Size, Tensor]:
        """Return the first cell of the pattern, and its cells `(C, *cells)`."""
        size, channels = self.context.size, self.level.channels
        if not self.pattern:
            return (0,) * len(size), torch.zeros(channels, *(0 for _ in size))
        at: Corner = "centre" if isinstance(self.at, str) else self.at
        alone = self.channel if self.holds_numbers else None
        return laid_in_grid(self._opened(), size, channels, alone, at)

    def _refuse(self, what: str, to_do: str) -> None:
        raise OptionError([Fault(("pattern",), what, to_do)], WHERE)

    def _checked(self, level: str, rule: str) -> RuleString | None:
        """Return the rule, and refuse options that cannot be."""
        size, faults, found = self.context.size, [], None
        if level and level not in self.context.layout:
            to_do = f"levels: {', '.join(self.context.layout)}"
            faults.append(Fault(("level",), f'is "{level}", which is none', to_do))
        if self.level.input:
            faults.append(Fault(("level",), "is an input", "name a level that rules write to"))
        if self.channel >= self.level.channels:
            to_do = f'level "{self.level.name}" has {self.level.channels}, counted from 0'
            faults.append(Fault(("channel",), f"is {self.channel}", to_do))
        if self.at != "centre" and len(self.at) != len(size):
            to_do = f"give {len(size)}, or centre"
            faults.append(Fault(("at",), f"has {len(self.at)} numbers", to_do))
        try:
            found = read_rule(rule) if rule else None
        except RuleStringError as fault:
            what = f'is "{rule[:80]}": {fault.what.rstrip(".")} ({fault.where})'
            faults.append(Fault(("rule",), what, fault.to_do))
        if found and found.axes != len(size):
            words = f'is "{rule}", a rule of {found.axes} {"axis" if found.axes == 1 else "axes"}'
            faults.append(Fault(("rule",), words, f"the grid has {len(size)}"))
        if faults:
            raise OptionError(faults, WHERE)
        return found

    def _compare_rules(self, opened: NamedPattern) -> None:
        """Refuse a pattern of another kind of rule; say so where only the rule differs."""
        if self.rule is None:
            return
        if opened.cells.is_floating_point() and (opened.cells != opened.cells.round()).any():
            to_do = f"the rule {self.rule.text} has the states 0 to {self.rule.states - 1}"
            self._refuse("has numbers between the states of cells", to_do)
        greatest = int(opened.cells.max()) if opened.cells.numel() else 0
        if greatest >= self.rule.states:
            to_do = f"the rule {self.rule.text} has {self.rule.states} states: give its rule"
            self._refuse(f"has cells in state {greatest}", to_do)
        said = opened.said.rule if opened.said else ""
        if not said:
            return
        try:
            theirs = read_rule(said)
        except RuleStringError as fault:
            self._refuse(f'is of the rule "{said[:80]}": {fault.what.rstrip(".")}', fault.to_do)
            return
        ours = self.rule
        kinds = [(one.states, one.axes, one.hexagonal) for one in (ours, theirs)]
        if kinds[0] != kinds[1]:
            words = f"is of the rule {said}, {theirs.states} states, {theirs.family}"
            to_do = f"the automaton's is {ours.text}, {ours.states} states, {ours.family}"
            self._refuse(words, to_do)
        if not ours.same(theirs):
            words = f"the pattern is of the rule {said}, and runs under {ours.text}"
            warnings.warn(words, NCAWarning, stacklevel=2)
