"""Say what was wrong, where, and what to do: the only sentences that users get to see."""


class NCAError(Exception):
    """A fault that its reader can correct.

    Args:
        what: What is wrong, as one sentence without a line break.
        where: The file, line, key, call or tensor in which it was found.
        to_do: What the reader can do about it.
    """

    def __init__(self, what: str, *, where: str, to_do: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.to_do = to_do

    def __str__(self) -> str:
        """Return the three lines that are shown to the user."""
        return f"{self.what}\n  where:  {self.where}\n  to do:  {self.to_do}"


class NCAWarning(UserWarning):
    """Something was left out, capped or converted on the way, and the work went on."""


class ShapeError(NCAError):
    """A tensor, level or grid does not fit its neighbours."""


class RegistryError(NCAError):
    """A name is unknown, taken, or leads to something that does not load."""


class PluginError(NCAError):
    """A plugin cannot be imported or breaks its contract."""


class CheckpointError(NCAError):
    """A checkpoint is damaged, foreign, or does not fit its recipe."""


class DataError(NCAError):
    """A data set is missing, incomplete, or not what it claims to be."""


class PictureError(NCAError):
    """A picture cannot be found, read or used."""


class LongPictureError(PictureError):
    """A picture has more pixels along a side than are read."""


class TargetError(PictureError):
    """A target picture cannot be found, read or used."""


class DeviceError(NCAError):
    """The device that was asked for is not there."""


class ProcessError(NCAError):
    """The processes that share a run do not fit it, or one of them is lost."""


class StorageError(NCAError):
    """A file cannot be written, or not be read again."""


class DivergedError(NCAError):
    """Training has left the finite numbers, or everything has died."""


class ExportError(NCAError):
    """An automaton cannot be taken out of torch, or computes something else there."""
