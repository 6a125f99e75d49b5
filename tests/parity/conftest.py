"""Published weights on their way through the importer and a checkpoint, as users get them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from nca.checkpoint.trained import Trained
from nca.cli.imports import import_command
from nca.registry.discovery import discover

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures"

discover()


@pytest.fixture(scope="session")
def published() -> Callable[[str], Path]:
    """Find a file of published weights, or skip where it is absent."""

    def find(name: str) -> Path:
        path = FIXTURES / name
        if not path.is_file():
            pytest.skip(f"the fixture {name} is not beside this checkout")
        return path

    return find


@pytest.fixture(scope="session")
def checks(published: Callable[[str], Path]) -> Callable[[str], dict[str, Tensor]]:
    """Read the states that were published, or computed elsewhere, beside the weights."""
    return lambda name: load_file(published(name))


@pytest.fixture(scope="session")
def brought_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Trained]:
    """Import weights as `nca import` does, and load the checkpoint that it wrote."""

    def bring(importer: str, source: Path, *overrides: str) -> Trained:
        out = tmp_path_factory.mktemp("imported") / f"{importer}.safetensors"
        import_command(importer, source, out)
        return Trained.load(str(out), torch.device("cpu"), overrides)

    return bring
