"""A hub that is served while a test looks at it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

pytest.importorskip("uvicorn", reason="it needs the extra play")

from nca.play.gallery import PlayGallery
from nca.play.hub import Hub
from nca.play.server import Server
from nca.play.session import Session


@dataclass(frozen=True)
class Served:
    """A running server and what it serves."""

    hub: Hub
    server: Server

    @property
    def address(self) -> str:
        return self.server.auth.address

    @property
    def session(self) -> Session:
        return self.hub.session


@contextmanager
def serving(
    session: Session | None, *, moving: bool = False, gallery: PlayGallery | None = None
) -> Iterator[Served]:
    """Serve a session from a thread, and stop afterwards."""
    hub = Hub(session, moving=moving, gallery=gallery)
    server = Server(hub, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield Served(hub, server)
    finally:
        server.stop()
        thread.join(timeout=60)
        assert not thread.is_alive(), "the server did not stop"


def until(happens: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
