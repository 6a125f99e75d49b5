"""A film of a rollout, which a notebook shows moving."""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from nca.files import user_path, write_whole
from nca.render.animation import encode

RATE = 12.0
"""Frames per second of a film."""


@dataclass(frozen=True)
class Film:
    """Frames of a rollout; a notebook shows them moving.

    Attributes:
        frames: One picture for each state, all of one size.
        rate: Frames per second.
    """

    frames: tuple[Image, ...]
    rate: float = RATE

    def save(self, file: str | Path) -> Path:
        """Write the film, and return where it is.

        Args:
            file: The ending says the format: .gif, .apng, .webp, .mp4. What was there is replaced.

        Raises:
            NCAError: The ending is unknown, or there is no ffmpeg for an MP4.
            StorageError: The file cannot be written.
        """
        path = user_path(Path(file))
        write_whole(path, encode(self.frames, path.name, self.rate))
        return path

    def __repr__(self) -> str:
        """Return how many frames there are."""
        return f"Film({len(self.frames)} frames)"

    def _repr_html_(self) -> str:
        content = b64encode(encode(self.frames, "film.gif", self.rate)).decode()
        return f'<img alt="{len(self.frames)} states" src="data:image/gif;base64,{content}">'
