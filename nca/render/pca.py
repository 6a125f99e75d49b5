"""Principal components that keep their colours while time passes.

Fitted anew at every moment, components would flip and turn, and a still automaton would flicker.
So each new basis is turned, within what it spans, as near as it goes to the one before
(orthogonal Procrustes). Mean and scale are those of the moment, so that nothing is ever washed out.

Legend: N cells, C channel.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

COUNT = 3
WIDTH = 5.0
"""So many standard deviations lie between the darkest and the brightest."""


class Basis:
    """The colours of one level, carried from moment to moment."""

    def __init__(self) -> None:
        self._fitted: tuple[Tensor, Tensor, Tensor] | None = None

    def fit(self, level: Tensor) -> None:
        """Follow a level, `(B, C, *space)`."""
        cells = _cells(level)
        mean = cells.mean(dim=0)
        _, _, basis = torch.linalg.svd(cells - mean, full_matrices=False)
        basis = F.pad(basis[:COUNT], (0, 0, 0, max(0, COUNT - len(basis))))  # few cells span little
        if self._fitted is None:
            # a component's sign is arbitrary; let its greatest weight be positive
            signs = basis.gather(1, basis.abs().argmax(dim=1, keepdim=True)).sign()
            basis = basis * torch.where(signs == 0, 1.0, signs)
        else:
            turn, _, back = torch.linalg.svd(basis @ self._fitted[1].T)
            basis = (turn @ back).T @ basis
        spread = ((cells - mean) @ basis.T).std(dim=0)
        self._fitted = mean, basis, spread

    def colours(self, level: Tensor) -> Tensor:
        """Return a level as red, green and blue, `(B, 3, *space)`, from 0 to 1; grey: the mean."""
        if self._fitted is None:
            self.fit(level)
        assert self._fitted is not None
        mean, basis, spread = self._fitted
        shown = 0.5 + (_cells(level) - mean) @ basis.T / spread.clamp(min=1e-8) / WIDTH
        batch, _, *space = level.shape
        return shown.clamp(0, 1).view(batch, *space, -1).movedim(-1, 1)


def _cells(level: Tensor) -> Tensor:
    cells = level.detach().double().cpu().nan_to_num(0, 0, 0)
    return cells.movedim(1, -1).reshape(-1, level.shape[1])
