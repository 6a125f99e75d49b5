"""Rules are declared once, and what others rely on is declared."""

import pytest
from variants import rule_names

from nca import DecayTerm, PluginError, UpdateRule, View, register
from nca.backends.lowering import lower
from nca.engine.program import Program
from nca.testing.checks.tiled import TILED
from nca.testing.harness import Harness, placed

NETS = {"growing", "bottom_up", "lateral", "top_down"}


def test_the_rules_that_pages_are_made_of_have_programs():
    found = {
        name for name in rule_names() if isinstance(Harness(placed(name)).rule().program(), Program)
    }
    assert found >= NETS | {"self_classifying", "fade", "consensus_step", "weighted_mean"}


def test_the_rules_that_steps_are_fused_of_have_formulas():
    found = {
        name
        for name in rule_names()
        if not isinstance(lower(Harness(placed(name)).rule().program()), str)
    }
    assert found >= NETS | {"fade", "self_classifying", "separable"}


def test_tiles_compute_the_rules_that_are_perception_and_layers():
    fitting = {name for name in rule_names() if not TILED.misfit(Harness(placed(name)))}
    assert fitting >= NETS | {"self_classifying"}


@pytest.mark.parametrize("name", rule_names())
def test_a_rule_is_declared_once(name):
    kind = type(Harness(placed(name)).rule())
    by_program = kind.program is not UpdateRule.program
    assert by_program != (kind.forward is not UpdateRule.forward)


def test_a_rule_that_is_declared_twice_or_never_is_refused():
    class Twice(UpdateRule):
        def program(self) -> Program:
            return Program((DecayTerm(0.1),))

        def forward(self, view: View):
            return -0.1 * view.own

    class Never(UpdateRule):
        pass

    with pytest.raises(PluginError, match="defines program\\(\\) and forward\\(view\\)"):
        register.rule("twice")(Twice)
    with pytest.raises(PluginError, match="neither program\\(\\) nor forward\\(view\\)"):
        register.rule("never")(Never)
