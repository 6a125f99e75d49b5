"""What is written by hand to be timed beside the engine does what the engine does."""

from functools import partial

import pytest
import torch
from straightforward import NOTEBOOK, growing, main, notebook
from torch.testing import assert_close

from nca.bench import Case, Roofline, cases
from nca.bench.backends import PLAIN, Backend
from nca.bench.run import Call
from nca_plugins.glom.seed import SeedGlom

CPU = torch.device("cpu")
SMALL = ("grid.size=[9, 7]", "evaluate.batch=2", "rollout.steps=4")


def small(name: str, *overrides: str) -> Case:
    (case,) = cases([name], CPU, (*SMALL, *overrides))
    return case


@pytest.mark.parametrize("what", ["forward", "training"])
@pytest.mark.parametrize(
    ("case", "way"),
    [
        (
            small("growing_72", "rollout.fire_rate=1.0"),
            Backend("by hand", "", lambda automaton: growing(automaton, False)),
        ),
        (small("glom_small", *NOTEBOOK), Backend("notebook", "", notebook)),
    ],
    ids=["growing", "notebook"],
)
def test_it_ends_where_the_plain_way_does(case, way, what):
    ours, theirs = Call(case, PLAIN, what), Call(case, way, what)
    ours()
    theirs()
    assert any((end != ours.before().get(n, 0)).any() for n, end in ours.outcome().items())
    assert ours.outcome().keys() == theirs.outcome().keys()
    assert_close(dict(theirs.outcome()), dict(ours.outcome()), rtol=1e-4, atol=1e-6)


def test_half_of_the_cells_fire_where_half_shall():
    (case,) = cases(["growing_72"], CPU, [*SMALL, "grid.size=[40, 40]"])
    full = Case(case.recipe, CPU, alive=1.0)
    first = full.first()
    after = growing(full.automaton(), False)(first, 1)["body"]
    assert 0.47 < (after != first["body"]).any(dim=1).double().mean() < 0.53


def test_other_nets_are_exchanged_for_the_notebooks():
    automaton = small("glom_small").automaton()
    notebook(automaton)
    nets = [rule for name in automaton.rules for rule in automaton.rules_of(name)]
    assert len(nets) == 8
    assert all(isinstance(net, SeedGlom) for net in nets)
    # the first level is of ten channels as all others are: the published 9,040 parameters
    assert sum(weight.numel() for weight in automaton.parameters()) == 9_040


def test_all_of_it_is_timed_beside_the_engine(monkeypatch, capsys):
    ceiling = Roofline({"float32": 100e9, "bfloat16": 200e9}, 20e9)
    monkeypatch.setattr(Roofline, "measure", classmethod(lambda *_: ceiling))
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    reports = list(main(1, SMALL))
    rows = [[(r.what, r.backend.name) for r in report.measured[0].results] for report in reports]
    names = [way for what, way in rows[2] if what == "forward"]
    assert names == ["plain", "by hand", "whole grid", "engine", "bfloat16"]
    assert [len(row) for row in rows] == [8, 6, 10]
    assert "plain is the notebook, beside the same nets" in capsys.readouterr().out
    same = {r.backend.name: r.difference for r in reports[0].measured[0].results}
    assert same["engine"] < 1e-4
