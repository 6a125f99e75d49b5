"""Separable perception is a mix of the channels, then a kernel for each unit."""

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


def test_it_counts_channels_and_kernel_not_their_product():
    count = sum(weight.numel() for weight in automaton(hidden=5, rank=2).parameters())
    assert count == 2 * 5 * (4 + 6 + 9) + 5 + 5 * 6 + 6
