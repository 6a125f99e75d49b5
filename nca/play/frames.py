"""A frame as it goes to the page: how long the header is, the header as JSON, then the pixels.

The pixels of all panes follow one another, rows from the top, red, green and blue in one byte
each. What changes from step to step is in the header; what does not is sent once, by `about`.
"""

import math
import struct
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from nca.engine.wide import wide
from nca.jsonl import dumps
from nca.play.cells import hexed, population_by_state
from nca.play.model import PlayedModel
from nca.play.session import Session, TimelinePosition
from nca.play.snapshot import Snapshot
from nca.play.views import ROWS, VIEWS, Pane, ViewInput, ViewRequest, asked_of, see
from nca.render.palettes import COLOUR_MAPS
from nca.render.pca import SteadyColours

MOST_MARKS = 400
"""So many steps with events are marked on the timeline of a branch."""


@dataclass
class Viewer:
    """The view of one page.

    Attributes:
        look: What it asks for.
        bases: Principal colours by level, carried from frame to frame.
    """

    look: ViewRequest = field(default_factory=ViewRequest)
    bases: dict[str, SteadyColours] = field(default_factory=dict)

    def turn(self, look: ViewRequest) -> None:
        """Look at something else, with fresh colours."""
        self.look, self.bases = look, {}

    def panes(self, session: Session, place: TimelinePosition) -> tuple[list[Pane], str]:
        """Return what it sees of a place, and how the panes lie."""
        single = len(session.model.size) == 1
        snapshots = session.recent(place, ROWS) if single else [place.snapshot]
        fits = place is session.here
        given = ViewInput(session.model, snapshots, place.previous, self.look, self.bases, fits)
        return see(given)


def about(session: Session) -> dict[str, Any]:
    """Return what a page must know once."""
    model = session.model
    layout, task = model.automaton.layout, model.task
    return {
        "name": model.name,
        "trained": model.trained,
        "weights": sum(weight.numel() for weight in model.automaton.parameters()),
        "iteration": model.iteration,
        "device": str(model.device),
        "size": list(model.size),
        "levels": [
            {
                "name": name,
                "channels": level.channels,
                "input": level.input,
                **model.holdings[name].to_json(),
            }
            for name, level in layout.items()
        ],
        "knobs": {
            name: {
                "words": control.words,
                "value": control.value,
                "low": control.low,
                "high": control.high,
                "choices": list(control.choices),
            }
            for name, control in model.controls.items()
        },
        "views": [
            {"name": name, "words": view.words, "asks": list(asked_of(view, model))}
            for name, view in VIEWS.items()
            if view.there(model)
        ],
        "hexagonal": model.is_hexagonal,
        "colours": list(COLOUR_MAPS),
        "roles": list(task.roles) if task else [],
        "canvas": list(task.canvas) if task else list(model.size[-2:]),
        "patterns": model.has_patterns,
        "starts": ["task", "noise", "point", "empty"] if task else ["noise", "point", "empty"],
        "inputs": any(level.input for level in layout.values()),
        "input_change": model.input_change,
        "pause": asdict(model.pause) if model.pause else None,
    }


def frame(session: Session, viewer: Viewer, beside: dict[str, Any]) -> bytes:
    """Return a frame of what a viewer sees.

    Args:
        session: Where one stands.
        viewer: What the page looks at.
        beside: Further entries of the header.

    Raises:
        NCAError: There is no such view.
    """
    rows, pixels, arrangement = [], [], "row"
    for number, place in enumerate(session.places):
        panes, arrangement = viewer.panes(session, place)
        for pane in panes:
            raw = to_bytes(pane.picture)
            height, width = raw.shape[:2]
            rows.append({"title": pane.title, "height": height, "width": width, "place": number})
            pixels.append(raw.numpy().tobytes())
    header = {
        "step": session.step,
        "panes": rows,
        "arrangement": arrangement,
        "look": viewer.look.model_dump(),
        "places": [_place_header(session, viewer, place) for place in session.places],
        "branches": _branches(session),
        **beside,
    }
    text = dumps(header, compact=True).encode()
    return b"".join([struct.pack("<I", len(text)), text, *pixels])


def to_bytes(picture: Tensor) -> Tensor:
    """Return `(3, H, W)` from 0 to 1 as bytes, `(H, W, 3)`."""
    shown = picture.detach().cpu().nan_to_num(0).clamp(0, 1)
    return (shown * 255).round().byte().movedim(0, -1).contiguous()


@torch.no_grad()
def measured(model: PlayedModel, place: TimelinePosition) -> dict[str, float]:
    """Return the metrics of a snapshot, by name: the task's, and how much changed in a step.

    Of a level of one channel that holds numbers, their sum as well.
    """
    snapshot = place.snapshot
    found: dict[str, float] = {}
    if model.task is not None:
        state = model.turned(snapshot).finish(snapshot.state)
        for name, share in model.task.measure(state, snapshot.batch).items():
            whole = share.whole.sum().item()
            found[name] = share.part.sum().item() / whole if whole else math.nan
    if place.previous is not None:
        pairs = [
            (place.previous.state[n], snapshot.state[n]) for n in model.automaton.writable_levels
        ]
        moved = sum((new - old).abs().mean().item() for old, new in pairs) / max(len(pairs), 1)
        found["mean change"] = moved
    level = snapshot.state[model.shown_level]
    if level.shape[1] == 1 and not model.holdings[model.shown_level].states:
        found["mass"] = wide(level).sum().item()
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _place_header(session: Session, viewer: Viewer, place: TimelinePosition) -> dict[str, Any]:
    model, snapshot = session.model, place.snapshot
    votes = []
    if model.task is not None:
        with torch.no_grad():
            batch = ViewInput(model, [snapshot], None, ViewRequest()).batch
            drawn = not model.is_blank(
                snapshot.state
            )  # without a picture there is nothing to vote on
            votes = [
                {
                    "name": vote.name,
                    "colour": hexed(vote.colour),
                    "share": round(vote.share.item(), 4) if drawn else 0.0,
                }
                for vote in model.task.votes(batch)
            ]
    return {
        "branch": session.history.branches.index(place.branch),
        "knobs": dict(snapshot.controls),
        "metrics": measured(model, place),
        "votes": votes,
        "population": _population(model, snapshot, viewer.look),
    }


def _population(model: PlayedModel, snapshot: Snapshot, look: ViewRequest) -> list[dict[str, Any]]:
    """Return how many cells of the level that one looks at are in each state, or live."""
    automaton, alive = model.turned(snapshot), model.automaton.alive
    asked = look.level if look.view in VIEWS and "level" in VIEWS[look.view].asks else ""
    name = asked or (alive.level if alive else model.shown_level)
    living = None
    if alive and alive.level == name:
        living = automaton.alive_mask(snapshot.state)
    return population_by_state(snapshot.state[name], model.holdings[name], living, look.dark)


def _branches(session: Session) -> list[dict[str, Any]]:
    branches = session.history.branches
    return [
        {
            "name": branch.name,
            "parent": branches.index(branch.parent) if branch.parent else None,
            "fork": branch.fork,
            "length": branch.length,
            "random_seed": str(branch.random_seed),
            "start": {"kind": branch.start.kind, "sample": branch.start.sample},
            "marks": sorted({event.step for event in branch.events})[-MOST_MARKS:],
        }
        for branch in branches
    ]
