"""What the part-whole task makes small: each a term of the loss, with its own weights.

None of them knows which part, or which whole, a cell belongs to: naming is given the class of a
cell's whole, filling the pixels of a cell, and agreement only where there is ink.

Legend: B batch, C channel, K class, H height, W width, N sampled cells of a batch.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nca import Level, ShapeError, State, display, losses, on_grid, per_cell, to_device
from nca_plugins.part_whole.scenes import CLASSES

SAMPLED = 8
"""Cells of each sample that agreement compares."""


DOUBT = 0.003
"""Added to the chance that two cells are of one kind."""


class Naming(nn.Module):
    """Say the class of each cell's whole, through one linear layer that all cells share.

    Args:
        level: The level that is read.
        classes: How many classes there are, background included.
    """

    def __init__(self, level: Level, classes: int) -> None:
        super().__init__()
        self.level, self.scale = level.name, level.scale
        self.head = nn.Linear(level.channels, classes)

    def scores(self, state: State) -> Tensor:
        """Return the class scores of every cell of the grid, `(B, K, H, W)`."""
        return on_grid(per_cell(self.head, state[self.level]), self.scale)

    def forward(self, state: State, labels: Tensor) -> Tensor:
        """Return mean cross-entropy of cells with a class plus that of the background, `(B,)`."""
        error = F.cross_entropy(
            losses.at_least_float32(self.scores(state)), labels, reduction="none"
        )
        fore, back = (losses.masked_mean(error, mask) for mask in (labels > 0, labels == 0))
        return fore + back


class Filling(nn.Module):
    """Predict the pixels of each cell, also those that the cell was not shown.

    Args:
        level: The level that is read.
        pixels: Numbers to predict of each cell.
    """

    def __init__(self, level: Level, pixels: int) -> None:
        super().__init__()
        self.level = level.name
        self.head = nn.Linear(level.channels, pixels)

    def forward(self, state: State, pixels: Tensor, hidden: Tensor) -> Tensor:
        """Return the mean squared error of hidden cells plus that of the others, `(B,)`."""
        predicted = losses.at_least_float32(per_cell(self.head, state[self.level]))
        error = (predicted - pixels).square().mean(dim=1)
        return losses.masked_mean(error, hidden) + losses.masked_mean(error, ~hidden)


class Agreement(nn.Module):
    """Predict the embeddings of one level from those of the levels beside it, cell by cell.

    Hinton (2021): what the levels below and above suggest should agree with the consensus at
    their level, and differ from what other places and images hold; without the second half, all
    embeddings would become one. InfoNCE (van den Oord et al. 2018) over a few cells with ink.
    The consensus itself gets no gradient: the suggestions come to it.

    Args:
        levels: Those that are written to, from the bottom up.
        level: The level whose consensus is foretold, by those beside it.
        temperature: Divides the cosines; the lower, the more the likest stranger counts.
        among_images: Whether strangers are cells of other images alone; else of all places.

    Raises:
        ShapeError: There is no such level among them, or none beside it.
    """

    def __init__(
        self, levels: Sequence[Level], level: str, *, temperature: float, among_images: bool
    ) -> None:
        super().__init__()
        self.level, self.temperature, self.among_images = level, temperature, among_images
        names = [one.name for one in levels]
        if level not in names:
            raise ShapeError(
                f"there is no level {level!r}.",
                where=f"levels that are written to: {', '.join(names)}",
                to_do="name one of these",
            )
        place = names.index(level)
        wanted = levels[place].channels
        beside = [*levels[max(place - 1, 0) : place], *levels[place + 1 : place + 2]]
        if not beside:
            raise ShapeError(
                f'there is no level beside "{level}" that could foretell it.',
                where="[task] agreement",
                to_do="add a level that is written to, or leave agreement out",
            )
        self.heads = nn.ModuleDict(
            {other.name: nn.Linear(other.channels, wanted, bias=False) for other in beside}
        )

    def forward(self, state: State, ink: Tensor) -> Tensor:
        """Return the mean surprise of each sample's cells, `(B,)`.

        Args:
            state: What is judged.
            ink: Which cells count, bool `(B, H, W)`.
        """
        order = state.rng.uniform(f"agreement/{self.level}", 1, ink.shape[1:]).flatten(1)
        order = order + ink.flatten(1)
        rank, index = order.topk(min(SAMPLED, order.shape[1]), dim=1)  # (B, N / B)
        valid = rank >= 1
        wanted = F.normalize(_pick(state, self.level, index).detach(), dim=1)  # (N, C)
        strangers = valid.flatten().expand(len(wanted), -1)
        if self.among_images:
            image = torch.arange(len(index), device=ink.device).repeat_interleave(index.shape[1])
            strangers = strangers & (image[:, None] != image)
        own = torch.eye(len(wanted), dtype=torch.bool, device=ink.device)
        surprise = [
            self._surprise(_predicted(head, _pick(state, name, index)), wanted, strangers | own)
            for name, head in self.heads.items()
        ]
        mean = torch.stack(surprise).mean(dim=0).view(valid.shape)
        return losses.masked_mean(mean, valid)

    def _surprise(self, predicted: Tensor, wanted: Tensor, compared: Tensor) -> Tensor:
        cosines = predicted @ wanted.T / self.temperature  # (N, N)
        cosines = cosines.masked_fill(~compared, -torch.inf)
        own = torch.arange(len(predicted), device=predicted.device)
        return F.cross_entropy(cosines, own, reduction="none")


class Touching(nn.Module):
    """Let cells that touch be of one kind, and maybe of another than those that lie apart.

    The kinds are the channels of the level: from its direction (by which islands are found, the
    mean over the grid taken away) a cell is of each kind with some chance, and two cells are of
    one kind with the product of theirs. A change of kind between cells that touch costs the same
    whether it is small or large, so that changes are few and sharp, and lie where things hang
    together by little: at the necks between parts (as in spectral clustering, whose graph is this
    one; Shi and Malik 2000). Against strangers it is InfoNCE as for `Agreement`, over places of
    one image alone and without a head; without them, something else has to keep cells from being
    all of one kind.

    Args:
        level: The level whose embeddings are compared.
        temperature: Divides the direction; the lower, the surer is a cell of its kind.
        apart: Cells at least so far along an axis are strangers; 0: none are.
    """

    def __init__(self, level: Level, *, temperature: float, apart: int) -> None:
        super().__init__()
        self.level, self.temperature, self.apart = level.name, temperature, apart

    def forward(self, state: State, mask: Tensor, contact: Tensor) -> Tensor:
        """Return the mean surprise of each sample's pairs of cells that touch, `(B,)`.

        Args:
            state: What is judged.
            mask: Which cells count, bool `(B, H, W)`.
            contact: How much each cell touches the next one along each axis, `(B, 2, H, W)`.
        """
        cells = losses.at_least_float32(state[self.level])
        cells = cells - cells.mean(dim=(2, 3), keepdim=True)
        kinds = torch.softmax(F.normalize(cells, dim=1) / self.temperature, dim=1)
        surprise, weight = [], []
        rivals = self._rivals(kinds, mask) if self.apart else None  # (B, H, W)
        for axis, strength in enumerate(contact.unbind(dim=1), start=1):
            alike = (kinds * kinds.roll(-1, axis + 1)).sum(dim=1) + DOUBT
            if rivals is None:
                surprise.append(-alike.log())
            else:
                both = torch.log1p(rivals / alike) + torch.log1p(rivals.roll(-1, axis) / alike)
                surprise.append(both / 2)
            weight.append(strength * (mask & mask.roll(-1, axis)))
        weights = torch.stack(weight).flatten(2)  # (2, B, H W)
        total = (torch.stack(surprise).flatten(2) * weights).sum(dim=(0, 2))
        return total / weights.sum(dim=(0, 2)).clamp(min=1e-6)

    def _rivals(self, kinds: Tensor, mask: Tensor) -> Tensor:
        """Return with how many strangers each cell is of one kind, `(B, H, W)`."""
        flat = kinds.flatten(2)  # (B, C, H W)
        strangers = to_device(_distances(tuple(mask.shape[1:])), mask.device) >= self.apart
        strangers = strangers & mask.flatten(1).unsqueeze(1)
        return ((flat.mT @ flat + DOUBT) * strangers).sum(dim=2).view(mask.shape)


def ink_between(pixels: Tensor, patch: int) -> Tensor:
    """Return how much ink runs from each cell to the next along each axis, `(B, 2, H, W)`.

    Of two pixels that face each other across the border of two cells, the darker one counts.

    Args:
        pixels: Of each cell, row by row, `(B, patch ** 2, H, W)`; black is 0.
        patch: Pixels along each side of a cell.
    """
    rows = pixels.unflatten(1, (patch, patch))  # (B, row, column, H, W)
    down = torch.minimum(rows[:, -1], rows[:, 0].roll(-1, 2)).sum(dim=1)
    across = torch.minimum(rows[:, :, -1], rows[:, :, 0].roll(-1, 3)).sum(dim=1)
    return torch.stack([down, across], dim=1).clamp(min=0)


@lru_cache(maxsize=4)
def _distances(size: tuple[int, int]) -> Tensor:
    """Return how far cells of a torus lie apart, int64 `(H W, H W)`: along the longer axis."""
    places = torch.cartesian_prod(*map(torch.arange, size))
    away = (places.unsqueeze(0) - places.unsqueeze(1)).abs()
    return torch.minimum(away, torch.tensor(size) - away).amax(dim=2)


def _predicted(head: nn.Module, embeddings: Tensor) -> Tensor:
    return F.normalize(losses.at_least_float32(head(embeddings)), dim=1)


def _pick(state: State, name: str, index: Tensor) -> Tensor:
    """Return what a level says at some cells of the grid of each sample, float32 `(N, C)`."""
    cells = on_grid(state[name], state.scale(name)).flatten(2)  # (B, C, H W)
    cells = losses.at_least_float32(cells)
    picked = cells.gather(2, index.unsqueeze(1).expand(-1, cells.shape[1], -1))
    return picked.movedim(1, 2).flatten(0, 1)


def averaged(terms: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the terms of several states as their mean."""
    return {name: torch.stack([term[name] for term in terms]).mean(dim=0) for name in terms[0]}


def colours() -> Tensor:
    """Return the colour of the background, then of each class."""
    return torch.cat([torch.full((1, 3), 0.8), display.CLASS_COLOURS[:CLASSES]])
