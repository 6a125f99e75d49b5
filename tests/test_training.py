"""What an iteration starts from."""

import torch

from nca import Report
from nca.library import read_recipe
from nca.noise import Draw
from nca.run import Run
from nca.training import next_batch

SMALL = (
    "grid.size=[12, 12]",
    "task.side=8",
    "train.batch=4",
    "train.iterations=4",
    'pool={size=16, fresh=1, begin=2, order="drawn"}',
)


def test_all_states_are_fresh_until_the_pool_begins(tmp_path):
    run = Run.start(
        read_recipe("growing", SMALL), tmp_path / "run", torch.device("cpu"), None, Report()
    )
    assert run.pool is not None
    index = torch.arange(16)
    run.pool.put(index, run.pool.batch.map(lambda tensor: tensor + 1))  # states that have lived
    fresh = []
    for run.iteration in range(4):
        places, batch = next_batch(run, Draw(0, run.iteration))
        assert places is not None
        assert len(places.unique()) == 4
        first = run.task.draw(Draw(0, run.iteration), batch.state.samples)
        same = batch.state["body"] == first.state["body"]
        fresh.append(same.flatten(1).all(dim=1).sum().item())
    assert fresh == [4, 4, 1, 1]
