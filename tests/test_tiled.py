"""Steps in tiles: how a grid is cut, padded and perceived, when they are chosen, what is kept."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import sizes, topologies
from torch import Tensor, nn
from torch.testing import assert_close

from nca import (
    Alive,
    Automaton,
    Correlation,
    Layer,
    Layout,
    Level,
    MLPTerm,
    Noise,
    Program,
    RuleContext,
    ShapeError,
    State,
    StencilPerception,
    Topology,
    UpdateRule,
    View,
    why_not_tiled,
)
from nca.backends.sparse import SparseStepper
from nca.backends.tiled.cuts import cut
from nca.backends.tiled.layers import reduced
from nca.backends.tiled.perception import tile_perception, unit_kernels
from nca.backends.tiled.stepper import TiledStepper
from nca.engine.rim import Rim
from nca.engine.stepper import DenseStepper
from nca.program import Activation
from nca_plugins.growing import Growing

BODY = Layout([Level("body", 4)])


class Kernel(UpdateRule):
    """A learned kernel, and a layer with relu."""

    cellwise = True

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Conv2d(4, 5, 3)
        self.change = nn.Linear(5, 4)

    def program(self) -> Program:
        seen = Correlation("own", self.kernel.weight, self.kernel.bias)
        return Program((MLPTerm((seen,), (Layer(self.change.weight, self.change.bias, "relu"),)),))


class Both(UpdateRule):
    """Stencils and learned kernels, added; with or without a bend between them and the layers."""

    def __init__(self, activation: Activation = "none", biased: bool = True) -> None:
        super().__init__()
        self.activation: Activation = activation
        self.fixed = StencilPerception(4, 2)
        self.kernel = nn.Conv2d(4, 12, 3)
        self.cell = nn.Conv2d(4, 12, 1)
        self.hidden, self.change = nn.Linear(12, 6, bias=biased), nn.Linear(6, 4)

    def program(self) -> Program:
        kernels = [Correlation("own", net.weight, net.bias) for net in (self.kernel, self.cell)]
        seen = (kernels[0], self.fixed.perception("own"), self.fixed.perception("own"), kernels[1])
        hidden = Layer(self.hidden.weight, self.hidden.bias, self.activation)
        change = Layer(self.change.weight, self.change.bias, "relu")
        return Program((MLPTerm(seen, (hidden, change)),))


class Halved(Kernel):
    """A subclass that replaces what the program says."""

    def forward(self, view: View) -> Tensor:
        return view.own / 2


STACK = Layout([Level("image", 1, input=True), Level("body", 3), Level("mind", 2)])


class Reads(UpdateRule):
    """Learned kernels over two levels, and a layer."""

    def __init__(self, dim: int, own: str, other: str) -> None:
        super().__init__()
        self.reads, conv = ("own", other), {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dim]
        channels = {name: STACK[name].channels for name in (own, other)}
        self.other = other
        self.seen, self.beyond = conv(channels[own], 5, 3), conv(channels[other], 5, 3)
        self.change = nn.Linear(5, channels[own])

    def program(self) -> Program:
        own = Correlation("own", self.seen.weight, self.seen.bias)
        other = Correlation(self.other, self.beyond.weight)
        layer = Layer(self.change.weight, self.change.bias, "relu")
        return Program((MLPTerm((own, other), (layer,)),))


def drawn_stack(size: tuple[int, ...], random_seed: int) -> State:
    state = STACK.zeros(2, size, dtype=torch.float64, random_seed=random_seed)
    drawn = {n: state.rng.normal(n, STACK[n].channels, state.size(n)).double() for n in state}
    return state.replace(drawn)


def growing(**settings: object) -> Automaton:
    torch.manual_seed(0)
    rule = Growing(RuleContext(BODY, "body"), hidden=16)
    nn.init.normal_(rule.change.weight, std=0.1)
    return Automaton(BODY, {"body": [rule]}, **settings)


def learned(rule: Callable[[], UpdateRule] = Kernel, **settings: object) -> Automaton:
    torch.manual_seed(0)
    return Automaton(BODY, {"body": [rule()]}, **settings)


def drawn(automaton: Automaton, *size: int, batch: int = 2) -> State:
    state = automaton.seed(batch, size or (6, 5))
    return state.replace({n: state.rng.normal("test", 4, state.size(n)) for n in state})


def follow(transform: str, automaton: Automaton) -> object:
    """Return what a transform of torch.func makes of a step, as weights and states vary."""
    state = drawn(automaton).map(Tensor.double)
    body, weights = state["body"], {n: w.detach() for n, w in automaton.named_parameters()}
    automaton.forward = automaton.step

    def after(weights: dict[str, Tensor], body: Tensor) -> Tensor:
        given = {"state": state.replace({"body": body})}
        return torch.func.functional_call(automaton, weights, (), given)["body"].square().sum()

    if transform == "grad":
        return torch.func.grad(after, (0, 1))(weights, body)
    if transform == "jvp":
        return torch.func.jvp(after, (weights, body), (weights, body))
    pairs = {name: torch.stack([weight, 1.1 * weight]) for name, weight in weights.items()}
    bodies = torch.stack([body, 2 * body])
    return torch.vmap(after, (0, None))(pairs, body), torch.vmap(after, (None, 0))(weights, bodies)


def chosen(automaton: Automaton, state: State) -> object:
    return automaton._stepper(state, automaton.fire_rate)


class TestCuts:
    @given(
        batch=st.integers(0, 9),
        size=sizes(high=40),
        axes=st.integers(1, 3),
        cells=st.sampled_from([5, 64, 1000]),
    )
    def test_every_cell_lies_in_one_tile_in_order(self, batch, size, axes, cells):
        tiles = cut(batch, size[:axes], cells)
        covered = [number for tile in tiles for number in range(tile.cells.start, tile.cells.stop)]
        assert covered == list(range(batch * math.prod(size[:axes])))

    @given(batch=st.integers(1, 9), size=sizes(2, high=40))
    def test_a_tile_has_about_as_many_cells_as_asked_for(self, batch, size):
        for tile in cut(batch, size, 64):
            assert len(tile) <= 2 * max(64, size[1])

    def test_a_window_is_what_the_cells_of_a_tile_see(self):
        padded = torch.arange(2 * 8 * 7).view(2, 8, 7, 1)
        tile = cut(2, (6, 5), 10)[4]
        assert (tile.sample, tile.top, tile.rows) == (1, 2, 2)
        assert tile.window(padded, 1).equal(padded[1:, 2:6])


class TestRim:
    @given(size=sizes(high=4), axes=st.integers(1, 3), reach=st.integers(0, 6), data=st.data())
    def test_it_is_what_the_topology_pads_with_and_its_gradient_goes_home(
        self, size, axes, reach, data
    ):
        topology, size = data.draw(topologies(axes)), size[:axes]
        level = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
        padded, rim = topology.pad(level, reach), Rim(topology.of(axes), (reach,) * axes)
        assert rim.pad(level.detach().movedim(1, -1)).equal(padded.movedim(1, -1))
        gradient = torch.randn_like(padded)
        (wanted,) = torch.autograd.grad(padded, level, gradient)
        folded = rim.fold(gradient.movedim(1, -1).clone(memory_format=torch.contiguous_format))
        assert_close(folded.movedim(-1, 1), wanted)


class TestPerception:
    @given(size=sizes(high=4), axes=st.integers(1, 3), units=st.booleans(), data=st.data())
    def test_all_cells_and_some_of_them_see_what_correlations_see(self, size, axes, units, data):
        size = size[:axes]
        sides = tuple(data.draw(st.sampled_from([1, 3])) for _ in size)
        kernels = torch.randn(2, *sides, dtype=torch.float64)
        kernels[0] = kernels[0].where(kernels[0] > 0, 0.0)
        kernels = unit_kernels(sides) if units else kernels
        topology, reach = Topology("torus"), [side // 2 for side in sides]
        level = torch.randn(2, 3, *size, dtype=torch.float64)
        if data.draw(st.booleans()):  # the same without a rim: over the edge, if it is no zeros
            topology = Topology(data.draw(st.sampled_from(["torus", "replicate", "reflect"])))
            window, boundaries = level.movedim(1, -1).contiguous(), topology.of(axes)
        else:
            window = topology.pad(level, reach).movedim(1, -1).contiguous()
            boundaries = None
        each = [topology.correlate(level, k.expand(3, 1, *sides), groups=3) for k in kernels]
        wanted = torch.stack(each, dim=1).flatten(3).movedim(-1, 1).reshape(-1, len(kernels) * 3)

        perception = tile_perception(kernels, window.shape[:-1], torch.float64, boundaries)
        flat = window.view(-1, 3)
        assert_close(perception.perceive(flat), wanted)
        some = torch.arange(0, len(wanted), 2)
        assert_close(perception.perceive_some(flat, some), wanted[some])

        gradient = torch.randn_like(wanted)
        gradient[1::2] = 0
        of_all, of_some = torch.zeros_like(flat), torch.zeros_like(flat)
        perception.add_gradient(gradient, of_all)
        perception.add_gradient_of_some(gradient[some], some, of_some)
        assert_close(of_some, of_all)
        shift = torch.randn_like(flat)
        assert_close((of_all * shift).sum(), (gradient * perception.perceive(shift)).sum())


class TestChoice:
    def test_stencils_are_perceived_in_tiles_and_learned_kernels_where_few_cells_fire(self):
        for automaton, kind in (
            (growing(), TiledStepper),
            (growing(fire_rate=0.5), TiledStepper),
            (learned(fire_rate=0.5), TiledStepper),
            (learned(), DenseStepper),
            (growing(tiled=False), DenseStepper),
            (learned(tiled=True), TiledStepper),
        ):
            assert type(chosen(automaton, drawn(automaton))) is kind

    def test_where_each_neighbour_is_seen_apart_tiles_spare_the_dead_themselves(self):
        frozen = Alive("body", 3, 9.0, dead="frozen")
        automaton = learned(alive=frozen, fire_rate=0.5)
        assert type(chosen(automaton, drawn(automaton))) is TiledStepper
        automaton.sparse = True
        assert type(chosen(automaton, drawn(automaton))) is SparseStepper

    def test_where_life_spares_cells_the_others_are_listed_while_they_are_few(self, monkeypatch):
        automaton = growing(alive=Alive("body", 3, 0.1), fire_rate=0.5)
        state = automaton.seed(1, (12, 12))
        state["body"][:, 3, 5, 5] = 1
        stepper = chosen(automaton, state)
        assert isinstance(stepper, SparseStepper)
        assert stepper.tiled
        taken = []
        monkeypatch.setattr(
            stepper.tiled, "step_living", lambda state, *_: taken.append(state) or state
        )
        stepper.step(stepper.prepare(state), 0.5)
        assert not taken
        stepper.step(stepper.prepare(drawn(automaton, 12, 12)), 0.5)
        assert len(taken) == 1

    @pytest.mark.parametrize("biased", [True, False])
    def test_what_stencils_and_kernels_see_may_be_added(self, biased):
        ends = []
        for tiled in (False, True):
            automaton = learned(lambda: Both(biased=biased), tiled=tiled, sparse=False).double()
            first = drawn(automaton).to(torch.float64).map(lambda t: t.requires_grad_())
            end = automaton.rollout(first, 2)["body"]
            sources = [*automaton.parameters(), first["body"]]
            ends.append([end, *torch.autograd.grad(end.square().sum(), sources)])
        assert_close(*ends)

    @pytest.mark.parametrize(
        ("automaton", "change", "reason"),
        [
            (learned(Halved), {}, 'rule 0 of level "body" (Halved) has a forward of its own'),
            (
                growing(),
                {"dtype": torch.float64},
                "weights and state are of float32 and float64, and not both of float32 or float64",
            ),
            (
                learned(lambda: Both("relu")),
                {},
                'rule 0 of level "body" (Both) bends the sum of what stencils and other things '
                "perceive",
            ),
            (growing(), {"batch": 0}, "the state holds no sample"),
            (Automaton(BODY, {}), {}, "it has no rules"),
        ],
    )
    def test_what_tiles_cannot_do_is_named(self, automaton, change, reason):
        state = BODY.zeros(change.get("batch", 2), (3, 3), dtype=change.get("dtype"))
        assert why_not_tiled(automaton, state) == reason

    def test_tiles_that_are_demanded_and_impossible_are_refused(self):
        automaton = learned(Halved, tiled=True)
        with pytest.raises(ShapeError, match="cannot take steps in tiles: rule 0 of level"):
            automaton.step(drawn(automaton))

    def test_a_rule_that_is_listened_to_is_called(self):
        automaton, calls = growing(fire_rate=0.5), []
        automaton.rules_of("body")[0].register_forward_hook(lambda *_: calls.append(1))
        automaton.rollout(drawn(automaton), 3)
        assert len(calls) == 3

    def test_a_function_transform_follows_other_steps(self):
        automaton, tiled = growing(tiled=False), growing()
        state = drawn(automaton)

        def after(body: Tensor, automaton: Automaton) -> Tensor:
            return automaton.step(state.replace({"body": body}))["body"].square().sum()

        found, wanted = (
            torch.func.grad(lambda body, a=a: after(body, a))(state["body"])
            for a in (tiled, automaton)
        )
        assert_close(found, wanted)

    @pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch.func.jvp's own
    @pytest.mark.parametrize("alive", [None, Alive("body", 3, 1.0)])
    @pytest.mark.parametrize("transform", ["vmap", "grad", "jvp"])
    def test_transforms_of_weights_and_states_follow_other_steps(self, transform, alive):
        """What is chosen unasked: tiles, or where an alive mask spares cells also lists."""
        plain = growing(fire_rate=0.5, alive=alive, tiled=False, sparse=False)
        unasked = growing(fire_rate=0.5, alive=alive)
        found, wanted = (follow(transform, automaton.double()) for automaton in (unasked, plain))
        assert_close(found, wanted)


class TestGradient:
    @pytest.mark.parametrize("made", [growing, learned])
    def test_it_is_that_of_small_differences(self, made):
        automaton = made(fire_rate=0.5, tiled=True, step_size=0.5).double()
        state = drawn(automaton, 3, 2).to(torch.float64)

        def end(body: Tensor, *_: Tensor) -> Tensor:
            return automaton.rollout(state.replace({"body": body}), 2)["body"]

        body = state["body"].clone().requires_grad_()
        assert torch.autograd.gradcheck(end, (body, *automaton.parameters()))

    def test_a_second_derivative_is_refused_with_what_to_do(self):
        automaton = growing(tiled=True)
        body = drawn(automaton)["body"].clone().requires_grad_()
        end = automaton.step(drawn(automaton).replace({"body": body}))["body"].square().sum()
        with pytest.raises(ShapeError, match="gradient has none"):
            torch.autograd.grad(end, body, create_graph=True)

    @given(
        data=st.data(),
        dim=st.integers(1, 3),
        above=st.sampled_from([-9.0, 0.0, 0.5, 1.0, 9.0]),
        dead=st.sampled_from(["frozen", "cleared"]),
        fire_rate=st.sampled_from([0.3, 0.7]),
        random_seed=st.integers(0, 99),
    )
    def test_cells_that_a_mask_spares_change_neither_outcome_nor_gradient(
        self, data, dim, above, dead, fire_rate, random_seed
    ):
        topology, size = data.draw(topologies(dim)), data.draw(sizes(dim, high=5))
        state = drawn_stack(size, random_seed)
        told = data.draw(st.sampled_from(list(STACK)))  # a mask that lasts, or one that does not
        ends = []
        for tiled in (False, True):
            torch.manual_seed(random_seed)
            automaton = Automaton(
                STACK,
                {"body": [Reads(dim, "body", "image")], "mind": [Reads(dim, "mind", "body")]},
                topology=topology,
                alive=Alive(told, 0, above, dead=dead),
                noise=Noise(0.1),
                fire_rate=fire_rate,
                step_size=0.5,
                tiled=tiled,
                sparse=False,
            ).double()
            first = state.map(lambda level: level.clone().requires_grad_())
            end = automaton.rollout(first, 3)
            loss = torch.stack([end[name].square().sum() for name in ("body", "mind")]).sum()
            sources = [*automaton.parameters(), *first.values()]
            found = torch.autograd.grad(loss, sources, materialize_grads=True)
            ends.append([*end.values(), *found])
        assert_close(ends[1], ends[0])

    def test_few_cells_of_one_level_may_change_and_many_of_another(self):
        state, ends = drawn_stack((12, 12), 0), []
        state["body"][:, 0] = 0
        state["body"][:, 0, ::4, ::4] = 1
        for tiled in (False, True):
            torch.manual_seed(0)
            automaton = Automaton(
                STACK,
                {"body": [Reads(2, "body", "image")], "mind": [Reads(2, "mind", "body")]},
                alive=Alive("body", 0, 0.1),  # all cells of the body may change: 35 %
                fire_rate=0.35,
                tiled=tiled,
                sparse=False,
            ).double()
            end = automaton.step(state)
            loss = end["body"].square().sum() + end["mind"].square().sum()
            sources = list(automaton.parameters())
            ends.append(torch.autograd.grad(loss, sources, materialize_grads=True))
        assert_close(ends[1], ends[0])

    def test_many_steps_of_a_lasting_mask_are_one_node_without_a_second_derivative(self):
        automaton = Automaton(
            STACK,
            {"body": [Reads(2, "body", "image")], "mind": [Reads(2, "mind", "body")]},
            alive=Alive("image", 0, 0.5, dead="frozen"),
            fire_rate=0.5,
        ).double()
        state = drawn_stack((4, 4), 0)
        mind = automaton.rollout(state, 5)["mind"]
        assert mind.grad_fn is not None
        (node,) = (one for one, _ in mind.grad_fn.next_functions if one)
        assert not any("Rollout" in one.name() for one, _ in node.next_functions if one)
        assert "Rollout" in node.name()
        with pytest.raises(ShapeError, match="gradient has none"):
            torch.autograd.grad(mind.sum(), [*automaton.parameters()], create_graph=True)

    def test_a_list_of_reduced_products_has_one_of_few_lengths(self):
        rows = torch.ones(70, 3)
        assert reduced(rows, torch.float32) is rows
        wide = reduced(rows, torch.bfloat16)
        assert wide.shape == (128, 3)
        assert wide.sum() == 210
        with torch.autocast("cpu", dtype=torch.bfloat16):
            stepper = chosen(learned(fire_rate=0.5), drawn(learned()))
        assert isinstance(stepper, TiledStepper)
        assert stepper.program.products == torch.bfloat16

    @pytest.mark.parametrize("made", [growing, learned])
    def test_reduced_products_are_near(self, made):
        ends = []
        for tiled in (False, True):
            automaton = made(fire_rate=0.5, tiled=tiled)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                end = automaton.rollout(drawn(automaton, 8, 8), 2)["body"]
            end.square().sum().backward()
            ends.append([end.detach(), *(w.grad for w in automaton.parameters())])
        for dense, tiled in zip(*ends, strict=True):
            assert tiled.dtype == torch.float32
            assert (tiled - dense).norm() <= 0.02 * dense.norm()


class TestMemory:
    def test_a_step_keeps_little_more_than_a_state(self):
        """The dense step keeps what cells perceive and the hidden layer besides."""
        kept = {tiled: self.bytes_of_rollout(tiled) for tiled in (False, True)}
        states = 4 * 2 * 4 * 64 * 64 * 4  # steps, samples, channels, cells, bytes
        assert kept[True] < 1.2 * states
        assert kept[False] > 5 * kept[True]

    def bytes_of_rollout(self, tiled: bool) -> int:
        automaton, kept = growing(fire_rate=0.5, tiled=tiled), {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            end = automaton.rollout(drawn(automaton, 64, 64), 4)
        assert end["body"].requires_grad
        return sum(kept.values())
