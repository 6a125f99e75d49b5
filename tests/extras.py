"""Marks of tests that need an extra: without it they are skipped, with its name as the reason."""

from importlib.util import find_spec
from shutil import which

import pytest


def _needs(extra: str, there: bool) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not there, reason=f"it needs the extra {extra}")


needs_play = _needs("play", find_spec("uvicorn") is not None)
needs_onnx = _needs("onnx", find_spec("onnxscript") is not None)
needs_video = _needs("video", bool(find_spec("imageio_ffmpeg") or which("ffmpeg")))
