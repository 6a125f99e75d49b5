"""Evolution strategies: the slope of a loss, estimated from how weights with noise on them fare.

Weights w are tried in mirrored pairs, w + sigma e and w - sigma e with normal numbers e
(antithetic sampling, Brockhoff et al. 2010), and the losses count by their rank alone, from -1/2
to 1/2 (fitness shaping, Wierstra et al. 2014), so that neither the scale of a loss nor a trial
that diverges matters. What comes out stands in for a gradient, and an optimiser follows it
(Salimans et al. 2017):

    slope = 1 / (n sigma) sum over the n / 2 pairs of (rank(w + sigma e) - rank(w - sigma e)) e

The loss need not have a derivative. The numbers e are counted: they follow from a random seed, an
iteration, the name of the weight and the pair's number, on any device.

Legend: n trials, two to a pair; S pair.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from nca.engine.population import weight_noise
from nca.engine.rng import HostRNG
from nca.engine.wide import on_host
from nca.types import Count, Positive
from nca.validation.checked import checked_value

JudgeTrials = Callable[[dict[str, Tensor]], Tensor]
"""Returns the loss of each trial, `(n,)`, from their weights, `(n, *shape)` by name."""


def centred_ranks(losses: Tensor) -> Tensor:
    """Return the rank of each loss, float64 `(n,)` on the host, from -1/2, the least, to 1/2.

    Equal losses share the mean of their ranks; one that is no number is worse than all others.

    Args:
        losses: `(n,)`.
    """
    if len(losses) < 2:
        return torch.zeros(len(losses), dtype=torch.float64)
    given = on_host(losses).nan_to_num(torch.inf, torch.inf, -torch.inf)
    below = (given.unsqueeze(0) < given.unsqueeze(1)).sum(dim=1)
    equal = (given.unsqueeze(0) == given.unsqueeze(1)).sum(dim=1)
    rank = below + (equal - 1) / 2
    return rank.to(torch.float64) / (len(losses) - 1) - 0.5


@torch.no_grad()
def mirrored_trials(
    weights: Mapping[str, Tensor], noise: Mapping[str, Tensor], sigma: float
) -> dict[str, Tensor]:
    """Return the weights of all trials, `(2 S, *shape)`: first those with noise added.

    Args:
        weights: What noise is added to and taken from, by name.
        noise: `(S, *shape)` by name.
        sigma: Factor of the noise.
    """
    return {
        name: torch.cat([weight + sigma * noise[name], weight - sigma * noise[name]])
        for name, weight in weights.items()
    }


@torch.no_grad()
def slope(noise: Mapping[str, Tensor], losses: Tensor, sigma: float) -> dict[str, Tensor]:
    """Return what stands in for the gradient of the loss, in the shape of each weight.

    Args:
        noise: `(S, *shape)` by name.
        losses: `(2 S,)`, of the trials in the order of `mirrored_trials`.
        sigma: Factor of the noise.
    """
    ranks = centred_ranks(losses)
    added, taken = ranks.chunk(2)
    shares = (added - taken) / (len(ranks) * sigma)  # (S,)
    return {
        name: torch.tensordot(shares.to(each.device, each.dtype), each, dims=1)
        for name, each in noise.items()
    }


def evolution_slope(
    weights: Mapping[str, Tensor], judge: JudgeTrials, *, pairs: int, sigma: float, key: HostRNG
) -> tuple[dict[str, Tensor], Tensor]:
    """Return a stand-in for the gradient of a loss that may have none, and the trials' losses.

    Args:
        weights: Where the slope is asked for, by name; they are left as they are.
        judge: Returns the loss of each trial.
        pairs: How many mirrored pairs are tried.
        sigma: Standard deviation of the noise.
        key: What the noise follows from: another iteration, other noise.

    Returns:
        By name, in the shape of each weight; and `(2 pairs,)`.

    Raises:
        OptionError: Not one pair, or a sigma that is not above 0.
    """
    where = "evolution_slope(weights, judge, ...)"
    pairs = checked_value(Count, "pairs", pairs, where)
    sigma = checked_value(Positive, "sigma", sigma, where)
    noise = weight_noise(weights, key, torch.arange(pairs))
    losses = judge(mirrored_trials(weights, noise, sigma))
    return slope(noise, losses, sigma), losses
