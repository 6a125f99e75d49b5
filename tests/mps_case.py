"""What `test_mps.py` does on a pretended Apple GPU and on the CPU, in a process of its own.

Writes a line of JSON for each command that was executed: the command, and what came of it.
"""

import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import torch
from PIL import Image
from pretend_mps import MPS, NAME, pretended_mps
from test_recipes import Noise, small  # pyright: ignore[reportMissingImports]

from nca import Automaton, Batch, State, register
from nca.checkpoint.trained import Trained
from nca.cli import main
from nca.device import pick_device
from nca.engine import wide
from nca.play import PlayedModel, Session
from nca.play.frames import Viewer, frame
from nca.registry.discovery import discover
from nca.tasks.pool import swap_inputs

TRAINED = (
    "growing_conditional",
    "growing_evolved",
    "glom_mnist",
    "glom_parts",
    "segmentation",
    "texture",
    "logic_checkerboard",
    "lenia_faster",
)
"""One for each task, and one without gradients."""

COMPARED = ("growing_conditional", "glom_mnist", "segmentation")
"""Those that the CPU trains as well."""

WEIGHTLESS = ("gosper_gun", "langton")


def commands(name: str, device: str) -> Iterator[list[str]]:
    """Yield what is done with a recipe, one after the other."""
    run = f"{name}-{device}"
    on = ["--device", device]
    if name in WEIGHTLESS:
        yield ["run", name, *on, "--out", run, "--steps", "3"]
        return
    keys = [f"--set={key}" for key in (*small(name), "train.precision='float32'")]
    yield ["run", name, *on, "--out", run, *keys]
    yield ["render", run, *on, "--steps", "3", "--out", f"{run}.png"]
    if name in ("glom_mnist", "segmentation"):
        yield ["predict", run, "picture.png", *on, "--steps", "3", "--out", f"{run}-said"]
        yield ["stream", run, *on, "--size", "64x64", "--steps", "2", "--out", f"{run}-field.png"]


def execute(words: list[str]) -> str:
    """Execute a command; return what went wrong, in words."""
    try:
        main(words)
    except SystemExit as end:
        return "" if not end.code else f"exit {end.code}"
    except BaseException:
        return traceback.format_exc()
    return ""


def play(name: str) -> str:
    """Play a recipe for three steps, and draw it."""
    try:
        session = Session(PlayedModel.load(name, MPS), random_seed=5)
        session.advance(3)
        session.act({"kind": "plant", "points": [[3.5, 3.5]]})
        frame(session, Viewer(), {})
    except Exception:
        return traceback.format_exc()
    return ""


def apart(name: str) -> str:
    """Return how far states on the device are from those on the CPU, if they are."""
    ends = []
    for device in (torch.device("cpu"), MPS):
        with pretended_mps():
            trained = Trained.load(f"{name}-cpu", device)
            trained.prepare(None)
            batch = trained.task.first_evaluation_batch("test", 3)
            state = trained.automaton.rollout(swapped(trained.automaton, batch), 3)
            shares = trained.task.measure(trained.automaton.finish(state), batch)
            ends.append((state.to("cpu"), sorted(shares)))
    (one, names), (other, others) = ends
    far = {level: (one[level] - other[level]).abs().max().item() for level in one}
    return "" if names == others and max(far.values()) < 1e-5 else f"{far}"


def swapped(automaton: Automaton, batch: Batch) -> State:
    """Return the states after three steps, each with the input of the next."""
    after = Batch(automaton.rollout(batch.state, 3), batch.truth)
    return swap_inputs(after, batch.map(lambda each: each.roll(1, 0)), automaton).state


def breaches() -> Iterator[tuple[str, str]]:
    """Yield what must not be possible on the device, and what came of it."""
    there = torch.ones(2, device=MPS)
    for name, breach in {
        "float64": lambda: there.double(),
        "float64 from the CPU": lambda: torch.ones(2, dtype=torch.float64).to(MPS),
        "a tensor of the CPU": lambda: there + torch.ones(2),
    }.items():
        try:
            breach()
        except (TypeError, RuntimeError):
            yield f"breach: {name}", ""
        else:
            yield f"breach: {name}", "nothing"


def do_all() -> None:
    """Do everything on both devices."""
    discover()
    register.dataset("noise")(Noise)
    torch.set_num_threads(1)
    wide.WITHOUT_FLOAT64.add(NAME)
    Image.new("L", (28, 28), 90).save("picture.png")

    def pick(wanted: str) -> torch.device:
        return MPS if wanted == "mps" else pick_device(wanted)

    found = sys.stdout
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    with patch("nca.device.pick_device", pick):
        for device in ("cpu", "mps"):
            for name in COMPARED if device == "cpu" else (*TRAINED, *WEIGHTLESS):
                for words in commands(name, device):
                    if device == "cpu":
                        wrong = execute(words) if words[0] == "run" else ""
                    else:
                        with pretended_mps():
                            wrong = execute(words)
                    print(json.dumps({"command": " ".join(words), "wrong": wrong}), file=found)
        with pretended_mps():
            for name in ("growing", "life"):
                print(json.dumps({"command": f"play {name}", "wrong": play(name)}), file=found)
            for name in COMPARED:
                print(json.dumps({"command": f"compare {name}", "wrong": apart(name)}), file=found)
            for name, wrong in breaches():
                print(json.dumps({"command": name, "wrong": wrong}), file=found)


if __name__ == "__main__":
    os.chdir(Path(sys.argv[1]))
    do_all()
