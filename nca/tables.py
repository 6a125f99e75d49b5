"""The tables of a recipe, in the order of a run: names, types, ranges and defaults.

The options of rules and tasks are not here: they are the arguments of the plugins themselves.
"""

from typing import Annotated, Any, Literal

from annotated_types import Len
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from nca.automaton import Alive, Noise, Skip
from nca.pool import Renewal
from nca.types import Boundary, Count, Fraction, Name, Natural, NonNegative, Positive

FORMAT = 1


def _range(value: Any) -> Any:
    if isinstance(value, int):
        return (value, value)
    numbers = isinstance(value, list) and len(value) == 2 and all(type(v) is int for v in value)
    if numbers and value[0] > value[1]:
        raise PydanticCustomError(
            "recipe", f"give the smaller number first: [{value[1]}, {value[0]}]"
        )
    if not numbers:
        raise PydanticCustomError("recipe", "give a whole number, or two of them: [64, 96]")
    return tuple(value)


def _scale(value: Any) -> Any:
    return {"scale": value} if isinstance(value, int | float) else value


def _each(value: Any) -> Any:
    return (
        (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
    )


class Table(BaseModel):
    """What all tables share: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Grid(Table):
    """The grid: its size in cells along each axis, and what lies beyond its edge."""

    size: Annotated[tuple[Count, ...], Len(1, 3)]
    topology: Annotated[tuple[Boundary, ...], BeforeValidator(_each), Len(1, 3)] = ("torus",)


class RuleTable(BaseModel):
    """An update rule by name; its other keys are the rule's own."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: Name


class LevelTable(Table):
    """One level, with its rules."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    channels: Count
    input: bool = False
    rules: tuple[RuleTable, ...] = ()


class Rollout(Table):
    """How time passes."""

    steps: Annotated[tuple[Count, Count], BeforeValidator(_range)]
    fire_rate: Fraction = 1.0
    noise: Annotated[Noise | None, BeforeValidator(_scale)] = None
    alive: Alive | None = None
    skips: tuple[Skip, ...] = ()
    step_size: Positive = 1.0
    checkpoint_every: Count | None = None


class TaskTable(BaseModel):
    """A task by name; its other keys are the task's own."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: Name


class Train(Table):
    """How weights are learnt."""

    batch: Count
    iterations: Count
    learning_rate: Positive
    optimiser: Literal["adam", "adamw"] = "adam"
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    weight_decay: NonNegative = 0.0
    schedule: Literal["constant", "linear", "cosine", "drops"] = "constant"
    warmup: Natural = 0
    final: Fraction = 0.0
    drops: tuple[Count, ...] = ()
    drop_factor: Fraction = 0.1
    gradient: Literal["plain", "normalised", "clipped"] = "plain"
    clip: Positive = 1.0
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    last_states: Count = 1
    validate_every: Natural = 0
    validate_samples: Count = 1000
    save_every: Count = 500


class Evaluate(Table):
    """How the outcome is judged: at which steps, on how many samples, after which disturbance."""

    steps: tuple[Count, ...] = ()
    batch: Count = 500
    samples: Natural = 0
    disturb: Literal["nothing", "damage", "swap"] = "nothing"


class Tables(Table):
    """A whole recipe."""

    format: Literal[1]
    random_seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    plugins: tuple[Name, ...] = ()
    grid: Grid
    levels: Annotated[tuple[LevelTable, ...], Len(1)]
    rollout: Rollout
    task: TaskTable | None = None
    pool: Renewal | None = None
    train: Train | None = None
    evaluate: Evaluate = Evaluate()
