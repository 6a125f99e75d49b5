"""The web server of the live page: its files, its socket, and what one can download."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.resources import files
from typing import Any, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from nca.errors import NCAError, StorageError
from nca.play.auth import Auth
from nca.play.ending import Ending
from nca.play.hub import Client, Hub
from nca.play.protocol import About, respond, urgent
from nca.play.recording import KINDS, parse_recording_request, record
from nca.play.reporting import describe_fault
from nca.play.work import StoppedError
from nca.render.animation import omission

Given = TypeVar("Given")

LARGEST_MESSAGE = 34_000_000
WAITING = 64
"""So many messages of a page may wait; then it is not listened to."""

LOOK = 0.5
"""Seconds after which it is looked again whether a page has gone."""

GRACE = 1

SHARED = ("hexagons.js",)
"""Scripts that exported pages have in common with this one."""
PATTERN = "pattern.rle"
"""The name under which the grid is saved as a pattern."""
KINDS_OF_FILES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def application(
    hub: Hub, auth: Auth, beside: Callable[[], Any] | None, stop: Callable[[], None]
) -> Starlette:
    """Return the web application of a hub.

    Args:
        hub: What is served.
        auth: Which requests are answered.
        beside: Makes a coroutine that runs beside the hub, if any.
        stop: Called if the hub fails, which is a bug of ours.
    """
    shared = [files("nca.render").joinpath(name) for name in SHARED]
    page = {
        entry.name: entry.read_bytes()
        for entry in (*files("nca.play").joinpath("page").iterdir(), *shared)
    }

    async def index(request: Request) -> Response:
        if not auth.knows(request):
            return _refused(auth, request)
        return Response(page["index.html"], headers=auth.headers, media_type=KINDS_OF_FILES["html"])

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        ending = name.rpartition(".")[2]
        if not auth.is_host(request) or name not in page or ending not in KINDS_OF_FILES:
            return _refused(auth, request, 404)
        return Response(page[name], headers=auth.headers, media_type=KINDS_OF_FILES[ending])

    async def take(request: Request) -> Response:
        return await _taken(hub, auth, request)

    async def picture(request: Request) -> Response:
        return await _pictured(hub, auth, request)

    async def talk(wire: WebSocket) -> None:
        await _talk(hub, auth, wire)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(hub.run()), asyncio.create_task(hub.watch())]
        if beside:
            tasks.append(asyncio.create_task(beside()))
        for task in tasks:
            task.add_done_callback(lambda _: stop())
        yield
        await _end(*tasks)
        hub.close()

    async def wrong(request: Request, fault: Exception) -> Response:
        code = getattr(fault, "status_code", 404)
        words = f"There is nothing for {request.method} {request.url.path[:80]} here.\n"
        return PlainTextResponse(words, status_code=code, headers=auth.headers)

    routes = [
        Route("/", index),
        Route("/page/{name}", static),
        Route("/take/{name}", take),
        Route("/picture", picture),
        WebSocketRoute("/talk", talk),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: wrong, 405: wrong})


class Server:
    """A server on a loopback address, which knows its port before it runs.

    Args:
        hub: What is served.
        host: A loopback address.
        port: Where to listen; 0: where it is free.
        beside: Makes a coroutine that runs beside the hub, if any.
        hosts: Under which other names a proxy may ask for it; `*`: any.
        framed: Whether other pages may frame it.

    Raises:
        StorageError: The port is taken.
    """

    def __init__(
        self,
        hub: Hub,
        host: str,
        port: int,
        beside: Callable[[], Any] | None = None,
        *,
        hosts: Sequence[str] = (),
        framed: bool = False,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.socket.bind((host, port))
            self.socket.listen()  # early connections wait
        except OSError as fault:
            self.socket.close()
            raise StorageError(
                f"the page cannot be served: {fault.strerror}.",
                where=f"{host}, port {port}",
                to_do="choose another --port, or leave it out",
            ) from fault
        port = self.socket.getsockname()[1]
        self.auth = Auth(host, port, hosts=tuple(hosts), framed=framed)
        self._hub = hub
        config = uvicorn.Config(
            application(hub, self.auth, beside, self.stop),
            log_level="warning",
            ws="websockets-sansio",
            ws_max_size=LARGEST_MESSAGE,
            timeout_graceful_shutdown=GRACE,
            server_header=False,
            access_log=False,
        )
        self._server = _Uvicorn(config)

    def run(self, ending: Ending | None = None) -> None:
        """Serve until `stop` is called.

        Args:
            ending: Calls `stop` at a signal.
        """
        if ending:
            ending.stop = self.stop
        try:
            self._server.run(sockets=[self.socket])
        finally:
            self.socket.close()

    def stop(self) -> None:
        """Let `run` come to its end, and what is being worked on with it."""
        self._hub.end()
        self._server.should_exit = True


class _Uvicorn(uvicorn.Server):
    """A server that leaves signals to `Ending`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def _talk(hub: Hub, auth: Auth, wire: WebSocket) -> None:
    if not auth.knows(wire):
        await wire.close(1008)
        return
    await wire.accept()
    client = hub.enter(_Page(wire))
    waiting: asyncio.Queue[str | None] = asyncio.Queue(WAITING)
    tasks: list[asyncio.Task[None]] = []
    try:
        tasks.append(asyncio.create_task(_answer(hub, client, waiting)))
        while (heard := await wire.receive())["type"] != "websocket.disconnect":
            text = heard.get("text")
            if urgent(text):
                await respond(hub, client, text)
            else:
                await waiting.put(text)
    finally:
        hub.leave(client)
        await _end(*tasks)


