"""A wide kernel directly or by Fourier transforms: the same outcome, and the faster way."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import axes, dtypes, normal, offsets, random_seeds, sizes, topologies
from torch.testing import assert_close

import nca
from nca import ShapeError, State, Topology
from nca.backends.sparse_inputs import SparseInputs
from nca.engine import convolve as module
from nca.engine.convolve import convolve, lend_clock
from nca.engine.rim import extended
from nca.engine.step_inputs import DenseInputs

WAYS = ("direct", "fourier")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(module, "_faster", {})
    monkeypatch.setattr(module, "_clocks", [*module._clocks])


def forced(monkeypatch, way):
    monkeypatch.setattr(module, "_way", lambda task: way)


def both_ways(topology, tensor, kernel, groups=1):
    found = []
    for way in WAYS:
        with pytest.MonkeyPatch.context() as patch:
            forced(patch, way)
            found.append(convolve(topology, topology.pad, tensor, kernel, groups=groups))
    return found


@st.composite
def cases(draw):
    count, groups = draw(axes()), draw(st.sampled_from([1, 2]))
    ins, outs = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 3))
    size = draw(sizes(count))
    # also several laps around the grid
    kernel = tuple(2 * draw(st.integers(0, 9 if count < 3 else 4)) + 1 for _ in range(count))
    boundary = draw(topologies(count))
    return boundary, (2, ins, *size), (outs, ins // groups, *kernel), groups


@given(case=cases(), random_seed=random_seeds(), dtype=dtypes(), local=st.booleans())
def test_both_ways_are_the_correlation(case, random_seed, dtype, local):
    topology, shape, kernel_shape, groups = case
    tensor = normal(shape, random_seed, "tensor").to(dtype)
    kernel = normal(kernel_shape, random_seed, "kernel").to(dtype)
    wanted = topology.correlate(tensor.double(), kernel.double(), groups=groups)
    if not local:  # as in a process that holds a part of the grid
        topology = Topology(topology.boundaries, lambda *given: extended(*given))
    tolerance = 1e-3 if dtype == torch.float32 else 1e-10
    for found in both_ways(topology, tensor, kernel, groups):
        assert found.dtype == dtype
        assert_close(found.double(), wanted, rtol=0, atol=tolerance)


@given(offset=offsets(2), size=sizes(2), random_seed=random_seeds())
def test_the_transform_wraps_as_a_torus_does(offset, size, random_seed):
    tensor = normal((1, 1, *size), random_seed, "tensor").double()
    kernel = normal((1, 1, 11, 3), random_seed, "kernel").double()
    _, found = both_ways(nca.TORUS, tensor, kernel)
    _, moved = both_ways(nca.TORUS, tensor.roll(offset, (2, 3)), kernel)
    assert_close(moved, found.roll(offset, (2, 3)))


@pytest.mark.parametrize("boundary", ["torus", "zeros"])
@pytest.mark.parametrize("kernel_shape", [(4, 1, 3, 7), (4, 1, 9, 5)])
def test_the_gradients_of_the_transform_are_right(monkeypatch, boundary, kernel_shape):
    forced(monkeypatch, "fourier")
    topology = Topology(boundary)
    tensor = normal((2, 2, 4, 5), 0, "tensor").double().requires_grad_()
    kernel = normal(kernel_shape, 0, "kernel").double().requires_grad_()

    def found(tensor, kernel):
        return convolve(topology, topology.pad, tensor, kernel, groups=2)

    assert torch.autograd.gradcheck(found, (tensor, kernel))
    assert torch.autograd.gradgradcheck(found, (tensor, kernel))


def test_a_kernel_that_was_written_into_is_transformed_anew(monkeypatch):
    forced(monkeypatch, "fourier")
    tensor, kernel = torch.rand(1, 1, 8, 8), torch.rand(1, 1, 5, 5)
    before = convolve(nca.TORUS, nca.TORUS.pad, tensor, kernel)
    kernel.mul_(2)
    assert_close(convolve(nca.TORUS, nca.TORUS.pad, tensor, kernel), 2 * before)


def test_a_transform_lasts_as_long_as_its_kernel(monkeypatch):
    forced(monkeypatch, "fourier")
    kernel = torch.rand(1, 1, 5, 5)
    count = len(module._spectra)
    convolve(nca.TORUS, nca.TORUS.pad, torch.rand(1, 1, 8, 8), kernel)
    assert len(module._spectra) == count + 1
    del kernel
    assert len(module._spectra) == count


def ticking(costs):
    """Return a clock by which each way costs so much, and the ways that it has timed."""
    now, timed = [0.0], []

    def costing(way, plain):
        def run(task):
            now[0] += costs[way]
            timed.append(way)
            return plain(task)

        return run

    return (lambda: now[0]), timed, costing


@pytest.mark.parametrize("faster", WAYS)
def test_the_clock_decides_once_where_the_count_is_close(monkeypatch, faster):
    costs = {way: 1.0 if way == faster else 2.0 for way in WAYS}
    clock, timed, costing = ticking(costs)
    lend_clock(clock)
    for way in WAYS:
        plain = getattr(module._Correlation, way)
        monkeypatch.setattr(module._Correlation, way, costing(way, plain))
    tensor, kernel = torch.rand(1, 1, 32, 32), torch.rand(1, 1, 7, 7)
    convolve(nca.TORUS, nca.TORUS.pad, tensor, kernel)
    assert set(timed[:-1]) == set(WAYS)
    assert timed[-1] == faster
    timed.clear()
    convolve(nca.TORUS, nca.TORUS.pad, tensor, kernel)
    assert timed == [faster]


@pytest.mark.parametrize(("side", "radius", "way"), [(256, 32, "fourier"), (256, 0, "direct")])
def test_no_time_is_lost_where_the_count_is_clear(side, radius, way):
    lend_clock(lambda: pytest.fail("it was timed"))
    width = 2 * radius + 1
    task = module._Correlation(
        nca.TORUS, nca.TORUS.pad, torch.rand(1, 1, side, side), torch.rand(1, 1, width, width), 1
    )
    assert module._way(task) == way


def test_without_a_clock_the_count_decides(monkeypatch):
    monkeypatch.setattr(module, "_clocks", [])
    way = {}
    for radius in (1, 13):
        width = 2 * radius + 1
        kernel, tensor = torch.rand(1, 1, width, width), torch.rand(1, 1, 64, 64)
        way[radius] = module._way(module._Correlation(nca.TORUS, nca.TORUS.pad, tensor, kernel, 1))
    assert way == {1: "direct", 13: "fourier"}


def test_an_automaton_lends_steps_its_clock():
    assert nca.Automaton
    assert module._clocks


@pytest.mark.parametrize(
    ("kernel", "groups"), [((1, 1, 4, 3), 1), ((1, 2, 3, 3), 1), ((3, 1, 3), 1), ((3, 1, 3, 3), 2)]
)
def test_a_kernel_that_does_not_fit_is_refused(kernel, groups):
    tensor = torch.rand(1, 2 if groups == 2 else 1, 8, 8)
    with pytest.raises(ShapeError, match="does not fit a tensor"):
        convolve(nca.TORUS, nca.TORUS.pad, tensor, torch.rand(kernel), groups=groups)


def test_listed_cells_see_what_the_grid_sees():
    state = State({"world": normal((2, 2, 9, 8), 0, "state")})
    inputs = DenseInputs(state, nca.Layout([nca.Level("world", 2)]), nca.TORUS)
    kernel = normal((4, 1, 11, 5), 0, "kernel")
    cells = torch.tensor([0, 5, 71, 80, 143])
    listed = SparseInputs(inputs, cells)
    whole = inputs.convolve(state["world"], kernel, 2)
    wanted = whole.movedim(1, -1).reshape(-1, 4)[cells].T.unsqueeze(0)
    assert_close(listed.convolve(listed.level("world"), kernel, 2), wanted, rtol=1e-4, atol=1e-4)


def test_what_torch_func_follows_is_not_timed():
    lend_clock(lambda: pytest.fail("it was timed"))
    batch, kernel = normal((3, 1, 2, 24, 24), 0, "state"), normal((2, 1, 13, 13), 0, "kernel")

    def seen(world):
        return convolve(nca.TORUS, nca.TORUS.pad, world, kernel, groups=2)

    found = torch.func.vmap(seen)(batch)
    module._clocks.clear()
    assert_close(found, torch.stack([seen(one) for one in batch]))
