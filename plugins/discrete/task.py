"""Watch a pattern: nothing to train, something to see and to count.

Legend: B batch, C channel, S states, H height, W width.
"""

from typing import Annotated, Literal

import torch
from annotated_types import Len
from torch import Tensor

from nca import (
    Batch,
    Display,
    Fault,
    HostRNG,
    MappedColours,
    NCAError,
    OptionError,
    ShapeError,
    Share,
    State,
    StateColours,
    TaskContext,
    WatchedTask,
    register,
)
from nca.metrics import wide
from nca.types import Fraction, Natural, Samples, Size
from nca_plugins.discrete.colours import state_colours, state_names
from nca_plugins.discrete.families import read_rule
from nca_plugins.discrete.foreign import WHERE, refuse_foreign
from nca_plugins.discrete.pasted import cells_of_text, text_of_cells
from nca_plugins.discrete.pattern_files import NamedPattern, PatternSpec, open_pattern
from nca_plugins.discrete.placing import Corner, laid_in_grid, spread
from nca_plugins.discrete.rule_string import RuleString, RuleStringError

LIVE = 0.1
"""Cells that hold numbers are counted above this; those of states wherever they are not empty."""

NUMBERS = "inferno"
"""The colour map of cells that hold numbers."""

MOST_STATES = 256
"""States that are distinguished, at most."""


