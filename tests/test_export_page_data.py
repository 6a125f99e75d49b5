"""What a page is told of an automaton is all of it, whatever its conditions, or it is refused."""

import json

import pytest
import torch
from playwright.sync_api import Page
from torch.testing import assert_close

from nca import (
    Alive,
    Automaton,
    ExportError,
    Layout,
    Level,
    Noise,
    RuleContext,
    Skip,
    Topology,
    UpdateRule,
)
from nca.checkpoint.trained import Trained
from nca.export import write_html
from nca.export.html import ENGINES, READINGS, _web
from nca.export.page_data import check_exportable, page_data
from nca.export.texels import Packer, base64_of, numbers_of
from nca.registry.registry import registry
from nca_plugins.glom.attention import Attention

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def drawn(automaton: Automaton, random_seed: int) -> Automaton:
    """Draw all weights, for new rules stand still."""
    with torch.random.fork_rng():
        torch.manual_seed(random_seed)
        for weight in automaton.parameters():
            torch.nn.init.normal_(weight, std=0.3)
    return automaton.eval()


def two_levels(topology: Topology, channels: int = 5, **settings: object) -> Automaton:
    layout = Layout([Level("low", 3, input=True), Level("mid", 6), Level("top", channels)])
    mid, top = (RuleContext(layout, name, 2, topology) for name in ("mid", "top"))
    rule = lambda name: registry.get("rule", name)  # noqa: E731
    attention = Attention("dot", 0.1, radius=2, itself=False)
    rules = {
        "mid": [
            rule("self_classifying")(mid, perceive=5, hidden=7),
            rule("top_down")(mid, hidden=5, activation="gelu", shown="squashed"),
            rule("growing")(mid, hidden=9, laplacian=True),
            rule("fade")(rate=0.3),
            rule("consensus_step")(mid, attention=Attention(lookahead=0.5)),
        ],
        "top": [
            rule("bottom_up")(top, hidden=6, activation="sine"),
            rule("lateral")(top, hidden=3, activation="silu", shown="squashed"),
            rule("bottom_up")(top, hidden=3, activation="tanh"),
            rule("consensus_step")(top, attention=attention),
        ],
    }
    return drawn(Automaton(layout, rules, topology=topology, step_size=0.1, **settings), 0)


def tried_in(page: Page, told: dict, given: dict) -> dict:
    """Return what the scripts of a page, alone in a tab, make of trials."""
    coarse = any(level["scale"] > 1 for level in told["levels"])
    for name in ("rng.js", *ENGINES["webgl"], *(READINGS,) * coarse):
        page.add_script_tag(content=_web(name))
    return page.evaluate(
        "([plan, given]) => runTrials(document.createElement('canvas').getContext('webgl2'),"
        " plan, given)",
        [json.loads(json.dumps(told)), given],
    )


CASES = {
    # more channels than can be drawn at once
    "torus": (Topology("torus"), {"fire_rate": 0.4, "channels": 33}),
    "zeros": (Topology("zeros"), {"alive": Alive("mid", 5, 0.4)}),
    "mixed": (Topology(("reflect", "replicate")), {"noise": Noise(0.1)}),
    "frozen": (Topology("torus"), {"alive": Alive("low", 1, 0.8, 2, "frozen")}),
    "uniform": (Topology("torus"), {"fire_rate": 0.7, "noise": Noise(0.2, "uniform")}),
}


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_every_condition_is_that_of_torch(page, case):
    topology, settings = CASES[case]
    automaton = two_levels(topology, **settings)
    state = automaton.layout.zeros(1, (5, 7), random_seed=2**40 + 17)
    noise = {n: state.rng.normal(n, t.shape[1], (5, 7)) for n, t in state.items()}
    state = state.replace(noise, samples=torch.tensor([-3]), step=4)
    packer = Packer()
    told = {**page_data(automaton, state, packer), "weights": packer.base64()}
    levels = [base64_of(level) for level in state.values()]
    trial = {"step": 4, "steps": 6, "levels": levels}
    given = {"size": [5, 7], "trials": [{"all": True, **trial}, {"all": False, **trial}]}
    found = tried_in(page, told, given)
    expected = (automaton.rollout(state, 6, fire_rate=1.0), automaton.rollout(state, 6))
    for after, levels in zip(expected, found["found"], strict=True):
        assert after["mid"].ne(state["mid"]).any(), "nothing moved"
        for name, text in zip(state, levels, strict=True):
            assert_close(numbers_of(text).view_as(after[name]), after[name].contiguous(), **CLOSE)


def test_a_page_that_computes_something_else_is_not_written(tmp_path, monkeypatch, page):
    loaded = Trained.load("growing", torch.device("cpu"))
    honest = Packer.base64
    monkeypatch.setattr(Packer, "base64", lambda self: honest(self).replace("A", "B", 40))
    with pytest.raises(ExportError, match="the export strays from torch by"):
        write_html(loaded, tmp_path / "wrong.html", 2)
    assert not list(tmp_path.iterdir())


class Secret(UpdateRule):
    def forward(self, view):
        return view.own


def test_all_that_a_page_cannot_say_is_told_at_once():
    layout = Layout([Level("low", 2), Level("top", 2)])
    top = RuleContext(layout, "top")
    prediction = registry.get("rule", "bottom_up")
    rules = {"low": [Secret()], "top": [prediction(top, shown="normalised")]}
    automaton = Automaton(layout, rules)
    with pytest.raises(ExportError) as refused:
        page_data(automaton, automaton.seed(1, (4, 4)), Packer())
    assert refused.value.what == (
        "no page can be made of this automaton: "
        'rule Secret of level "low" does not declare what it computes (UpdateRule.program); '
        'rule BottomUp of level "top" standardises each cell\'s channels, which no page can do.'
    )
    assert refused.value.to_do == "export it with --engine onnx instead"


def test_what_no_page_runs_is_refused_whatever_computes_it():
    check_exportable(two_levels(Topology("torus")), 2)
    with pytest.raises(ExportError, match="its grid has 3 axes, and a page shows two") as refused:
        check_exportable(two_levels(Topology("torus")), 3)
    assert refused.value.to_do == "export it with --to onnx instead"
    layout = Layout([Level("low", 2)])
    with pytest.raises(ExportError, match="skip connections remember states") as refused:
        check_exportable(Automaton(layout, {}, skips=[Skip(3, 0.1)]), 2)
    assert refused.value.to_do.startswith("watch it in torch, with nca play")


def test_the_first_state_of_an_empty_grid_takes_no_room():
    automaton = two_levels(Topology("torus"))
    told = page_data(automaton, automaton.layout.zeros(1, (4, 4)), Packer())
    assert [level["first"] for level in told["levels"]] == [None] * 3
