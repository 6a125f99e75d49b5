"""The weighted mean by which Hinton (2021) lets a level settle, and two of its parts alone."""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from nca import (
    AttentionTerm,
    DecayTerm,
    MLPTerm,
    Needs,
    Program,
    RuleContext,
    UpdateRule,
    register,
)
from nca.types import Fraction, Units
from nca_plugins.glom.attention import SHARPEST, Attention, NeighbourAttention
from nca_plugins.glom.nets import Activation, PredictionNet, Shown


@register.rule("weighted_mean")
class WeightedMean(UpdateRule):
    """Move to the weighted mean of what was, is suggested, is expected, and is agreed on.

    The paper's update of a level `s_l`, with learned weights `w` that are positive and sum to 1,
    one set for each level; all four contributions read the same old state:

        s_l' = w_1 s_l + w_2 bottom_up(s_(l-1)) + w_3 top_down(s_(l+1)) + w_4 A(s_l)

    The top level has no third term. The rule is alone on its level: beside others the mean would
    be none.

    Args:
        context: Where the rule stands.
        hidden: Units of the hidden layer of each of its two nets.
        activation: What they do with their sum.
        shown: How cells show their embedding to the nets; see `bottom_up`.
        attention: How the cells attend to their neighbours, for the fourth contribution `A`.
        learned: Whether the weights are learned; they start, or else stay, all alike.
    """

    needs = Needs(alone=True)
    reads = ("below", "own")
    adjustable: Mapping[str, tuple[str, float, float]] = {
        "sharpness of attention": ("sharpness", 0.1, SHARPEST)
    }

    def __init__(
        self,
        context: RuleContext,
        *,
        hidden: Units = 24,
        activation: Activation = "relu",
        shown: Shown = "plain",
        attention: Attention = Attention(),  # noqa: B008, it is frozen
        learned: bool = True,
    ) -> None:
        super().__init__()
        self.radius = attention.radius
        top = context.layout.beside(context.name, 1) is None
        self.bottom_up = PredictionNet(context, "below", hidden, activation, shown)
        self.top_down = None if top else PredictionNet(context, "above", hidden, activation, shown)
        self.attention = NeighbourAttention(context, attention)
        nearby = ("below", "own") if top else ("below", "own", "above")
        self.reads = tuple(dict.fromkeys((*nearby, *attention.levels(context))))
        self.logits = nn.Parameter(torch.zeros(3 if top else 4)) if learned else None
        self.count = 3 if top else 4

    @property
    def sharpness(self) -> float:
        """How sharp attention is; may be set at any time."""
        return self.attention.full

    @sharpness.setter
    def sharpness(self, sharpness: float) -> None:
        self.attention.full = sharpness

    def weights(self) -> Tensor:
        """Return the weights of previous state, bottom-up, top-down (if any) and attention."""
        if self.logits is None:
            return torch.full((self.count,), 1 / self.count)
        return torch.softmax(self.logits, dim=0)

    def program(self) -> Program:
        """Return the way from the level to the weighted mean."""
        weights = self.weights()[1:]
        nets = [net for net in (self.bottom_up, self.top_down) if net is not None]
        terms: list[MLPTerm | DecayTerm] = []
        for net, weight in zip(nets, weights, strict=False):
            terms += [_scaled(net.term(), weight), DecayTerm(weight)]
        return Program((*terms, AttentionTerm(weights[-1], self.attention.weights())))


@register.rule("consensus_step")
class ConsensusStep(UpdateRule):
    """Drift towards the neighbours that already agree, as attention weighs them.

    The change is `rate (A - s)`, with `A` the attention-weighted mean of the neighbours.

    Args:
        context: Where the rule stands.
        rate: How far of the way a cell goes in a step.
        learned: Whether the rate is a weight, which stays between 0 and 1.
        attention: How the cells attend to their neighbours.
    """

    adjustable: Mapping[str, tuple[str, float, float]] = {
        "sharpness of attention": ("sharpness", 0.1, SHARPEST),
        "rate of consensus": ("share", 0.0, 1.0),
    }

    def __init__(
        self,
        context: RuleContext,
        *,
        rate: Fraction = 0.2,
        learned: bool = True,
        attention: Attention = Attention(),  # noqa: B008, it is frozen
    ) -> None:
        super().__init__()
        self.reads = attention.levels(context)
        self.radius = attention.radius
        self.rate = Weight(rate, learned)
        self.attention = NeighbourAttention(context, attention)

    def program(self) -> Program:
        """Return the way to the attention-weighted mean, or a share of it."""
        return Program((AttentionTerm(self.rate(), self.attention.weights()),))

    @property
    def sharpness(self) -> float:
        """How sharp attention is; may be set at any time."""
        return self.attention.full

    @sharpness.setter
    def sharpness(self, sharpness: float) -> None:
        self.attention.full = sharpness

    @property
    def share(self) -> float:
        """The rate; may be set at any time."""
        return self.rate.number

    @share.setter
    def share(self, share: float) -> None:
        self.rate.set(share)


@register.rule("fade")
class Fade(UpdateRule):
    """Let a level forget a share of itself.

    Beside rules that add, it keeps a level from growing without bound: what they say in every
    step settles at `1 / rate` times what they say in one.

    Args:
        rate: The share that is forgotten in a step.
        learned: Whether the rate is a weight, which stays between 0 and 1.
    """

    cellwise = True
    adjustable: Mapping[str, tuple[str, float, float]] = {"rate of fading": ("share", 0.0, 1.0)}

    def __init__(self, *, rate: Fraction = 0.1, learned: bool = False) -> None:
        super().__init__()
        self.rate = Weight(rate, learned)

    def program(self) -> Program:
        """Return a share of the level, taken away."""
        return Program((DecayTerm(self.rate()),))

    @property
    def share(self) -> float:
        """The rate; may be set at any time."""
        return self.rate.number

    @share.setter
    def share(self, share: float) -> None:
        self.rate.set(share)


class Weight(nn.Module):
    """A number from 0 to 1, fixed or learned."""

    def __init__(self, value: float, learned: bool) -> None:
        super().__init__()
        self.value = value
        self.logit = nn.Parameter(torch.tensor(_logit(value))) if learned else None

    @property
    def number(self) -> float:
        """The number as it stands."""
        return self.value if self.logit is None else torch.sigmoid(self.logit).item()

    def set(self, value: float) -> None:
        """Let it be another number; a learned one is never quite 0 or 1."""
        self.value = value
        if self.logit is not None:
            self.logit.data.fill_(_logit(value))

    def forward(self) -> Tensor | float:
        """Return the number."""
        return self.value if self.logit is None else torch.sigmoid(self.logit)


def _scaled(net: MLPTerm, factor: Tensor) -> MLPTerm:
    """Return a net whose change is so many times as great."""
    *before, last = net.layers
    bias = None if last.bias is None else factor * last.bias
    last = replace(last, weight=factor * last.weight, bias=bias)
    return MLPTerm(net.perceptions, (*before, last))


def _logit(value: float) -> float:
    inside = min(max(value, 1e-3), 1 - 1e-3)
    return math.log(inside / (1 - inside))
