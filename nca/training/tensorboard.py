"""TensorBoard, where it is installed: the same records as `metrics.jsonl`, as curves.

The log on disk is the truth; a board that fails is dropped with a notice, and training goes on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class TensorBoardLog:
    """Curves of a run in the folder `tensorboard` beside its log.

    Args:
        folder: The run's folder.
        notice: Called with a sentence if the board fails.
    """

    def __init__(self, folder: Path, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._writer: Any = None
        with self._dropped_on_failure():
            self._writer = _writer(folder / "tensorboard")

    def record(self, record: dict[str, Any]) -> None:
        """Take a record of `metrics.jsonl`."""
        if self._writer is None:
            return
        with self._dropped_on_failure():
            for name, value in record.items():
                if isinstance(value, float):
                    name = f"{record['kind']}/{name}".replace(" ", "_")
                    self._writer.add_scalar(name, value, record["iteration"])

    def close(self) -> None:
        """Write what is still in memory."""
        if self._writer is None:
            return
        with self._dropped_on_failure():
            self._writer.close()

    @contextmanager
    def _dropped_on_failure(self) -> Iterator[None]:
        try:
            yield
        except Exception as fault:  # whatever a foreign library may raise
            self._writer = None
            self._notice(f"TensorBoard gets no more records: {type(fault).__name__}: {fault}")


def _writer(folder: Path) -> Any:
    """Return a writer of TensorBoard's files; None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
