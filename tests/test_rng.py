"""Counted randomness: the same bits everywhere, in every order of work."""

import zlib
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import random_seeds, sizes
from torch import Tensor
from torch._dynamo.testing import CompileCounter
from torch.testing import assert_close

from nca import CellRNG, HostRNG
from nca.engine import rng
from nca.engine.rng import absorb, absorb_tensor, key_tensor, mix, mix_tensor, number_of, stream_key

WORDS = st.integers(0, 2**32 - 1)
GOLDEN = [0x5C82445C, 0x454C7D92, 0xFA259EA3, 0x4CEC906A]
CPU = torch.device("cpu")


def source(random_seed: int = 0, step: int = 0, samples: int = 1) -> CellRNG:
    return CellRNG(random_seed, step, torch.arange(samples))


def unsigned(bits: Tensor) -> Tensor:
    return bits.to(torch.int64) & 0xFFFFFFFF


def signed(number: int) -> Tensor:
    return torch.tensor(number).to(torch.int32)


def lowbias32(x: int) -> int:
    """Return Wellons's hash, as he writes it in C."""
    x ^= x >> 16
    x = (x * 0x7FEB352D) % 2**32
    x ^= x >> 15
    x = (x * 0x846CA68B) % 2**32
    x ^= x >> 16
    return x


@given(number=WORDS)
def test_the_mixer_is_lowbias32_on_host_and_in_tensors(number):
    assert mix(number) == lowbias32(number)
    assert unsigned(mix_tensor(signed(number))) == lowbias32(number)


@given(key=WORDS, number=WORDS)
def test_absorbing_gives_the_same_bits_on_host_and_in_tensors(key, number):
    assert unsigned(absorb_tensor(key, signed(number))) == absorb(key, number)


@given(random_seed=random_seeds(), stream=st.text(max_size=9), step=st.integers(0, 2**31))
def test_a_key_has_the_same_bits_on_host_and_in_tensors(random_seed, stream, step):
    wanted = stream_key(random_seed, stream, step)
    assert unsigned(key_tensor(random_seed, stream, step, CPU)) == wanted


def test_the_number_of_a_stream_bears_the_mark_that_torch_gives_constants():
    marked = torch.compiler.assume_constant_result(lambda: 0)
    assert vars(marked)
    assert vars(number_of) == vars(marked)


@given(
    random_seed=random_seeds(),
    step=st.integers(0, 10**6),
    sample=st.integers(0, 2**40),
    channel=st.integers(0, 2),
    y=st.integers(0, 3),
    x=st.integers(0, 4),
)
def test_bits_are_a_chain_of_mixers_over_where_and_when(random_seed, step, sample, channel, y, x):
    wanted = 0
    crc = zlib.crc32(b"fire/body")
    for number in (random_seed, random_seed >> 32, crc, step, sample, channel, 5 * y + x):
        wanted = lowbias32(((wanted ^ number % 2**32) + 0x9E3779B9) % 2**32)
    bits = CellRNG(random_seed, step, torch.tensor([sample])).bits("fire/body", 3, (4, 5))
    assert unsigned(bits)[0, channel, y, x] == wanted


def test_the_first_bits_are_those_of_the_first_release():
    bits = unsigned(source(samples=2).bits("fire/body", 1, (2,))).flatten().tolist()
    assert bits == GOLDEN, "every recipe gives other numbers: **Changes results:**"


def test_a_number_depends_on_the_sample_and_not_on_its_place():
    shuffled = torch.tensor([7, 3, 5])
    one = CellRNG(1, 2, shuffled).bits("s", 2, (3, 4))
    other = CellRNG(1, 2, shuffled.flip(0)).bits("s", 2, (3, 4))
    assert torch.equal(one.flip(0), other)


@given(data=st.data(), random_seed=random_seeds(), size=sizes(2, high=4))
def test_listed_cells_draw_the_numbers_that_they_draw_in_the_grid(data, random_seed, size):
    whole = source(random_seed, 7, 3)
    cells = data.draw(st.lists(st.integers(0, 3 * size[0] * size[1] - 1), max_size=5, unique=True))
    listed = replace(whole, cells=torch.tensor(cells, dtype=torch.int64))
    for draw in ("bits", "uniform", "normal"):
        drawn = getattr(whole, draw)("noise", 2, size).transpose(0, 1).flatten(1)[:, cells]
        assert_close(getattr(listed, draw)("noise", 2, size)[0], drawn, rtol=0, atol=0)


