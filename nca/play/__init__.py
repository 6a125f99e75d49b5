"""The live page: run an automaton, touch it, go back in time, and save what happened.

    nca play                          a gallery of all that is installed
    nca play CHECKPOINT
    nca play life --size 96x96        a rule alone, without weights
    nca play RUN --follow
    nca play CHECKPOINT --history FILE

It needs `pip install "nca[play]"`. The page comes from your own machine (127.0.0.1, a token in its
address) and shows the automaton itself, at the recipe's numbers, on CPU or GPU: paint, draw an
input, cut, change rates, go back, compare, save a film. Where you touch the past a new branch
begins, and "beside" shows both. `?` lists the keys.

Cells of few states are painted and counted by state; numbers are seen by a colour map. Where the
task has patterns (`Task.read_pattern`), they are pasted (Ctrl-V) or dropped as a file, and the grid
is saved as one. Listing the gallery executes no plugin file that a recipe names; choosing it does.

Randomness is counted, so that a history is its random seed, its start and what you did: a file of a
few hundred bytes that replays to the same bits, on the same device and build of torch. The brush
works on the first branch shown. `--follow` shows a run's newest weights as it trains; every new
checkpoint starts a new history.

`model` (what is played), `cells` (what levels hold), `events` (what a person does), `history`
(which branches of time there are), `session` (the current moment) and `views` (what is shown) know
nothing of pages; `gallery` (with what `gallery_entries` lists), `hub`, `protocol`, `server` and
`page/` stand on top of them. Public to the other folders: `extra`, `follow`, `gallery`,
`history_file`, `launch`, `ending`, `hub`, `model`, `server`, `session`, `work`, and what `__all__`
names.
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
