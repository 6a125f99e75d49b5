"""Separable perception is a mix of the channels, then a kernel for each unit."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

import nca
from nca_plugins.separable import Separable


def automaton(**options) -> nca.Automaton:
    layout = nca.Layout([nca.Level("image", 4, input=True), nca.Level("cells", 6)])
    rule = Separable(nca.RuleContext(layout, "cells", 2), **options)
    return nca.Automaton(layout, {"cells": [rule]}).double()


def test_the_change_is_that_of_pointwise_and_depthwise_convolutions():
    whole = automaton(hidden=5, rank=2)
    rule = whole.rules_of("cells")[0]
    assert isinstance(rule, Separable)
    torch.nn.init.normal_(rule.bias)
    draw = torch.Generator().manual_seed(3)
    state = whole.seed(batch=2, size=(7, 9))
    levels = {n: torch.randn(state[n].shape, generator=draw).double() for n in ("image", "cells")}
    both = torch.cat([levels["image"], levels["cells"]], dim=1)
    hidden = rule.bias.view(-1, 1, 1)
    for rank in range(2):
        mix = torch.cat([rule.mix_below[rank], rule.mix_own[rank]], dim=1)
        mixed = F.pad(torch.einsum("hc,bcyx->bhyx", mix, both), [1] * 4, mode="circular")
        hidden = hidden + F.conv2d(mixed, rule.kernels[rank].unsqueeze(1), groups=5)
    change = torch.einsum("ch,bhyx->bcyx", rule.change.weight, hidden.relu())
    wanted = levels["cells"] + change + rule.change.bias.view(-1, 1, 1)
    assert_close(whole.step(state.replace(levels))["cells"], wanted)


def test_stencils_are_shared_by_all_units_and_cost_no_numbers():
    whole = automaton(hidden=5, kernels="stencils", activation="silu")
    rule = whole.rules_of("cells")[0]
    assert isinstance(rule, Separable)
    draw = torch.Generator().manual_seed(3)
    state = whole.seed(batch=2, size=(7, 9))
    levels = {n: torch.randn(state[n].shape, generator=draw).double() for n in ("image", "cells")}
    both = F.pad(torch.cat([levels["image"], levels["cells"]], dim=1), [1] * 4, mode="circular")
    hidden = 0
    for kernel, below, own in zip(rule.kernels, rule.mix_below, rule.mix_own, strict=True):
        assert_close(kernel.norm().item(), 1.0)
        seen = F.conv2d(both, kernel.expand(10, 1, 3, 3), groups=10)
        hidden = hidden + torch.einsum("hc,bcyx->bhyx", torch.cat([below, own], dim=1), seen)
    change = torch.einsum("ch,bhyx->bcyx", rule.change.weight, F.silu(hidden))
    assert_close(whole.step(state.replace(levels))["cells"], levels["cells"] + change)
    assert set(whole.state_dict()) == {name for name, _ in whole.named_parameters()}
    assert sum(weight.numel() for weight in whole.parameters()) == 4 * 5 * 10 + 5 + 5 * 6 + 6


def test_stencils_have_no_rank():
    with pytest.raises(nca.OptionError, match="stencils have none"):
        automaton(rank=2, kernels="stencils")


def test_it_counts_channels_and_kernel_not_their_product():
    count = sum(weight.numel() for weight in automaton(hidden=5, rank=2).parameters())
    assert count == 2 * 5 * (4 + 6 + 9) + 5 + 5 * 6 + 6
