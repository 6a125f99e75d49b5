"""A frame as it goes to the page: how long the header is, the header as JSON, then the pixels.

The pixels of all panes follow one another, rows from the top, red, green and blue in one byte
each. What changes from step to step is in the header; what does not is told once, by `about`.
"""

import math
import struct
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from nca.jsonl import dumps
from nca.play.model import PlayedModel
from nca.play.session import Session, TimelinePosition
from nca.play.views import ROWS, VIEWS, Pane, ViewInput, ViewRequest, see
from nca.render.pca import SteadyColours

MOST_MARKS = 400
"""So many steps with events are marked on the timeline of a branch."""


@dataclass
class Viewer:
    """What one page looks at.

    Attributes:
        look: What it asks for.
        bases: The colours that it has grown used to.
    """

    look: ViewRequest = field(default_factory=ViewRequest)
    bases: dict[str, SteadyColours] = field(default_factory=dict)

    def turn(self, look: ViewRequest) -> None:
        """Look at something else, with fresh colours."""
        self.look, self.bases = look, {}

    def panes(self, session: Session, place: TimelinePosition) -> tuple[list[Pane], str]:
        """Return what it sees of a place, and how the panes lie."""
        single = len(session.subject.size) == 1
        moments = session.recent(place, ROWS) if single else [place.moment]
        fits = place is session.here
        sight = ViewInput(session.subject, moments, place.previous, self.look, self.bases, fits)
        return see(sight)


def about(session: Session) -> dict[str, Any]:
    """Return what a page must know once."""
    subject = session.subject
    layout, task = subject.automaton.layout, subject.task
    return {
        "name": subject.name,
        "trained": subject.trained,
        "iteration": subject.iteration,
        "device": str(subject.device),
        "size": list(subject.size),
        "levels": [
            {"name": name, "channels": level.channels, "input": level.input}
            for name, level in layout.items()
        ],
        "knobs": {
            name: {
                "words": knob.words,
                "value": knob.value,
                "low": knob.low,
                "high": knob.high,
                "choices": list(knob.choices),
            }
            for name, knob in subject.knobs.items()
        },
        "views": [
            {"name": name, "words": view.words, "asks": list(view.asks)}
            for name, view in VIEWS.items()
            if view.there(subject)
        ],
        "roles": list(task.roles) if task else [],
        "canvas": list(task.canvas) if task else list(subject.size[-2:]),
        "starts": ["task", "noise", "point", "empty"] if task else ["noise", "point", "empty"],
        "inputs": any(level.input for level in layout.values()),
        "input_change": subject.input_change,
        "pause": asdict(subject.pause) if subject.pause else None,
    }


def frame(session: Session, eye: Viewer, beside: dict[str, Any]) -> bytes:
    """Return a frame of what an eye sees.

    Args:
        session: Where one stands.
        eye: What is looked at.
        beside: What else the header shall tell.

    Raises:
        NCAError: There is no such view.
    """
    rows, pixels, arrangement = [], [], "row"
    for number, place in enumerate(session.places):
        panes, arrangement = eye.panes(session, place)
        for pane in panes:
            raw = to_bytes(pane.picture)
            height, width = raw.shape[:2]
            rows.append({"title": pane.title, "height": height, "width": width, "place": number})
            pixels.append(raw.numpy().tobytes())
    header = {
        "step": session.step,
        "panes": rows,
        "arrangement": arrangement,
        "look": eye.look.model_dump(),
        "places": [_told(session, place) for place in session.places],
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
def measured(subject: PlayedModel, place: TimelinePosition) -> dict[str, float]:
    """Return the metrics of a moment, by name: the task's, and how much changed in a step."""
    moment = place.moment
    found: dict[str, float] = {}
    if subject.task is not None:
        state = subject.turned(moment).finish(moment.state)
        for name, share in subject.task.measure(state, moment.batch).items():
            whole = share.whole.sum().item()
            found[name] = share.part.sum().item() / whole if whole else math.nan
    if place.previous is not None:
        pairs = [
            (place.previous.state[n], moment.state[n]) for n in subject.automaton.writable_levels
        ]
        moved = sum((new - old).abs().mean().item() for old, new in pairs) / max(len(pairs), 1)
        found["mean change"] = moved
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _told(session: Session, place: TimelinePosition) -> dict[str, Any]:
    subject, moment = session.subject, place.moment
    votes = []
    if subject.task is not None:
        with torch.no_grad():
            batch = ViewInput(subject, [moment], None, ViewRequest()).batch
            drawn = not subject.is_blank(moment.state)  # nothing is said of nothing
            votes = [
                {
                    "name": vote.name,
                    "colour": _hex(vote.colour),
                    "share": round(vote.share.item(), 4) if drawn else 0.0,
                }
                for vote in subject.task.votes(batch)
            ]
    return {
        "branch": session.history.branches.index(place.branch),
        "knobs": dict(moment.knobs),
        "metrics": measured(subject, place),
        "votes": votes,
    }


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


def _hex(colour: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)
