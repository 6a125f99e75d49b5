"""What the calls of this folder are given: plugins to know, and folders as people write them."""

from collections.abc import Iterable
from pathlib import Path

from nca.files import user_path
from nca.registry.discovery import discover, load_file


def know(plugins: Iterable[Path]) -> None:
    """Make the names known that installed packages and plugin files register."""
    discover()
    for file in plugins:
        load_file(file)


def data_folder(data: str | Path | None) -> Path | None:
    """Return the folder of data sets, if one was named."""
    return None if data is None else user_path(Path(data))
