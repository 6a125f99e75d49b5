"""The weighted mean by which Hinton (2021) lets a level settle, and two of its parts alone."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nca import (
    DecayTerm,
    Layer,
    MLPTerm,
    NotDeclared,
    Program,
    RuleContext,
    UpdateRule,
    View,
    register,
)
from nca.engine.program import Term
from nca.types import Count, Fraction
from nca_plugins.glom.attention import SHARPEST, Attention, NeighbourAttention
from nca_plugins.glom.nets import Activation, Prediction, Shown


@register.rule("weighted_mean")
class WeightedMean(UpdateRule):
    """Move to the weighted mean of what was, is suggested, is expected, and is agreed on.

    The paper's update of a level `s_l`, with learned weights `w` that are positive and sum to 1,
    one set for each level; all four contributions read the same old state:

        s_l' = w_1 s_l + w_2 bottom_up(s_(l-1)) + w_3 top_down(s_(l+1)) + w_4 A(s_l)

    The top level has no third term. The rule is alone on its level: beside others the mean would
    be none.

    Args:
        place: Where the rule stands.
        hidden: Units of the hidden layer of each of its two nets.
        activation: What they do with their sum.
        shown: How cells show their embedding to the nets; see `bottom_up`.
        attention: How the cells heed their neighbours, for the fourth contribution `A`.
        learned: Whether the weights are learned; they start, or else stay, all alike.
    """

    adjustable: Mapping[str, tuple[str, float, float]] = {
        "sharpness of attention": ("sharpness", 0.1, SHARPEST)
    }

    def __init__(
        self,
        place: RuleContext,
        *,
        hidden: Count = 24,
        activation: Activation = "relu",
        shown: Shown = "plain",
        attention: Attention = Attention(),  # noqa: B008, it is frozen
        learned: bool = True,
    ) -> None:
        super().__init__()
        self.radius = attention.radius
        top = place.layout.beside(place.name, 1) is None
        self.bottom_up = Prediction(place, "below", hidden, activation, shown)
        self.top_down = None if top else Prediction(place, "above", hidden, activation, shown)
        self.attention = NeighbourAttention(place, attention)
        nearby = ("below", "own") if top else ("below", "own", "above")
        self.reads = tuple(dict.fromkeys((*nearby, *attention.levels(place))))
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

    def program(self) -> Program | NotDeclared:
        """Return the pulls of the nets and of attention in the words of a program."""
        weights = self.weights().tolist()[1:]
        nets = [net for net in (self.bottom_up, self.top_down) if net is not None]
        terms: list[Term] = []
        for net, weight in zip(nets, weights, strict=False):
            said = net.program()
            if isinstance(said, NotDeclared):
                return said
            terms += [_scaled(term, weight) for term in said.terms if isinstance(term, MLPTerm)]
            terms.append(DecayTerm(weight))
        drift = self.attention.program(weights[-1])
        return drift if isinstance(drift, NotDeclared) else Program((*terms, drift))

    def forward(self, view: View) -> Tensor:
        """Return the way from the level to the weighted mean."""
        parts = [self._predicted(view, self.bottom_up)]
        if self.top_down is not None:
            parts.append(self._predicted(view, self.top_down))
        parts.append(self.attention.mean(view))
        weights = self.weights().to(view.own.device)[1:]
        pulls = [w * (part - view.own) for w, part in zip(weights, parts, strict=True)]
        return torch.stack(pulls).sum(dim=0)

    def _predicted(self, view: View, net: Prediction) -> Tensor:
        kernel = net.kernel
        level = view.level(kernel.level)
        shown = kernel.through(level) if kernel.through else level
        return net(view.correlate(shown, kernel.weight, kernel.bias), view)


@register.rule("consensus_step")
class ConsensusStep(UpdateRule):
    """Drift towards the neighbours that already agree, as attention weighs them.

    The change is `rate (A - s)`, with `A` the attention-weighted mean of the neighbours.

    Args:
        place: Where the rule stands.
        rate: How far of the way a cell goes in a step.
        learned: Whether the rate is a weight, which stays between 0 and 1.
        attention: How the cells heed their neighbours.
    """

    adjustable: Mapping[str, tuple[str, float, float]] = {
        "sharpness of attention": ("sharpness", 0.1, SHARPEST),
        "rate of consensus": ("share", 0.0, 1.0),
    }

    def __init__(
        self,
        place: RuleContext,
        *,
        rate: Fraction = 0.2,
        learned: bool = True,
        attention: Attention = Attention(),  # noqa: B008, it is frozen
    ) -> None:
        super().__init__()
        self.reads = attention.levels(place)
        self.radius = attention.radius
        self.rate = Weight(rate, learned)
        self.attention = NeighbourAttention(place, attention)

    def program(self) -> Program | NotDeclared:
        """Return the way to the attention-weighted mean in the words of a program."""
        drift = self.attention.program(self.rate.number)
        return drift if isinstance(drift, NotDeclared) else Program((drift,))

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

    def forward(self, view: View) -> Tensor:
        """Return the way to the attention-weighted mean, or a share of it."""
        return self.rate() * (self.attention.mean(view) - view.own)


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
        """Return the share that is forgotten."""
        return Program((DecayTerm(self.rate()),))

    @property
    def share(self) -> float:
        """The rate; may be set at any time."""
        return self.rate.number

    @share.setter
    def share(self, share: float) -> None:
        self.rate.set(share)

    def forward(self, view: View) -> Tensor:
        """Return a share of the level, taken away."""
        return -self.rate() * view.own


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


def _scaled(net: MLPTerm, factor: float) -> MLPTerm:
    """Return a net whose change is so many times as great."""
    *before, last = net.layers
    bias = None if last.bias is None else factor * last.bias
    return MLPTerm(
        net.perceptions, net.bias, (*before, Layer(factor * last.weight, bias, last.activation))
    )


def _logit(value: float) -> float:
    inside = min(max(value, 1e-3), 1 - 1e-3)
    return math.log(inside / (1 - inside))
