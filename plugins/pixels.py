"""Pictures on a level that holds the input: how their pixels lie in its cells.

Legend: B batch, C colour, N example, H height, W width, in cells.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nca import Canvas, Fault, Level, State
from nca.types import Size
from nca_plugins.cells import to_cells


@dataclass(frozen=True)
class Pixels:
    """A level whose cells hold the pixels of a picture.

    A cell holds `patch ** 2` pixels for each colour, row by row, each `(pixel - mean) / deviation`,
    and all of them as often as the level has room for.

    Args:
        level: The level that gets the picture.
        patch: Pixels along each side of a cell.
        normalise: Mean and standard deviation by which pixels of 0 to 1 are shifted and scaled.
        size: Height and width of the grid, in cells.
        colours: Of a picture: 1, or 3.
    """

    level: Level
    patch: int
    normalise: tuple[float, float]
    size: Size
    colours: int = 1

    @property
    def canvas(self) -> Size:
        """Height and width of the grid in pixels."""
        height, width = self.size
        return height * self.patch, width * self.patch

    def misfits(self, shape: Size, key: str) -> Iterator[Fault]:
        """Yield what keeps images from being cut into cells of the grid.

        Args:
            shape: Colours, height and width of an image, in pixels.
            key: The task's option from which that follows.
        """
        colours, height, width = shape
        size, patch, images = self.size, self.patch, f"images of {height}x{width} pixels"
        if len(size) != 2:
            to_do = "pictures have two axes: [height, width]"
            yield Fault(("grid", "size"), f"is {list(size)}", to_do, of_recipe=True)
        elif height % patch or width % patch:
            to_do = f"{images} are cut into cells of {patch}x{patch}: a patch that divides them"
            yield Fault((key,), f"does not fit patch = {patch}", to_do)
        elif height // patch > size[0] or width // patch > size[1]:
            least = f"{images} with patch = {patch} take at least"
            to_do = f"{least} [{height // patch}, {width // patch}] cells"
            yield Fault(("grid", "size"), f"is {list(size)}", to_do, of_recipe=True)
        if self.level.channels % (needed := colours * patch**2):
            words = f'is a level of {self.level.channels} channels, "{self.level.name}"'
            yield Fault(("image",), words, f"{images} take {needed} channels or a multiple there")

    def cut(self, images: Tensor) -> Tensor:
        """Return `(B, C, height, width)` cut into cells, `(B, C * patch ** 2, H, W)`."""
        return to_cells(images, self.patch, self.size)

    def normalised(self, cells: Tensor) -> Tensor:
        """Return pixels of 0 to 1 shifted and scaled."""
        mean, deviation = self.normalise
        return (cells - mean) / deviation

    def laid(self, state: State, cells: Tensor) -> State:
        """Return the state with pictures on the level.

        Args:
            state: Its other levels stay as they are.
            cells: `(B, C * patch ** 2, H, W)`, from 0 to 1.
        """
        pixels = self.normalised(cells)
        repeats = self.level.channels // pixels.shape[1]
        return state.replace({self.level.name: pixels.repeat(1, repeats, 1, 1)})

    def darkened(self, state: State) -> State:
        """Return the state with nothing on the level: every pixel is black."""
        mean, deviation = self.normalise
        return state.replace(
            {self.level.name: torch.full_like(state[self.level.name], -mean / deviation)}
        )

    def covered(self, state: State, picture: Tensor) -> State:
        """Return the state with a picture laid over the level, the same for all samples.

        Args:
            state: Its other levels stay as they are.
            picture: `(4, H * patch, W * patch)`: colours and how much each pixel covers, 0 to 1.
        """
        level = state[self.level.name]  # (B, C, H, W)
        seen, cover = picture[:3].unsqueeze(0), self.cut(picture[3:].unsqueeze(0))
        if self.colours != 3:
            seen = seen.mean(dim=1, keepdim=True)
        cells = self.normalised(self.cut(seen))  # (1, colours * patch ** 2, H, W)
        cells, cover = (
            part.repeat(1, level.shape[1] // part.shape[1], 1, 1).to(level)
            for part in (cells, cover)
        )
        return state.replace({self.level.name: level * (1 - cover) + cells * cover})

    def ink(self, state: State) -> Tensor:
        """Return the brightness of each cell's brightest pixel, `(B, H, W)`; 1 is white."""
        mean, deviation = self.normalise
        return state[self.level.name].amax(dim=1) * deviation + mean

    def drawing(self, images: Tensor, words: Sequence[str]) -> Canvas:
        """Return the level as one to draw on, with pictures to choose from.

        Args:
            images: `(N, C, height, width)`, from 0 to 1; N may be 0.
            words: One for each picture.
        """
        pages = nn.functional.pixel_shuffle(self.cut(images), self.patch)
        mean, deviation = self.normalise
        return Canvas(self.level.name, self.patch, mean, deviation, pages, tuple(words))


def pixel_moments(images: Tensor) -> Tensor:
    """Return mean and standard deviation of all pixels, `(2,)`, counted and so exact in any order.

    Args:
        images: uint8 `(N, C, height, width)`; 255 counts as 1.
    """
    counts = torch.stack([part.flatten().bincount(minlength=256) for part in images.split(500)])
    shares = counts.sum(dim=0).double() / images.numel()
    values = torch.arange(256, device=shares.device).double() / 255
    mean = (shares * values).sum()
    deviation = (shares * (values - mean).square()).sum().sqrt()
    return torch.stack([mean, deviation.clamp(min=1 / 255)])
