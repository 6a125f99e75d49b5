"""The live page: run an automaton, disturb it, go back in time, branch, record.

The lower half knows nothing of pages: `model` (what is played), `events` (what a person does to
it), `history` (the branches of time), `session` (the position in a history), `views` (what is
shown). On top of it: `hub` (one session, many pages), `protocol` (the messages), `server`, `page/`.
"""

from nca.play.events import Event, parse_event
from nca.play.history import Branch, History
from nca.play.model import PlayedModel, PlayStart
from nca.play.session import Session
from nca.play.snapshot import Snapshot

__all__ = [
    "Branch",
    "Event",
    "History",
    "Snapshot",
    "Session",
    "PlayStart",
    "PlayedModel",
    "parse_event",
]
