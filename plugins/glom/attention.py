"""Attention between the cells of one level: like draws like, so that islands can form.

Hinton (2021, section 1) lets every location average the embeddings of its own level over nearby
locations, weighted by how much they agree with its own. Query, key and value are the embedding
itself, and nothing is learnt but, if wanted, how sharp attention is. For a cell `p`, a neighbour
`q` and level `l`:

    c_l(p, q) = s_l(p) . s_l(q)                              agreement, or its cosine
    e_l(p, q) = b_l  sum over m >= l of  k^(m - l) c_m(p, q)
    w_l(p, q) = exp e_l(p, q) / sum over r of exp e_l(p, r)
    A_l(p)    = sum over q of  w_l(p, q) s_l(q)

With `lookahead` k = 0 only the own level counts: `w = softmax(b s(p) . s(q))`, the form of the
paper. With k > 0 it is the form that Y. Kilcher proposed when he reviewed the paper: whether two
cells should exchange their views at a low level is a question of whether they belong to the same
thing, and that is what the levels above know. So agreement at every level above counts too, less
by a factor of k with each level: two patches of fur that look different at the level of parts
attend to each other once the level of objects holds both for the same cat. The notebook that this
project grew from computed this sum with k = 0.7, without softmax, and overwrote the result before
anything read it; raw products of the state, cubic once they scale the neighbours, would have
driven its nets into saturation.

Legend: B batch, N neighbour, C channel; `*space` the axes of the grid.
"""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from annotated_types import Le
from torch import nn

from nca import AttentionWeights, Options, RuleContext
from nca.types import Count, Fraction, Natural, Positive

TINY = 1e-6
FARTHEST = 32
"""Cells that attention reaches along an axis: with 4,225 neighbours memory is full."""

SHARPEST = 50.0
"""As far as a person may turn it at run time; beyond that a cell attends to itself alone."""


@dataclass(frozen=True)
class Attention(Options):
    """How the cells of a level attend to their neighbours.

    Attributes:
        similarity: `cosine` of two embeddings, from -1 to 1, or their `dot` product (the paper).
        sharpness: Factor `b` of the similarity; at 0 all neighbours count alike.
        learned: Whether sharpness is a weight; it then stays above 0.
        rise: Sharpness climbs to its value over this many steps, counted from a state's first;
            0: it is there from the start. Hinton suggests to let it rise as the levels settle.
        radius: How far a cell looks along each axis, in cells.
        lookahead: Factor `k` for each level further up; 0: the paper's, above 0: Kilcher's form.
        itself: Whether a cell is among its own neighbours.
    """

    similarity: Literal["cosine", "dot"] = "cosine"
    sharpness: Positive = 5.0
    learned: bool = False
    rise: Natural = 0
    radius: Annotated[Count, Le(FARTHEST)] = 1
    lookahead: Fraction = 0.0
    itself: bool = True

    def levels(self, context: RuleContext) -> tuple[str, ...]:
        """Return the levels whose agreement counts: the own one, then those above it."""
        names = list(context.layout)
        above = names[names.index(context.name) :]
        return tuple(above if self.lookahead else above[:1])


class NeighbourAttention(nn.Module):
    """Attention of the cells of one level to their neighbourhood.

    Args:
        context: Where the rule stands that asks.
        options: How its cells attend to their neighbours.
    """

    def __init__(self, context: RuleContext, options: Attention) -> None:
        super().__init__()
        self.options = options
        self.levels = options.levels(context)
        raw = torch.tensor(_raw(options.sharpness))
        self.raw = nn.Parameter(raw) if options.learned else None

    @property
    def full(self) -> float:
        """The factor of the similarity once it has risen; may be set at any time, above 0."""
        return self.options.sharpness if self.raw is None else F.softplus(self.raw).item()

    @full.setter
    def full(self, sharpness: float) -> None:
        self.options = replace(self.options, sharpness=sharpness)
        if self.raw is not None:
            self.raw.data.fill_(_raw(sharpness))

    def weights(self) -> AttentionWeights:
        """Return how much each cell attends to each neighbour, for a program."""
        options = self.options
        return AttentionWeights(
            options.sharpness if self.raw is None else F.softplus(self.raw),
            options.similarity == "cosine",
            self.levels,
            tuple(options.lookahead**height for height in range(len(self.levels))),
            options.radius,
            options.itself,
            options.rise,
        )


def _raw(sharpness: float) -> float:
    """Return what softplus turns into a sharpness."""
    return sharpness + math.log(-math.expm1(-sharpness))
