"""`nca play`: touch a living automaton on a page that this machine serves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nca.cli.completion import complete_either
from nca.cli.console import (
    Data,
    Device,
    Overrides,
    Pattern,
    PluginFiles,
    Trust,
    load_plugins,
    print_result,
    say,
    sides,
    with_pattern,
)
from nca.cli.numbers import RANDOM_SEED, number
from nca.cli.progress import terminal_progress
from nca.errors import NCAError
from nca.files import read_text_bounded

if TYPE_CHECKING:
    from nca.play.session import Session
    from nca.progress import Progress

LOOPBACK = ("127.0.0.1", "localhost", "::1")
GRID = r"[1-9]\d{0,6}(x[1-9]\d{0,6}){0,2}"
"""How the sides of a grid of up to three axes are written."""


def play_command(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="CHECKPOINT|RECIPE",
            help="A file, a run's folder, a name, or a rule such as B36/S23; none: a gallery.",
            autocompletion=complete_either,
        ),
    ] = None,
    pattern: Pattern = None,
    port: Annotated[int, number("--port", 0, 65535, "Where to listen; 0: where it is free.")] = 0,
    host: Annotated[
        str, typer.Option("--host", help="A loopback address of this machine.")
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", metavar="NAME", help="Answer under this name too, as a proxy has it."
        ),
    ] = None,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Print the address without opening a browser.")
    ] = False,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="HxW", help="Cells along each axis: 96x96."),
    ] = None,
    random_seed: Annotated[
        int | None, number("--random-seed", 0, RANDOM_SEED, "Instead of the recipe's own.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option("--history", help="Begin with a history that a page has saved.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Take a run's newest weights as it trains.")
    ] = False,
    device: Device = "auto",
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    trust: Trust = False,
    data: Data = None,
) -> None:
    """Play an automaton on a page: paint, damage, turn controls, go back in time.

    Without a name it opens a gallery of everything that is installed.

    Example: nca play growing
    """
    from nca.device import pick_device

    _refuse_alone(source, history=history, follow=follow, trust=trust)
    if host not in LOOPBACK:
        wanted = f"the page is for this machine alone; choose {', '.join(LOOPBACK)}"
        raise typer.BadParameter(wanted, param_hint="--host")
    from nca.play.extra import demand_extra

    demand_extra("nca play")
    from nca.play.model import is_checkpoint

    load_plugins(plugin, source if source and trust and is_checkpoint(source) else None)
    from nca.play.ending import ending
    from nca.play.follow import follower, newest
    from nca.play.gallery import PlayGallery
    from nca.play.hub import Hub
    from nca.play.launch import open_in_browser
    from nca.play.model import PlayedModel
    from nca.play.server import Server
    from nca.play.session import Session
    from nca.play.work import work_progress

    run = Path(source or "")
    if follow and not newest(run).is_file():
        raise NCAError(
            "there is no run to follow.",
            where=f"{newest(run)} is not there",
            to_do="give the folder of a run that has begun: runs/NAME",
        )
    checkpoint = str(newest(run)) if follow else source
    wanted = "give the cells along each axis: 96x96"
    cells = None if size is None else sides(size, "--size", GRID, wanted)
    place = pick_device(device)

    given = with_pattern(pattern, checkpoint, overrides, plugin)

    def load(name: str, progress: "Progress") -> PlayedModel:
        return PlayedModel.load(
            name, place, size=cells, overrides=given, data=data, progress=progress
        )

    def load_here() -> PlayedModel:
        with terminal_progress() as progress:
            return load(checkpoint or "", progress)

    session = None
    if checkpoint:
        model = load_here()
        seed = model.recipe.tables.random_seed if random_seed is None else random_seed
        session = Session(model, seed)
        if history and session.load(_text(history)):
            say(f"{history} was made with other weights: what it replays will differ")
    gallery = PlayGallery(lambda name: load(name, work_progress()), random_seed)
    hub = Hub(session, moving=True, gallery=None if follow else gallery)
    beside = follower(hub, run, load_here) if follow else None
    server = Server(hub, host, port, beside, hosts=allow_host or ())
    with ending() as end:
        print_result(server.auth.address)
        say(f"{_words(session)} on {place}; Ctrl-C ends it")
        if not no_open and not open_in_browser(server.auth.address, end):
            say("no browser was found here: open the address above in one")
        try:
            server.run(end)
        finally:
            end.clean()
    raise typer.Exit(end.code)


def _refuse_alone(source: str | None, **options: object) -> None:
    """Refuse options that say something of what is played, where nothing is named."""
    if source is None and (given := [name for name, value in options.items() if value]):
        wanted = "name what is played: without, the page opens a gallery to choose from"
        raise typer.BadParameter(wanted, param_hint=f"--{given[0]}")


def _words(session: "Session | None") -> str:
    """Return in words what is played."""
    if session is None:
        return "a gallery of what is installed,"
    model = session.model
    weights = sum(weight.numel() for weight in model.automaton.parameters())
    kind = "first weights, untrained" if weights else "without weights"
    kind = f"iteration {model.iteration:,}" if model.trained else kind
    return f"{model.name} ({kind})"


def _text(path: Path) -> str:
    from nca.play.history_file import MOST_BYTES

    to_do = "give a file that the page of nca play has saved"
    return read_text_bounded(path, MOST_BYTES, "the history", to_do)