@given(random_seed=random_seeds(), size=sizes(2, high=4))
def test_numpy_and_torch_draw_the_same_bits(random_seed, size):
    cells = torch.arange(0, 3 * size[0] * size[1], 2)
    drawn = []
    for few in (0, rng.FEW_NUMBERS):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rng, "FEW_NUMBERS", few)
            grid = source(random_seed, 7, 3)
            listed = replace(grid, cells=cells)
            drawn.append([one.bits("s", 2, size) for one in (grid, listed)])
            drawn[-1] += [one.normal("s", 2, size) for one in (grid, listed)]
    assert_close(*drawn, rtol=0, atol=0)


def test_a_number_does_not_depend_on_how_many_channels_are_drawn():
    assert torch.equal(source().bits("s", 1, (9,)), source().bits("s", 3, (9,))[:, :1])


def test_compiled_code_draws_the_same_bits_and_is_not_compiled_for_each_step():
    counter = CompileCounter()

    @torch.compile(backend=counter, fullgraph=True)
    def compiled(random_seed: int, step: int, samples: Tensor) -> tuple[Tensor, Tensor]:
        draw = CellRNG(random_seed, step, samples)
        return draw.chance("fire", 0.5, 1, (3, 4)), draw.normal("noise", 2, (3, 4))

    samples = torch.arange(2)
    for step in range(12):
        draw = CellRNG(2**40 + 9, step, samples)
        fire, noise = compiled(2**40 + 9, step, samples)
        assert torch.equal(fire, draw.chance("fire", 0.5, 1, (3, 4)))
        assert torch.equal(noise, draw.normal("noise", 2, (3, 4)))
    assert counter.frame_count <= 3


@given(random_seed=random_seeds(), step=st.integers(0, 99))
def test_chances_of_nothing_and_of_certainty_are_exact(random_seed, step):
    draw = source(random_seed, step, samples=3)
    assert not draw.chance("s", 0.0, 2, (40, 50)).any()
    assert draw.chance("s", 1.0, 2, (40, 50)).all()


@given(one=st.floats(0, 1), other=st.floats(0, 1), random_seed=random_seeds())
def test_what_happens_at_a_chance_happens_at_every_higher_one(one, other, random_seed):
    low, high = sorted([one, other])
    fires, fires_too = (source(random_seed).chance("s", p, 1, (500,)) for p in (low, high))
    assert not (fires & ~fires_too).any()


@given(random_seed=random_seeds())
def test_uniform_numbers_are_below_one_and_of_24_bits(random_seed):
    uniform = source(random_seed).uniform("s", 2, (999,))
    assert uniform.dtype == torch.float32
    assert ((uniform >= 0) & (uniform < 1)).all()
    assert torch.equal((uniform * 2**24).round() / 2**24, uniform)
    bits = source(random_seed).bits("s", 2, (999,))
    assert torch.equal((uniform.double() * 2**24).long(), unsigned(bits) >> 8)


def test_each_sample_draws_numbers_of_its_own():
    each = CellRNG(0, 0, torch.tensor([4, 9])).each("s", 3)
    assert each.shape == (2, 3)
    assert each.unique().numel() == 6
    assert_close(each[1:], CellRNG(0, 0, torch.tensor([9])).each("s", 3), rtol=0, atol=0)


@given(seed=random_seeds(), low=st.integers(-5, 5), more=st.integers(0, 9))
def test_a_whole_number_stays_between_its_bounds(seed, low, more):
    drawn = {HostRNG(seed, iteration).integer("s", low, low + more) for iteration in range(300)}
    assert drawn == set(range(low, low + more + 1))


@given(seed=random_seeds(), iteration=st.integers(0, 10**6), count=st.integers(0, 300))
def test_an_order_names_every_place_once(seed, iteration, count):
    order = HostRNG(seed, iteration).order("s", count)
    assert order.sort().values.tolist() == list(range(count))


def test_an_order_is_of_the_host_whatever_torch_takes_by_default():
    with torch.device("meta"):
        assert HostRNG(1, 2).order("s", 3).device == CPU


def test_an_iteration_hands_its_counters_to_its_samples():
    handed = HostRNG(5, 6).cells(torch.tensor([2]))
    assert torch.equal(
        handed.bits("s", 1, (9,)), CellRNG(5, 6, torch.tensor([2])).bits("s", 1, (9,))
    )


@given(one=random_seeds(), other=random_seeds())
def test_other_seeds_give_other_bits(one, other):
    assume(one != other)
    bits = source(one).bits("s", 1, (100,)) == source(other).bits("s", 1, (100,))
    assert bits.sum() <= 1
