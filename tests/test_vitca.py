"""Multi-head attention over a neighbourhood, beside a loop over cells, heads and neighbours."""

import math

import pytest
import torch
import torch.nn.functional as F
from strategies import normal
from torch import Tensor
from torch.testing import assert_close

from nca import Automaton, Layout, Level, OptionError, RuleContext, State, Topology
from nca_plugins.vitca import ViTCA

LAYOUT = Layout([Level("image", 2, input=True), Level("body", 3)])


def drawn(axes: int = 2, **options: object) -> ViTCA:
    given = {"width": 6, "heads": 2, "hidden": 5, "beside": ["image"], **options}
    rule = ViTCA(RuleContext(LAYOUT, "body", axes), **given).double()  # pyright: ignore
    with torch.no_grad():
        for name, weight in rule.named_parameters():
            weight.copy_(0.5 * normal(tuple(weight.shape), 4, name))
    return rule


def naive(rule: ViTCA, cells: Tensor, topology: str) -> Tensor:
    """Return the change of one sample `(C, H, W)`, from its two levels `(C, H, W)`, by loops."""
    _, height, width = cells.shape
    reach, heads = rule.radius, rule.heads
    place = [(y, x) for y in range(height) for x in range(width)]
    embedded = {(y, x): rule.embed(cells[:, y, x]) for y, x in place}
    plain = {at: rule.before(one) for at, one in embedded.items()}
    change = torch.zeros(3, height, width, dtype=cells.dtype)
    for y, x in place:
        near = []
        for down in range(-reach, reach + 1):
            for across in range(-reach, reach + 1):
                there = (y + down, x + across)
                number = (down + reach) * (2 * reach + 1) + across + reach
                if topology == "torus":
                    there = (there[0] % height, there[1] % width)
                if there in plain:
                    near.append((number, plain[there]))
        brought = []
        for head in range(heads):
            share = slice(head * 3, head * 3 + 3)
            query = rule.query(plain[y, x])[share]
            energy = [
                query @ rule.key(o)[share] / math.sqrt(3) + rule.bias[n, head] for n, o in near
            ]
            weights = torch.softmax(torch.stack(energy), dim=0)
            values = torch.stack([rule.value(other)[share] for _, other in near])
            brought.append(weights @ values)
        cell = embedded[y, x] + rule.bring(torch.cat(brought))
        cell = cell + rule.net(F.gelu(rule.hidden(rule.between(cell))))
        change[:, y, x] = rule.change(rule.after(cell))
    return change


@pytest.mark.parametrize("topology", ["torus", "zeros"])
@pytest.mark.parametrize("radius", [1, 2])
def test_attention_is_that_of_a_loop_over_cells_and_heads(topology, radius):
    rule = drawn(radius=radius)
    state = State({"image": normal((2, 2, 4, 3), 1), "body": normal((2, 3, 4, 3), 2)})
    after = Automaton(LAYOUT, {"body": [rule]}, topology=Topology(topology)).step(state)
    for sample in range(2):
        cells = torch.cat([state["body"][sample], state["image"][sample]])
        wanted = state["body"][sample] + naive(rule, cells, topology)
        assert_close(after["body"][sample], wanted)


def test_a_new_one_stands_still():
    rule = ViTCA(RuleContext(LAYOUT, "body"))
    state = State({"image": torch.rand(1, 2, 4, 4), "body": torch.rand(1, 3, 4, 4)})
    after = Automaton(LAYOUT, {"body": [rule]}).rollout(state, 3)
    assert torch.equal(after["body"], state["body"])


@pytest.mark.parametrize("axes", [1, 3])
def test_other_numbers_of_axes_have_as_many_neighbours(axes):
    rule = drawn(axes)
    assert rule.bias.shape == (3**axes, 2)
    size = (4, 3, 5)[:axes]
    state = State({"image": normal((1, 2, *size), 1), "body": normal((1, 3, *size), 2)})
    after = Automaton(LAYOUT, {"body": [rule]}).step(state)["body"]
    assert (after - state["body"]).abs().amin() > 0


def test_a_step_is_gradient_checked():
    rule = drawn(width=4, hidden=2)
    image, body = normal((1, 2, 2, 3), 1), normal((1, 3, 2, 3), 2).requires_grad_()
    automaton = Automaton(LAYOUT, {"body": [rule]})

    def step(body: Tensor, *weights: Tensor) -> Tensor:
        return automaton.step(State({"image": image, "body": body}))["body"]

    assert torch.autograd.gradcheck(step, (body, rule.bias, rule.key.weight, rule.query.bias))


def test_heads_that_cannot_share_the_width_are_refused():
    with pytest.raises(OptionError, match="a divisor of the width of 6"):
        drawn(heads=4)
