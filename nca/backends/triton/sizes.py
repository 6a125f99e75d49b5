"""How much of a net a program of a fused step holds at once, so that registers hold it."""

from nca.backends.triton.level_weights import LevelWeights, NetWeights, ReadWeights
from nca.backends.triton.plan import MANY, SMALLEST, TALLEST, TAPS, NetPlan, perceived, power

EXACT, TF32, BFLOAT16 = "exact", ("tf32x3", "tf32"), ("reduced", "rounded")
"""Products of float32, which no tensor core takes, of its parts in TF32, and of bfloat16."""

WIDEST = 128
"""Hidden units that a program holds at once."""

WIDEST_BESIDE_MANY = 64
"""The same beside many channels (`MANY`) and of activations that are not `LIGHT`, where registers
overflow with more; and in deep nets, which take all registers with more."""

WIDEST_PERCEIVED = 64
"""The same behind stencils: a program of 4 warps, each of which multiplies 16 rows of a tile, holds
so many and the gradients of both their layers."""

WIDEST_FLOAT32 = 64
"""The same where products are not those of bfloat16, and operands take twice the room."""

WIDEST_FLOAT32_BESIDE_MUCH = 32
"""The same where channels are many, a net is deep, its activation not `LIGHT`, or a level has
several nets, too: with more, the compiler takes all of it together, and registers overflow."""

LIGHT = ("none", "relu")
"""Activations and derivatives of which no part has to be kept beside the sum."""

DEEPEST = {EXACT: 16, **dict.fromkeys(TF32, 32), **dict.fromkeys(BFLOAT16, 64)}
"""Rows of a first layer that one product takes; operands of exact ones lie in registers."""


def widest_of(weights: NetWeights, level: LevelWeights, products: str) -> int:
    """Return how many hidden units of a net a program may hold at once."""
    read = max(power(one.weight.shape[1]) for one in weights.reads)
    many = max(read, power(level.channels)) >= MANY
    heavy = weights.deep or weights.layers[0].activation not in LIGHT
    if products in BFLOAT16:
        if any(one.stencils is not None for one in weights.reads):
            return WIDEST_PERCEIVED
        return WIDEST_BESIDE_MANY if many or heavy else WIDEST
    much = many or heavy or len(level.nets) > 1
    return WIDEST_FLOAT32_BESIDE_MUCH if much else WIDEST_FLOAT32


def net_plan(read: ReadWeights, activation: str, widest: int, products: str) -> NetPlan:
    """Return the plan of a net of one hidden layer, or of what a deep net reads, without places.

    Args:
        read: What it reads.
        activation: Of its hidden units.
        widest: Hidden units that a program may hold at once.
        products: How matrices are multiplied: see `nca.backends.triton.step.Weights`.
    """
    hidden, channels = read.weight.shape[:2]
    wide = min(power(hidden, SMALLEST), widest)
    hidden = -(-hidden // wide) * wide
    net = NetPlan(
        activation=activation,
        field=read.field,
        channels=channels,
        block=power(channels),
        stencils=0,
        hidden=hidden,
        wide=wide,
        deep=min(power(channels, SMALLEST), DEEPEST[products]),
        tall=min(power(TAPS * power(channels) + 1, SMALLEST), TALLEST),
        rows=0,
        kernels=0,
        first=0,
        last=0,
        handed=hidden,
        ahead=0,
    )
    if read.stencils is None:
        return net._replace(rows=-(-(TAPS * net.block + 1) // net.tall) * net.tall)
    units, rest = divmod(len(read.weight), wide)
    hidden = units * wide + (power(rest, SMALLEST) if rest else 0)
    net = net._replace(block=power(channels, SMALLEST), stencils=len(read.stencils), hidden=hidden)
    rows = perceived(net) + 1 + -(-read.stencils.numel() // hidden)
    return net._replace(rows=rows, handed=perceived(net))
