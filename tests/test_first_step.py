"""A rule that writes into what it is shown is refused before the first iteration."""

import pytest
import torch
from torch import nn
from training_case import Weighted, begun

from nca import (
    Automaton,
    Correlation,
    Layer,
    Layout,
    Level,
    MLPTerm,
    PluginError,
    Program,
    ShapeError,
    UpdateRule,
    register,
)
from nca.training.first_step import check_rules


class InPlace(UpdateRule):
    def forward(self, view):
        own = view.own
        own += 0.1
        return own


def test_a_rule_that_writes_into_its_view_is_refused_and_the_state_is_whole():
    layout = Layout([Level("body", channels=1)])
    automaton = Automaton(layout, {"body": [InPlace()]})
    state = automaton.seed(1, (4, 4))
    with pytest.raises(PluginError, match="writes into the state"):
        check_rules(automaton, state)
    assert not state["body"].any()
    assert automaton.training


def _windows(view):
    for window in view.shifted(view.own):
        window.mul_(2.0)


def _neighbours_of_a_correlation(view):
    weight = torch.ones(1, 1, 3, 3)
    view.correlate(view.own, weight)
    view.shifted(view.own)[4].zero_()


def _numpy(view):
    view.own.numpy()[:] = 1.0


@pytest.mark.parametrize(
    ("write", "what"),
    [
        (_windows, "the neighbours in level body"),
        (_neighbours_of_a_correlation, "the neighbours in level body"),
        (_numpy, "level body"),
    ],
)
def test_writes_that_other_rules_would_see_are_refused(write, what):
    class Writes(UpdateRule):
        def forward(self, view):
            write(view)
            return -view.own

    automaton = Automaton(Layout([Level("body", channels=1)]), {"body": [Writes()]})
    state = automaton.seed(1, (4, 4))
    state["body"][:] = 0.5
    with pytest.raises(PluginError, match="writes into the state") as fault:
        check_rules(automaton, state)
    assert fault.value.where.endswith(what)
    assert (state["body"] == 0.5).all()


def test_a_rule_that_writes_into_a_shared_convolution_is_refused():
    class Shares(UpdateRule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1, 1, 3, 3))
            self.out = nn.Parameter(torch.ones(1, 1))

        @property
        def one(self):
            return Correlation("own", self.weight)

        def program(self):
            layer = Layer(self.out, None, "none")
            return Program((MLPTerm((self.one,), (layer,)),))

    class Writes(Shares):
        def forward(self, view):
            return view.perceive(self.one).mul_(2.0)

    automaton = Automaton(Layout([Level("body", channels=1)]), {"body": [Writes(), Shares()]})
    with pytest.raises(PluginError, match="writes into the state") as fault:
        check_rules(automaton, automaton.seed(1, (4, 4)))
    assert fault.value.where.endswith("what rules perceive of level body")


def test_copies_may_be_written_into():
    class Copies(UpdateRule):
        def forward(self, view):
            own = view.own.clone()
            own += view.neighbours(view.own).mul_(2.0).mean(1)
            view.shifted(own)[0].zero_()
            return own

    automaton = Automaton(Layout([Level("body", channels=1)]), {"body": [Copies()]})
    check_rules(automaton, automaton.seed(1, (4, 4)))


def test_a_run_of_such_a_rule_leaves_no_folder(tmp_path):
    begun(tmp_path)
    register.rule("in_place")(InPlace)
    rules = '[{ name = "in_place" }, { name = "weighted" }]'
    with pytest.raises(PluginError, match="writes into the state"):
        begun(tmp_path / "other", f"levels.body.rules={rules}")
    assert not (tmp_path / "other" / "run").exists()


def test_a_run_of_a_rule_whose_change_does_not_fit_leaves_no_folder(tmp_path):
    class Wide(UpdateRule):
        def forward(self, view):
            return view.neighbours(view.own)

    begun(tmp_path)
    register.rule("wide")(Wide)
    with pytest.raises(ShapeError, match=r"has shape \(1, 9, 1, 4, 4\)"):
        begun(tmp_path / "other", 'levels.body.rules=[{ name = "wide" }, { name = "weighted" }]')
    assert not (tmp_path / "other" / "run").exists()


def test_a_rule_that_only_reads_passes_and_draws_no_random_number():
    layout = Layout([Level("body", channels=1)])
    automaton = Automaton(layout, {"body": [Weighted()]})
    before = torch.random.get_rng_state()
    check_rules(automaton, automaton.seed(1, (4, 4)))
    assert (torch.random.get_rng_state() == before).all()


def test_weights_of_another_type_see_the_state_in_theirs():
    class Wide(UpdateRule):
        def __init__(self) -> None:
            super().__init__()
            self.change = nn.Linear(1, 1, dtype=torch.float64)

        def forward(self, view):
            return self.change(view.own)

    automaton = Automaton(Layout([Level("body", channels=1)]), {"body": [Wide()]})
    state = automaton.seed(1, (1, 1)).to(torch.float32)
    check_rules(automaton, state)
    assert state["body"].dtype == torch.float32
