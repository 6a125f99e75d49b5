"""`nca new`: write files to begin with, which work as they are."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from nca.cli.console import print_result, say
from nca.errors import StorageError
from nca.files import check_place, make_folder, user_path, write_whole

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Begin a rule of your own.\n\nExample: nca new rule ripples",
)

RuleName = Annotated[
    str, typer.Argument(metavar="NAME", help="What the rule is to be called, such as ripples.")
]
Folder = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to; here without it.")]


@app.command("rule")
def new_rule(name: RuleName, out: Folder = Path()) -> None:
    """Write a rule with its recipe and its test, all in NAME.py.

    Example: nca new rule ripples
    """
    from nca.registry.starter import rule_file

    _write({f"{name}.py": rule_file(name)}, out)
    say(f"next: nca check {out / name}.py")


@app.command("package")
def new_package(name: RuleName, out: Folder = Path()) -> None:
    """Write a package with a rule, its recipe and its test, to install and to share.

    Example: nca new package ripples
    """
    from nca.registry.starter import package_files

    _write(package_files(name), out)
    say(f"pip install --editable {out / name} makes its rule and recipe known by name")
    say(f"next: nca check {out / name / name / 'rule.py'}")


def _write(files: dict[str, str], out: Path) -> None:
    """Write files, all or none, over nothing that exists.

    Raises:
        StorageError: One of them is there, or cannot be written.
    """
    paths = {user_path(out) / path: text for path, text in files.items()}
    to_do = "choose another name, or another folder: --out FOLDER"
    tops = {user_path(out) / Path(path).parts[0] for path in files}
    for place in sorted(tops):
        if os.path.lexists(place):
            raise StorageError(
                f"{place.name} is there already, and stays as it is.",
                where=str(place),
                to_do=to_do,
            )
        check_place(place, place.name, to_do)
    missing = _missing_folders(paths)
    written: list[Path] = []
    try:
        for path, text in paths.items():
            make_folder(path.parent, str(path.parent), to_do)
            written.append(path)
            write_whole(path, text.encode(), to_do=to_do)
    except BaseException:  # Ctrl-C, too
        for path in written:
            with suppress(OSError):
                path.unlink()
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise
    for path in paths:
        print_result(str(path))


def _missing_folders(paths: dict[Path, str]) -> list[Path]:
    """Return the folders that have to be made, inner ones first."""
    around = {folder for path in paths for folder in path.parents if not folder.exists()}
    return sorted(around, key=lambda folder: -len(folder.parts))