async def _answer(hub: Hub, client: Client, waiting: "asyncio.Queue[str | None]") -> None:
    """Answer the messages of a page one after the other, and show it frames beside."""
    await respond(hub, client, About().model_dump_json())
    frames = asyncio.create_task(hub.show(client))
    try:
        while True:
            await respond(hub, client, await waiting.get())
    finally:
        await _end(frames)


class _Page:
    """A connection that drops what is sent after the page has gone: only `receive` says so."""

    def __init__(self, wire: WebSocket) -> None:
        self._wire = wire

    async def send_bytes(self, data: bytes) -> None:
        with suppress(WebSocketDisconnect):
            if self._wire.application_state is WebSocketState.CONNECTED:
                await self._wire.send_bytes(data)

    async def send_text(self, data: str) -> None:
        with suppress(WebSocketDisconnect):
            if self._wire.application_state is WebSocketState.CONNECTED:
                await self._wire.send_text(data)


async def _taken(hub: Hub, auth: Auth, request: Request) -> Response:
    name = request.path_params["name"]
    if not auth.knows(request):
        return _refused(auth, request)
    try:
        if name == "history.json":
            text = await hub.do(hub.session.save)
            return _file(auth, text.encode(), "application/json", f"{hub.session.model.name}.json")
        if name == PATTERN:
            text = await hub.do(hub.session.pattern)
            return _file(auth, text.encode(), "text/plain", f"{hub.session.model.name}.rle")
        recording = parse_recording_request(request.query_params.multi_items())
        data, ending = await _unless_gone(request, hub.do(record, hub.session, name, recording))
        notice = omission(name, recording.rate)
        return _file(auth, data, KINDS[name], f"{hub.session.model.name}.{ending}", notice)
    except Exception as fault:
        return _failed(auth, fault)


async def _pictured(hub: Hub, auth: Auth, request: Request) -> Response:
    """Return a small picture of something in the gallery."""
    if not auth.knows(request):
        return _refused(auth, request)
    asked = request.query_params
    if hub.gallery is None or not {"group", "name"} <= set(asked):
        return _refused(auth, request, 404)
    try:
        drawn = hub.do(hub.gallery.picture, asked["group"], asked["name"])
        png = await _unless_gone(request, drawn)
        return Response(png, headers=auth.headers, media_type="image/png")
    except Exception as fault:
        return _failed(auth, fault)


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Given]) -> Given:
    """Return what work returns; it is stopped if whoever asked for it has gone."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=LOOK)
            if not task.done() and await request.is_disconnected():
                task.cancel()
        return await task
    except asyncio.CancelledError:
        task.cancel()
        raise StoppedError from None


def _failed(auth: Auth, fault: Exception) -> Response:
    code = 503 if isinstance(fault, StoppedError) else 400 if isinstance(fault, NCAError) else 500
    return JSONResponse(describe_fault(fault), status_code=code, headers=auth.headers)


def _file(auth: Auth, data: bytes, kind: str, name: str, notice: str = "") -> Response:
    named = {"Content-Disposition": f'attachment; filename="{_plain(name)}"', "X-Notice": notice}
    return Response(data, headers={**auth.headers, **named}, media_type=kind)


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)


def _refused(auth: Auth, request: Request, code: int = 403) -> Response:
    words = "Open the address that `nca play` printed, with its token.\n"
    if not auth.is_host(request):
        name = request.headers.get("host", "")[:80]
        words = (
            f"This page is not known as {name!a}. If that is where you forward it to, begin again "
            "with: nca play ... --allow-host NAME\n"
        )
    return PlainTextResponse(words, status_code=code, headers=auth.headers)


async def _end(*tasks: "asyncio.Task[None]") -> None:
    """Cancel tasks; what they failed of, other than that, is raised."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome
