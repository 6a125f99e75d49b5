"""TensorBoard, where it is installed: the same records as `metrics.jsonl`, as curves.

The log on disk is the truth; a board that fails is dropped, with a word, and training goes on.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any


class Board:
    """Curves of a run in the folder `tensorboard` beside its log.

    Args:
        folder: The run's folder.
        notice: Told if the board fails.
    """

    def __init__(self, folder: Path, notice: Callable[[str], None]) -> None:
        self._notice = notice
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:  # not installed: nothing is lost
            self._writer = None
        else:
            self._writer = SummaryWriter(str(folder / "tensorboard"))

    def record(self, record: dict[str, Any]) -> None:
        """Take a record of `metrics.jsonl`."""
        if self._writer is None:
            return
        try:
            for name, value in record.items():
                if isinstance(value, float):
                    name = f"{record['kind']}/{name}".replace(" ", "_")
                    self._writer.add_scalar(name, value, record["iteration"])
        except Exception as fault:  # whatever a foreign library may raise
            self._writer = None
            self._notice(f"TensorBoard gets no more records: {type(fault).__name__}: {fault}")

    def close(self) -> None:
        """Write what is still in memory."""
        if self._writer is not None:
            self._writer.close()
