"""What the machine has that tests need: optional packages, a card."""

import importlib.util
from collections.abc import Iterable

import pytest
import torch

from nca.backends.triton import interpreted

OPTIONAL = frozenset(
    {
        *("hypothesis", "playwright", "httpx", "starlette", "uvicorn", "websockets"),
        *("onnx", "onnxruntime", "onnxscript", "imageio_ffmpeg"),
    }
)


def installed(name: str) -> bool:
    """Tell whether a package is there."""
    return importlib.util.find_spec(name) is not None


class SkippableModule(pytest.Module):
    """The tests of a file; skipped where it imports an optional package that is not there."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Collect the tests."""
        try:
            return super().collect()
        except self.CollectError as fault:
            cause = fault.__cause__
            name = (cause.name or "") if isinstance(cause, ModuleNotFoundError) else ""
            package = name.partition(".")[0]
            if package in OPTIONAL and not installed(package):
                pytest.skip(f"needs {package}, which is not installed", allow_module_level=True)
            raise


def require_gpu() -> None:
    """Skip a test where there is no card; fail where its programs would not run there."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device, and there is none")
    if installed("triton") and interpreted():
        pytest.fail(
            "Triton's programs would run on the host, and say nothing of the card: "
            "set TRITON_INTERPRET=0"
        )
