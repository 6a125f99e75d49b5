"""Two rules for tests of the played page: one of three states, and one of shares from 0 to 1."""

import torch

from nca import Needs, Program, TableTerm, UpdateRule, register
from nca_plugins.discrete.rule_string import MOORE

BRAIN = """\
format = 1
[grid]
size = [16, 16]
[[levels]]
name = "cells"
channels = 1
rules = [{ name = "brain" }]
[rollout]
steps = 1
"""


def register_rules() -> None:
    """Register them, in a test whose registry is forgotten."""

    @register.rule("brain")
    class Brain(UpdateRule):
        """Fire beside two that fire, then rest for a step."""

        needs = Needs(axes=(2,))
        successors: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            table = torch.zeros(3, 9, dtype=torch.int64)
            table[0, 2], table[1] = 1, 2
            self.register_buffer("successors", table, persistent=False)

        def program(self) -> Program:
            return Program((TableTerm(MOORE, (1,) * 8, self.successors),))

    @register.rule("glow")
    class Glow(UpdateRule):
        """Become the mean of the neighbours."""

        needs = Needs(axes=(2,), states="unit")

        def forward(self, view):
            return view.neighbours(view.own).mean(dim=1) - view.own
