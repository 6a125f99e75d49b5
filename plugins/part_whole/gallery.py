"""A gallery hangs scenes once, when they are first looked at, and keeps them as bytes.

Since a scene depends on its number alone, it is the same whenever it is drawn.
"""

import torch
from torch import Tensor

from nca import to_device
from nca_plugins.part_whole.drawing import Scenes, scenes
from nca_plugins.part_whole.scenes import Settings

CHUNK = 64


class Gallery:
    """`count` scenes of one kind, from a first number on.

    Args:
        settings: What they are like.
        random_seed: The data set's number.
        first: The number of the first scene.
        count: How many there are.
        device: Where they are kept.
    """

    def __init__(
        self, settings: Settings, random_seed: int, first: int, count: int, device: torch.device
    ) -> None:
        self.settings, self.random_seed = settings, random_seed
        self.first, self.device = first, device
        self._missing = torch.ones(count, dtype=torch.bool)
        shapes = ((count, settings.side, settings.side),) * 2 + ((count, settings.wholes[1]),)
        self._kept = Scenes(*(torch.zeros(s, dtype=torch.uint8, device=device) for s in shapes))

    def __len__(self) -> int:
        """Return how many scenes there are."""
        return len(self._missing)

    def scenes(self, index: Tensor) -> Scenes:
        """Return the scenes of these places, drawing those that are missing.

        Args:
            index: `(B,)`, int64, on the host.
        """
        for part in index[self._missing[index]].unique().split(CHUNK):
            self._draw(part)
        kept, index = self._kept, to_device(index, self.device)
        return Scenes(kept.images[index], kept.parts[index], kept.classes[index])

    def _draw(self, index: Tensor) -> None:
        drawn = scenes(self.settings, self.random_seed, self.first + index)
        for name, kept in vars(self._kept).items():
            kept[to_device(index, kept.device)] = to_device(getattr(drawn, name), kept.device)
        self._missing[index] = False
