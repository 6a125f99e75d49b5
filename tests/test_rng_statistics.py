"""Counted randomness shows no pattern: frequencies, neighbours, steps, streams, avalanche.

The bounds are five standard deviations of what fair bits would give. Nothing here is left to
chance: the seeds are fixed, and a test that passes once passes always.
"""

import itertools
import math

import pytest
import torch
from torch import Tensor

from nca import CellRNG, HostRNG
from nca.engine.rng import absorb_tensor

MANY = 2**17


def source(random_seed: int = 0, step: int = 0, samples: int = 1) -> CellRNG:
    return CellRNG(random_seed, step, torch.arange(samples))


def unsigned(bits: Tensor) -> Tensor:
    return bits.to(torch.int64) & 0xFFFFFFFF


def correlation(one: Tensor, other: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])


def assert_unrelated(one: Tensor, other: Tensor) -> None:
    """Demand that neither the numbers nor any of their bits go together."""
    bound = 5 / one.numel() ** 0.5
    assert abs(correlation(one.double(), other.double())) < bound
    for bit in range(32):
        left, right = one >> bit & 1, other >> bit & 1
        assert abs(correlation(left.double(), right.double())) < bound, f"bit {bit}"


def chi_square(counts: Tensor) -> float:
    """Return by how many standard deviations counts of equal chance are too uneven."""
    counts = counts.double()
    freedom = counts.numel() - 1
    statistic = float(((counts - counts.mean()) ** 2).sum() / counts.mean())
    return (statistic - freedom) / math.sqrt(2 * freedom)


@pytest.mark.parametrize("probability", [0.001, 0.1, 0.5, 0.93])
def test_a_chance_comes_true_as_often_as_it_says(probability):
    hits = int(source(5).chance("s", probability, 1, (MANY,)).sum())
    assert abs(hits - MANY * probability) < 5 * (MANY * probability * (1 - probability)) ** 0.5


@pytest.mark.parametrize("byte", range(4))
def test_all_bytes_are_equally_likely(byte):
    bits = unsigned(source(1).bits("s", 1, (MANY,)))
    counts = torch.bincount((bits >> 8 * byte & 0xFF).flatten(), minlength=256)
    assert abs(chi_square(counts)) < 5


def test_all_pairs_of_neighbouring_nibbles_are_equally_likely():
    bits = unsigned(source(2).bits("s", 1, (MANY,))).flatten()
    top = bits >> 28
    counts = torch.bincount(top[:-1] * 16 + top[1:], minlength=256)
    assert abs(chi_square(counts)) < 5


@pytest.mark.parametrize("offset", [(0, 1), (1, 0), (1, 1), (1, -1), (2, 0), (0, 32), (32, 0)])
def test_neighbouring_cells_are_unrelated(offset):
    bits = unsigned(source(3).bits("s", 1, (256, 256)))
    assert_unrelated(bits, bits.roll(offset, (2, 3)))


DRAWS = {
    "steps": [(0, 0, "s", 0), (0, 1, "s", 0)],
    "distant steps": [(0, 0, "s", 0), (0, 65536, "s", 0)],
    "random seeds": [(0, 0, "s", 0), (1, 0, "s", 0)],
    "seeds that agree in 32 bits": [(7, 0, "s", 0), (7 + 2**32, 0, "s", 0)],
    "seed and step exchanged": [(1, 0, "s", 0), (0, 1, "s", 0)],
    "step and sample exchanged": [(0, 1, "s", 0), (0, 0, "s", 1)],
    "streams": [(0, 0, "fire/a", 0), (0, 0, "fire/b", 0)],
    "samples": [(0, 0, "s", 0), (0, 0, "s", 1)],
    "distant samples": [(0, 0, "s", 0), (0, 0, "s", 2**30)],
}


@pytest.mark.parametrize("pair", DRAWS.values(), ids=DRAWS)
def test_draws_are_unrelated(pair):
    one, other = (
        unsigned(CellRNG(seed, step, torch.tensor([sample])).bits(stream, 1, (MANY,)))
        for seed, step, stream, sample in pair
    )
    assert_unrelated(one, other)


def test_channels_are_unrelated():
    bits = unsigned(source(4).bits("s", 3, (MANY,)))
    for one, other in itertools.combinations(range(3), 2):
        assert_unrelated(bits[:, one], bits[:, other])


def test_a_cell_is_unrelated_to_itself_a_step_later_over_many_steps():
    fires = torch.stack([source(6, step).bits("s", 1, (64,)) for step in range(1024)])
    assert_unrelated(unsigned(fires[1:]), unsigned(fires[:-1]))


def test_each_bit_of_the_input_flips_each_bit_of_the_output_half_the_time():
    numbers = source(8).bits("s", 1, (8192,)).flatten()
    mixed = absorb_tensor(0x1234ABCD, numbers)
    for bit in range(32):
        flipped = mixed ^ absorb_tensor(
            0x1234ABCD, numbers ^ torch.tensor(1 << bit).to(torch.int32)
        )
        for out in range(32):
            share = float((flipped >> out & 1).double().mean())
            assert abs(share - 0.5) < 5 * 0.5 / 8192**0.5 + 0.005, (bit, out)


def test_normal_numbers_have_the_moments_of_twelve_bytes():
    normal = source(9).normal("s", 4, (MANY,)).double()
    count = normal.numel()
    assert abs(normal.mean()) < 5 / count**0.5
    assert abs(normal.square().mean() - 1) < 5 * (2 / count) ** 0.5
    assert abs((normal**3).mean()) < 5 * (15 / count) ** 0.5
    assert abs((normal**4).mean() - 2.9) < 5 * (96 / count) ** 0.5
    assert normal.abs().amax() <= 12 * 127.5 / 65535**0.5
    beyond_two = float((normal.abs() > 2).double().mean())
    assert abs(beyond_two - math.erfc(2**0.5)) < 0.002


def test_normal_numbers_of_neighbouring_cells_and_channels_are_unrelated():
    normal = source(10).normal("s", 2, (256, 256)).double()
    bound = 5 / normal[:, 0].numel() ** 0.5
    assert abs(correlation(normal[:, 0], normal[:, 1])) < bound
    for offset in ((0, 1), (1, 0), (1, 1)):
        moved = normal[:, 0].roll(offset, (1, 2))
        assert abs(correlation(normal[:, 0], moved)) < bound


def test_all_whole_numbers_are_equally_likely():
    drawn = torch.tensor([HostRNG(0, iteration).integer("s", 0, 31) for iteration in range(20000)])
    assert abs(chi_square(torch.bincount(drawn, minlength=32))) < 5


def test_all_orders_are_equally_likely():
    orders = [tuple(HostRNG(1, i).order("s", 4).tolist()) for i in range(6000)]
    counts = torch.tensor([orders.count(order) for order in itertools.permutations(range(4))])
    assert abs(chi_square(counts)) < 5
