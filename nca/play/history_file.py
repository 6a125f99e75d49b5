"""A history as a small file of JSON, which need not be trusted: every number is bounded."""

from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le, Len
from pydantic import BaseModel, ConfigDict, ValidationError

from nca.errors import NCAError
from nca.play.bounds import MOST_EVENTS
from nca.play.events import MOST_STEPS, Step
from nca.play.json_keys import RepeatedKeyError, check_keys
from nca.play.model import PlayedModel, PlayStart
from nca.types import Natural, Size

FORMAT = 1
MOST_BRANCHES = 32
MOST_BYTES = 16_000_000

BranchName = Annotated[str, Len(1, 40)]
RandomSeed = Annotated[int, Ge(0), Le(2**63 - 1)]
Checksum = Annotated[int, Ge(0), Le(2**32 - 1)]


class Strict(BaseModel):
    """No unknown keys, no silent conversions."""

    model_config: ClassVar = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class SavedBranch(Strict):
    """A branch as it is saved; its events are checked one by one."""

    name: BranchName
    random_seed: RandomSeed
    start: PlayStart
    parent: Natural | None
    fork: Step
    length: Step
    events: Annotated[list[dict[str, Any]], Len(0, MOST_EVENTS)]


class Saved(Strict):
    """A history as it is saved."""

    format: Literal[1]
    name: str
    weights: Checksum
    size: Annotated[tuple[Annotated[Natural, Le(1 << 22)], ...], Len(1, 3)]
    branches: Annotated[list[SavedBranch], Len(1, MOST_BRANCHES)]


def read_history(text: str) -> Saved:
    """Return what a file says, whose events are not checked yet.

    Raises:
        NCAError: It is no history, or too large.
    """
    if len(text) > MOST_BYTES:
        raise damaged(f"it has more than {MOST_BYTES:,} bytes")
    try:
        saved = Saved.model_validate_json(text)
        check_keys(text)
        return saved
    except RepeatedKeyError as error:
        raise damaged(str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise damaged(f"{place}: {first['msg']}") from None


def check_size(size: Size, model: PlayedModel) -> None:
    """Refuse a history of another grid.

    Raises:
        NCAError: It is one.
    """
    if size != model.size:
        raise NCAError(
            f"the history was made on a grid of {'x'.join(map(str, size))} cells.",
            where=f"this grid has {'x'.join(map(str, model.size))}",
            to_do=f"play with --size {'x'.join(map(str, size))}",
        )


def damaged(how: str) -> NCAError:
    """Return the error of a file that cannot be replayed."""
    return NCAError(
        "this is no history that can be replayed.",
        where=how,
        to_do=f"give a file saved by the page (format {FORMAT}, {MOST_STEPS:,} steps at most)",
    )
