"""The tables of a recipe, in the order of a run: names, types, ranges and defaults.

The options of rules and tasks are not here: they are the arguments of the plugins themselves.
"""

from dataclasses import fields
from typing import Annotated, Any, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Len, Lt, MultipleOf
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from nca.engine.activation_memory import ActivationMemory
from nca.engine.conditions import Alive, Noise, Skip
from nca.engine.layout import Level
from nca.engine.resample import Coarsen, Refine
from nca.engine.rollouts import TOLERANCE
from nca.tasks.pool import PoolOptions
from nca.types import (
    Boundary,
    Channels,
    CheckpointSource,
    Count,
    Fraction,
    Iterations,
    LevelName,
    Name,
    Natural,
    NonNegative,
    Positive,
    ProperFraction,
    RandomSeed,
    Samples,
    Scale,
    Side,
    Steps,
)
from nca.validation.faults import MANY

FORMAT = 1


def _version(value: Any) -> Any:
    if type(value) is not int:
        raise PydanticCustomError("recipe", "write format = {known}", {"known": FORMAT})
    if value > FORMAT:
        raise PydanticCustomError(
            "recipe", "this version reads format {known}: install a newer nca", {"known": FORMAT}
        )
    return value


def _range(value: Any) -> Any:
    if type(value) is int and value > 0:
        return (value, value)
    if not (isinstance(value, list) and len(value) == 2 and all(type(v) is int for v in value)):
        raise PydanticCustomError("recipe", "give a whole number from 1, or two: [64, 96]")
    if value[0] > value[1]:
        raise PydanticCustomError(
            "recipe",
            "give the smaller number first: [{low}, {high}]",
            {"low": value[1], "high": value[0]},
        )
    return tuple(value)


def _scale(value: Any) -> Any:
    if type(value) in (int, float):
        return {"scale": value}
    if not isinstance(value, dict):
        raise PydanticCustomError("recipe", "give a number, or a table: { scale = 0.02 }")
    return value


