"""The living lab: play an automaton, touch it, go back in time, and take what happened with you.

The engine comes first and knows nothing of pages: a subject (what is played), events (what a
person does), a history (which branches of time there are), a session (where one stands), views
(what one sees). The server and its page stand on top of it.
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
