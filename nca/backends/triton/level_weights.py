"""What a fused step sums for each level: weights as rules hold them, before they are laid out."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from nca.backends.triton.layers import LayerWeights
from nca.backends.triton.plan import AttentionPlan


@dataclass(frozen=True)
class ReadWeights:
    """What the first hidden layer of a net sums up of one field.

    Attributes:
        field: Which of the fields.
        weight: `(hidden, C read, 3, 3)`; behind stencils `(hidden, C read, S)`.
        stencils: `(S, 3, 3)`, or None.
    """

    field: int
    weight: Tensor
    stencils: Tensor | None


@dataclass(frozen=True)
class NetWeights:
    """The weights of one net, and what it reads.

    Attributes:
        reads: What the first hidden layer sums up, at least one.
        bias: `(hidden)`.
        layers: What follows, at least one; the last returns the change.
    """

    reads: tuple[ReadWeights, ...]
    bias: Tensor
    layers: tuple[LayerWeights, ...]

    @property
    def deep(self) -> bool:
        """Whether it has several hidden layers, or reads several fields."""
        return len(self.reads) > 1 or len(self.layers) > 1


@dataclass(frozen=True)
class LevelAttention:
    """An attention of the cells of a level to their neighbourhood.

    Attributes:
        plan: What counts for it; where its numbers lie is still open.
        rate: The share of the way to the mean that cells go, `()`.
        sharpness: See `nca.engine.program.AttentionWeights`, `()`.
    """

    plan: AttentionPlan
    rate: Tensor
    sharpness: Tensor


@dataclass(frozen=True)
class LevelWeights:
    """What is summed for one level.

    Attributes:
        field: Which of the fields is the level itself.
        channels: Its channels.
        nets: The nets that write to it.
        share: What share of itself is added, `()`, or None.
        fire: Number of the stream that decides which cells fire.
        noise: Numbers of the streams of its noise: none, one (uniform) or three (normal).
        attentions: How its cells attend to their neighbours.
    """

    field: int
    channels: int
    nets: Sequence[NetWeights]
    share: Tensor | None
    fire: int
    noise: Sequence[int]
    attentions: Sequence[LevelAttention] = ()


def most_channels(levels: Sequence[LevelWeights]) -> int:
    """Return the most channels that a net reads or writes."""
    read = [one.weight.shape[1] for level in levels for net in level.nets for one in net.reads]
    return max(*read, *(level.channels for level in levels), 0)