@register.task("pattern")
class PatternTask(WatchedTask):
    """Begin with a pattern, or with cells drawn at random, and count what becomes of it.

    Without either, one cell in the middle is on. Cells are of a few states, or, where the pattern
    says so, hold numbers from 0 to 1.

    Args:
        setting: The run that the task belongs to.
        pattern: A registered pattern (`glider`), alone or with its options as a table; a file of
            runs (`.rle`), plain text (`.cells`) or an array (`.npy`, `.npz`), relative to the
            recipe; or runs, `bo$2bo$3o!`.
        rule: The rule string of the automaton, by which the states have their names and colours,
            patterns are refused that are of another kind of rule, and which is written into those
            that are saved; not needed.
        states: Words for the states, from 0, that are distinguished where no rule says it; the last
            one is that of all greater numbers, too.
        at: The first cell of the pattern, along each axis; or `centre`.
        soup: Without a pattern: the share of cells that are on.
        level: The level on which it lies; the top level that rules write to, unless named.
        look: What cells hold: `states`, or `numbers` from 0 to 1; `auto`: as the pattern does.
        channel: Which channel is shown and counted.
        shown: The numbers at both ends of the colour map, where cells hold numbers.
        trials: How many samples there are, which differ by what is drawn.
    """

    headline = "population"
    better = "more"
    pattern_option = "pattern"

    def __init__(
        self,
        setting: TaskContext,
        *,
        pattern: PatternSpec = "",
        rule: str = "",
        states: tuple[Annotated[str, Len(1, 40)], ...] = (),
        at: Literal["centre"] | tuple[Natural, ...] = "centre",
        soup: Fraction = 0.0,
        level: str = "",
        look: Literal["auto", "states", "numbers"] = "auto",
        channel: Natural = 0,
        shown: tuple[float, float] = (0.0, 1.0),
        trials: Samples = 1,
    ) -> None:
        super().__init__(setting, trials)
        writable = [one for one in setting.layout.values() if not one.input]
        self.level = setting.layout[level] if level in setting.layout else writable[-1]
        self.pattern, self.at, self.soup, self.look = pattern, at, soup, look
        self.channel, self.words = channel, states
        self.ends = shown
        self.rule = self._checked(level, rule)
        self.roles = ("start",) if len(setting.size) == 2 else ()
        self.opened: NamedPattern | None = None

    def check(self) -> None:
        """Refuse a pattern that cannot be had, or does not fit."""
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

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return how many cells are not empty, and, where cells hold numbers, their sum."""
        shown = state[self.level.name][:, self.channel].flatten(1)
        live = shown > (LIVE if self.holds_numbers else 0.5)
        found = {"population": Share.of(live.sum(dim=1))}
        if self.holds_numbers:
            found["mass"] = Share.of(wide(shown).sum(dim=1))
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
        hexagonal = self.rule is not None and self.rule.hexagonal
        lattice = "hexagonal" if hexagonal else "square"
        return Display(first, self.look_of_cells, lattice=lattice)

    def picture(self, state: State) -> Tensor:
        """Return the cells in the colours of their states or numbers; three axes from above."""
        cells = state[self.level.name].detach()
        if cells.ndim == 5:
            cells = cells.amax(dim=2)
        return self.look_of_cells.picture(State({self.level.name: cells}))

    @property
    def look_of_cells(self) -> StateColours | MappedColours:
        """What a cell looks like."""
        if self.holds_numbers:
            return MappedColours(self.level.name, self.channel, NUMBERS, *self.ends)
        count = self.states
        names = self.words or state_names(count, self.rule)
        colours = state_colours(count, self.rule)
        return StateColours(self.level.name, self.channel, colours, names)

    @property
    def has_patterns(self) -> bool:
        """Whether cells are of a few states, on one axis or two, as those of pattern files are."""
        return not self.holds_numbers and len(self.context.size) < 3

    def read_pattern(self, text: str) -> Tensor:
        """Return the pattern of a text of runs (RLE) or of plain text (`.cells`), `(C, *cells)`.

        Raises:
            NCAError: It is none, or has states that the cells here do not have.
        """
        most = 0 if self.words else self.states
        found = cells_of_text(text, len(self.context.size), most, self.rule)
        return spread(found, self.level.channels, None)

    def write_pattern(self, state: State) -> str:
        """Return what is not empty as runs (RLE), with the rule, if it is known.

        Raises:
            ShapeError: Cells hold numbers, or lie on three axes.
        """
        if not self.has_patterns:
            words = "hold numbers" if self.holds_numbers else "lie on three axes"
            raise ShapeError(
                f"cells that {words} cannot be written as runs.",
                where="the task pattern",
                to_do="save the history of the page, or a picture",
            )
        said = self._opened().said if self.pattern else None
        rule = self.rule.text if self.rule else said.rule if said else ""
        return text_of_cells(state[self.level.name][0, self.channel], rule)

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
        """How many states are distinguished by colour."""
        if self.words:
            return len(self.words)
        if self.rule:
            return self.rule.states
        if not self.pattern or self.holds_numbers:
            return 2
        return min(max(int(self._opened().cells.max()) + 1, 2), MOST_STATES)

    def _opened(self) -> NamedPattern:
        if self.opened is None:
            try:
                self.opened = open_pattern(self.pattern, self.context)
            except NCAError as fault:
                what = f"cannot be used: {fault.what.rstrip('.')} ({fault.where})"
                raise OptionError([Fault(("pattern",), what, fault.to_do)], WHERE) from None
            held = "hold numbers" if self.look == "numbers" else f"are {', '.join(self.words)}"
            known = self.look == "numbers" or bool(self.words)
            refuse_foreign(self.opened, self.rule, held if known else "")
        return self.opened

    def _placed(self) -> tuple[Size, Tensor]:
        """Return the first cell of the pattern, and its cells `(C, *cells)`."""
        size, channels = self.context.size, self.level.channels
        if not self.pattern:
            return (0,) * len(size), torch.zeros(channels, *(0 for _ in size))
        at: Corner = "centre" if isinstance(self.at, str) else self.at
        alone = self.channel if self.holds_numbers else None
        return laid_in_grid(self._opened(), size, channels, alone, at)

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
        if not self.ends[0] < self.ends[1]:
            to_do = "give the smaller number first: [0.0, 1.0]"
            faults.append(Fault(("shown",), f"is {list(self.ends)}", to_do))
        if len(self.words) == 1 or len(self.words) > MOST_STATES:
            words = f"has {len(self.words)} words"
            faults.append(Fault(("states",), words, f"give 2 to {MOST_STATES}, from state 0 on"))
        try:
            found = read_rule(rule) if rule else None
        except RuleStringError as fault:
            what = f'is "{rule[:80]}": {fault.what.rstrip(".")} ({fault.where})'
            faults.append(Fault(("rule",), what, fault.to_do))
        if found and found.axes != len(size):
            words = f'is "{rule}", a rule of {found.axes} {"axis" if found.axes == 1 else "axes"}'
            faults.append(Fault(("rule",), words, f"the grid has {len(size)}"))
        if found and self.words and len(self.words) != found.states:
            words = f"has {len(self.words)} words"
            faults.append(Fault(("states",), words, f"the rule {rule} has {found.states} states"))
        if faults:
            raise OptionError(faults, WHERE)
        return found