def _mode(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise PydanticCustomError("recipe", 'give a mode, or a table: { mode = "segments" }')
    return {"mode": value} if isinstance(value, str) else value


def _pairs(value: Any) -> Any:
    if type(value) is not int or value < 2 or value % 2:
        raise PydanticCustomError("recipe", "give an even number from 2: trials come in pairs")
    return value


def _rising(value: tuple[float, float]) -> tuple[float, float]:
    low, high = value
    if low >= high:
        raise PydanticCustomError(
            "recipe",
            "give the smaller bound first: [{low}, {high}]"
            if low > high
            else "give two bounds that differ",
            {"low": high, "high": low},
        )
    return value


def _each(value: Any) -> Any:
    return (
        (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
    )


class RecipeTable(BaseModel):
    """What all tables share: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Grid(RecipeTable):
    """The grid: its size in cells along each axis, what lies beyond its edge, who knows where."""

    size: Annotated[tuple[Side, ...], Len(1, 3)]
    topology: Annotated[tuple[Boundary, ...], BeforeValidator(_each), Len(1, 3)] = ("torus",)
    coordinates: bool = False


class RuleTable(BaseModel):
    """An update rule by name; its other keys are the rule's own."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: Name


class LevelTable(RecipeTable):
    """One level, with its rules; what `scale`, `coarsen` and `refine` mean, `nca.Level` says."""

    name: LevelName
    channels: Channels
    input: bool = False
    scale: Scale = 1
    coarsen: Coarsen = "mean"
    refine: Refine = "nearest"
    rules: Annotated[tuple[RuleTable, ...], Len(0, MANY)] = ()

    @property
    def level(self) -> Level:
        """The level without its rules."""
        given = {option.name: getattr(self, option.name) for option in fields(Level)}
        return Level(**given)


class Rollout(RecipeTable):
    """How time passes."""

    steps: Annotated[tuple[Steps, Steps], BeforeValidator(_range)]
    fire_rate: Fraction = 1.0
    noise: Annotated[Noise | None, BeforeValidator(_scale)] = None
    alive: Alive | None = None
    skips: Annotated[tuple[Skip, ...], Len(0, MANY)] = ()
    step_size: Positive = 1.0


class TaskTable(BaseModel):
    """A task by name; its other keys are the task's own."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: Name


class Train(RecipeTable):
    """How weights are learnt."""

    batch: Samples
    iterations: Iterations
    learning_rate: Positive
    pretrained: CheckpointSource | None = None
    optimiser: Literal["adam", "adamw"] = "adam"
    betas: tuple[ProperFraction, ProperFraction] = (0.9, 0.999)
    weight_decay: NonNegative = 0.0
    schedule: Literal["constant", "linear", "cosine", "drops"] = "constant"
    warmup: Natural = 0
    final: Fraction = 0.0
    drops: Annotated[tuple[Iterations, ...], Len(0, MANY)] = ()
    drop_factor: Fraction = 0.1
    gradient: Literal["plain", "normalised", "clipped"] = "plain"
    clip: Positive = 1.0
    average: ProperFraction = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    last_states: Steps = 1
    memory: Annotated[ActivationMemory, BeforeValidator(_mode)] = ActivationMemory()
    parts: Samples = 1
    compile: Literal["auto", "never", "always"] = "never"
    validate_every: Natural = 0
    validate_samples: Count = 1000
    save_every: Iterations = 500


class EvolveByStrategies(RecipeTable):
    """How weights evolve where no gradient is followed: by evolution strategies.

    `population` trials of the weights with noise of standard deviation `sigma` tell which way to
    go, and the optimiser of `[train]` goes there. What a trial is judged by is the task's `loss`,
    or its `headline`, neither of which needs a derivative.
    """

    kind: Literal["strategies"]
    population: Annotated[int, BeforeValidator(_pairs), Ge(2), Le(10**5), MultipleOf(2)]
    sigma: Positive
    fitness: Literal["loss", "headline"] = "loss"


Bounds: TypeAlias = Annotated[tuple[Positive, Positive], AfterValidator(_rising)]
"""The least and the greatest value of a hyperparameter, both above 0."""

ChanceBounds: TypeAlias = Annotated[
    tuple[Annotated[float, Gt(0), Le(1)], Annotated[float, Gt(0), Le(1)]], AfterValidator(_rising)
]
"""The same of a chance."""

DropoutBounds: TypeAlias = Annotated[
    tuple[Annotated[float, Gt(0), Lt(1)], Annotated[float, Gt(0), Lt(1)]], AfterValidator(_rising)
]
"""The same of a chance that is never 1."""


class Vary(RecipeTable):
    """Which hyperparameters a copy may have otherwise, and within which bounds.

    `steps` are the most steps of a rollout; the fewest keep their share of them. `dropout` is that
    of every rule which has one in the recipe.
    """

    learning_rate: Bounds | None = None
    steps: Annotated[tuple[Steps, Steps], AfterValidator(_rising)] | None = None
    fire_rate: ChanceBounds | None = None
    noise: Bounds | None = None
    dropout: DropoutBounds | None = None

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Return the bounds of all that vary, by name."""
        return {name: pair for name, pair in self if pair is not None}


class EvolveByExchange(RecipeTable):
    """How a population is trained by gradients, and the better take the place of the worse.

    `population` members learn each for itself. `every` so many iterations the `replace` worst on
    held-out data give way to copies of the best, whose weights get noise of `sigma` times their
    root mean square, and whose hyperparameters in `vary` are multiplied or divided by `factor`
    (population-based training, Jaderberg et al. 2017).
    """

    kind: Literal["exchange"]
    population: Annotated[int, Ge(2), Le(40)]
    every: Iterations
    replace: Natural = 1
    sigma: NonNegative = 0.05
    factor: Annotated[float, Gt(1), Le(100)] = 1.2
    vary: Vary = Vary()


Evolve: TypeAlias = Annotated[EvolveByStrategies | EvolveByExchange, Field(discriminator="kind")]
"""How weights evolve, without gradients or beside them."""


class Evaluate(RecipeTable):
    """How the outcome is judged: at which steps, on how many samples, after which disturbance.

    `steps = "settle"` judges each sample where it comes to rest: where a step changes each of its
    levels by less than `tolerance` of itself, or else after `at_most` steps. A sample that leaves
    the finite numbers counts as diverged, and goes no further.
    """

    steps: Annotated[tuple[Steps, ...], Len(0, MANY)] | Literal["settle"] = ()
    tolerance: Positive = TOLERANCE
    at_most: Steps = 200
    batch: Samples = 500
    samples: Natural = 0
    disturb: Literal["nothing", "damage", "swap"] = "nothing"


class Tables(RecipeTable):
    """A whole recipe."""

    format: Annotated[Literal[1], BeforeValidator(_version)]
    random_seed: RandomSeed = 0
    plugins: Annotated[tuple[Name, ...], Len(0, MANY)] = ()
    grid: Grid
    levels: Annotated[tuple[LevelTable, ...], Len(1, MANY)]
    rollout: Rollout
    task: TaskTable | None = None
    pool: PoolOptions | None = None
    train: Train | None = None
    evolve: Evolve | None = None
    evaluate: Evaluate = Evaluate()
