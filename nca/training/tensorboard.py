"""TensorBoard, where it is installed: the same records as `metrics.jsonl`, as curves.

The log on disk is the truth; a writer that fails is dropped with a note, and training goes on.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nca.progress import Progress


class TensorBoardLog(Progress):
    """Curves of a run in the folder `tensorboard` beside its log.

    Args:
        folder: The run's folder.
        progress: Where a failure is noted.
        iteration: Where the run stands; what was written after it is dropped by TensorBoard, for
            it will come again.
    """

    def __init__(self, folder: Path, progress: Progress, iteration: int = 0) -> None:
        self._progress = progress
        self._writer: Any = None
        with self._dropped_on_failure():
            self._writer = _writer(folder / "tensorboard", iteration)

    def record(self, row: Mapping[str, Any]) -> None:
        """Take a record of `metrics.jsonl`; what has no iteration is no point of a curve."""
        if self._writer is None or "iteration" not in row:
            return
        with self._dropped_on_failure():
            for name, value in row.items():
                if isinstance(value, float):
                    name = f"{row['kind']}/{name}".replace(" ", "_")
                    self._writer.add_scalar(name, value, row["iteration"])

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
            self._progress.note(
                f"TensorBoard gets no more records: {type(fault).__name__}: {fault}"
            )


def _writer(folder: Path, iteration: int) -> Any:
    """Return a writer of TensorBoard's files; None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=iteration + 1)
