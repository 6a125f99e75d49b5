"""A pool of states that outlive their iteration, so that an automaton learns to persist.

Each iteration draws a few states, renews some of them, runs them further, and puts them back
(Mordvintsev et al. 2020; Randazzo et al. 2020 for the exchanged input).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.rng import HostRNG
from nca.tasks import damage
from nca.tasks.batch import Batch
from nca.types import Natural, Samples
from nca.validation.checked import Options
from nca.validation.faults import Fault, refuse


@dataclass(frozen=True)
class PoolOptions(Options):
    """What happens to the states that an iteration draws, before it runs them.

    Attributes:
        size: States kept between iterations.
        fresh: How many of a batch start anew.
        damaged: How many of a batch are cut by a random disc.
        swapped: How many of a batch get the input and truth of a fresh sample over what their
            cells hold; where the new input leaves cells dead, they are emptied.
        order: `loss`: the worst start anew, and the best are damaged or swapped;
            `drawn`: whichever come first and last.
        begin: Until this iteration all states of a batch are fresh: what cannot be done yet need
            not be held. They are put into the pool all the same.
    """

    size: Samples
    fresh: Natural = 1
    damaged: Natural = 0
    swapped: Natural = 0
    order: Literal["loss", "drawn"] = "loss"
    begin: Natural = 0

    def misfits(self, batch: int) -> Iterator[Fault]:
        """Yield what is wrong with renewing batches of so many states."""
        renewed = self.fresh + self.damaged + self.swapped
        if renewed > batch:
            to_do = f"fresh, damaged and swapped together fit a batch of {batch}"
            yield Fault((), f"renews {renewed} states", to_do)
        if batch > self.size:
            yield Fault(("size",), f"is {self.size}", f"at least one batch: {batch}")

    def refresh(self, batch: Batch, fresh: Batch, automaton: Automaton, draw: HostRNG) -> Batch:
        """Return the batch to start from.

        Args:
            batch: States drawn from the pool, in the order that `order` asks for.
            fresh: New states with their sample numbers, as many as the batch has.
            automaton: Whose levels are damaged and whose dead cells are cleared.
            draw: The iteration's randomness.

        Raises:
            OptionError: A batch of another size than a recipe would take with it.
        """
        count = batch.state.batch
        refuse(self.misfits(count), f"{self}")
        first, last = self.fresh, count - self.damaged - self.swapped
        parts = [fresh.select(slice(0, first)), batch.select(slice(first, last))]
        if self.damaged:
            cut = batch.select(slice(last, last + self.damaged))
            source = draw.cells(fresh.state.samples[last : last + self.damaged])
            parts.append(
                Batch(damage.disc(cut.state, source, automaton.writable_levels), cut.truth)
            )
        if self.swapped:
            there = slice(count - self.swapped, count)
            parts.append(swap_inputs(batch.select(there), fresh.select(there), automaton))
        parts = [part for part in parts if part.state.batch]
        renewed = Batch.cat([Batch(p.state.replace(remembered=()), p.truth) for p in parts])
        state = renewed.state.restart(fresh.state.random_seed, fresh.state.samples)
        return Batch(state, renewed.truth, draw)


def swap_inputs(batch: Batch, fresh: Batch, automaton: Automaton) -> Batch:
    """Return the batch with input and truth of another one, and its dead cells cleared."""
    inputs = {n: fresh.state[n] for n, level in automaton.layout.items() if level.input}
    return Batch(automaton.clear_dead(batch.state.replace(inputs)), fresh.truth)


class Pool:
    """States and truths in memory, on the device of the run.

    Args:
        batch: What the pool holds at first.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch.map(lambda tensor: tensor.detach().clone())

    @property
    def size(self) -> int:
        """How many states the pool holds."""
        return self.batch.state.batch

    def sample(self, draw: HostRNG, count: int) -> tuple[Tensor, Batch]:
        """Return the places and contents of `count` different states.

        Args:
            draw: The iteration's randomness.
            count: How many, at most `size`.
        """
        index = draw.order("pool", self.size)[:count].to(self.batch.state.samples.device)
        return index, replace(self.batch.select(index), draw=draw)

    def put(self, index: Tensor, batch: Batch) -> None:
        """Put states and truths back into the places that `index` names."""
        for name, tensor in self.batch.state.items():
            tensor[index] = batch.state[name].detach().to(tensor.dtype)
        for name, tensor in self.batch.truth.items():
            tensor[index] = batch.truth[name]

    def tensors(self) -> dict[str, Tensor]:
        """Return all that the pool holds, by name, for a checkpoint."""
        levels = {f"state.{name}": tensor for name, tensor in self.batch.state.items()}
        return levels | {f"truth.{name}": tensor for name, tensor in self.batch.truth.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors` gave."""
        for name, tensor in self.tensors().items():
            tensor.copy_(tensors[name])
