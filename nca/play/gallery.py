"""The gallery: everything that is installed and can be played, by group and name.

Trained checkpoints and one's own runs, recipes without weights, patterns that stand for a recipe,
rules that have no weights, and recipes that wait to be trained. What is written in a notation, such
as the rule B36/S23, is played, too. Looking at what there is executes no plugin file of a recipe;
choosing one does, as `nca play NAME` would. What is faulty is listed with its reason.
"""

import io
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from typing import Any

from PIL import Image

from nca.checkpoint.find import in_notation, pretrained, recipes
from nca.errors import NCAError
from nca.files import is_file, user_path
from nca.play.frames import Viewer, to_bytes
from nca.play.gallery_entries import GROUPS, RUNS, GalleryEntry, gallery_entries
from nca.play.model import PlayedModel
from nca.play.session import Session
from nca.play.views import ROWS
from nca.play.work import work_progress
from nca.registry.discovery import plugin_fault

WRITTEN = "written"
"""In place of a group: what is chosen is no name, but a text in a notation."""

SIDE = 96
"""Pixels of a small picture along its longer side, about."""

LEAST_STEPS, MOST_STEPS = 32, 96
"""Steps before a small picture is drawn."""

PATIENCE = 1.5
"""Seconds of stepping for a small picture."""


class PlayGallery:
    """What there is to play; it is looked for when it is first asked for.

    Args:
        load: Loads what `nca play` would under this name or path.
        random_seed: From which randomness follows; None: as each recipe says.
    """

    def __init__(self, load: Callable[[str], PlayedModel], random_seed: int | None = None) -> None:
        self._load = load
        self._random_seed = random_seed
        self._pictures: dict[tuple[str, str], bytes] = {}

    @cached_property
    def entries(self) -> dict[tuple[str, str], GalleryEntry]:
        """All there is, by group and name, in the order in which it is shown."""
        work_progress().begin("gallery")
        return gallery_entries()

    def to_json(self) -> list[dict[str, Any]]:
        """Return what a page shows: the groups that have entries."""
        found = []
        for group, words in GROUPS.items():
            of_it = [asdict(each) for each in self.entries.values() if each.group == group]
            if of_it:
                found.append({"name": group, "words": words, "entries": of_it})
        return found

    def session(self, group: str, name: str) -> Session:
        """Return a session of an entry, at its beginning.

        Args:
            group: Its group; or `WRITTEN`.
            name: Its name; or what is written.

        Raises:
            NCAError: There is no such entry, or it cannot be loaded.
        """
        source = _written(name) if group == WRITTEN else _source(self._entry(group, name))
        work_progress().begin(f"first state of {name[:80]}")
        try:
            model = self._load(source)
            seed = model.recipe.tables.random_seed
            return Session(model, seed if self._random_seed is None else self._random_seed)
        except NCAError:
            raise
        except Exception as fault:
            if found := plugin_fault(fault):
                raise found from fault
            raise

    def picture(self, group: str, name: str) -> bytes:
        """Return a small picture of an entry some steps after its beginning, as PNG.

        Raises:
            NCAError: There is no such entry, or none is drawn of it.
        """
        entry = self._entry(group, name)
        if not entry.pictured:
            raise NCAError(
                f"no picture is drawn of {name!r} before it is played.",
                where="the gallery",
                to_do="choose it",
            )
        if (group, name) not in self._pictures:
            self._pictures[group, name] = _drawn(self.session(group, name))
        return self._pictures[group, name]

    def _entry(self, group: str, name: str) -> GalleryEntry:
        entry = self.entries.get((group, name))
        if entry is None:
            raise NCAError(
                f"the gallery has no {name[:80]!r} in {group[:80]!r}.",
                where="a message of the page",
                to_do="load the page again, and choose one that it shows",
            )
        return entry


def _source(entry: GalleryEntry) -> str:
    """Return the path of what was found, which no other file can take the place of."""
    if entry.group in ("rules", "patterns"):
        return entry.name
    if entry.group == "runs":
        return str(RUNS / entry.name)
    return str((pretrained() if entry.group == "trained" else recipes())[entry.name])


def _written(text: str) -> str:
    """Return a text that stands for a recipe in a notation.

    Raises:
        NCAError: It does not, or is faulty.
    """
    text = text.strip()
    if is_file(user_path(text)) or in_notation(text) is None:
        raise NCAError(
            f"{text[:80]!r} is neither a name here nor a rule.",
            where="the search of the gallery",
            to_do="choose one that is shown, or write a rule such as B36/S23",
        )
    return text


def _drawn(session: Session) -> bytes:
    end = time.monotonic() + PATIENCE
    steps = max(LEAST_STEPS, *session.model.recipe.tables.rollout.steps)
    many = ROWS if len(session.model.size) == 1 else min(steps, MOST_STEPS)
    session.advance(many, lambda: time.monotonic() > end)
    panes, _ = Viewer().panes(session, session.here)
    image = Image.fromarray(to_bytes(panes[0].picture).numpy())
    image.thumbnail((2 * SIDE, 2 * SIDE), Image.Resampling.BOX)
    scale = max(1, SIDE // max(image.size))
    image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()
