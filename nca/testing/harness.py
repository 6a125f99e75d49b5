"""The harness in which a rule is put before the laws: a small grid that suits it, weights drawn.

A rule stands on the middle one of three levels, so that whatever it reads is there: `under` is an
input, `over` stands still. Channels, axes and states are those that its `needs` ask for. Its
automaton computes in float64, and has what the law asks for. Levels share one resolution unless the
law asks for a pyramid.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.context import RuleContext
from nca.engine.layout import Layout, Level
from nca.engine.needs import Needs, draw_level
from nca.engine.resample import AS_IS, Resampling
from nca.engine.rng import CellRNG
from nca.engine.rule import SIZES, UpdateRule, lazy_weights
from nca.engine.state import State
from nca.engine.topology import TORUS
from nca.errors import NCAError, PluginError
from nca.registry.registry import registry
from nca.testing.compare import OWN, NothingTestedError
from nca.types import Size
from nca.validation.arguments import takes_context

PlaceRule = Callable[[RuleContext], UpdateRule]
"""What makes a rule for its surroundings: a class that takes a `RuleContext`, or a function."""

Scales: TypeAlias = tuple[int, int, int]
"""Of the three levels, from the bottom up."""

FLAT: Scales = (1, 1, 1)

_AXES = (2, 1, 3)


class _Placing:
    """Places a rule that has options, or does not ask where it stands."""

    def __init__(self, kind: Callable[..., UpdateRule], options: Mapping[str, Any]) -> None:
        self.kind, self.options, self.asks = kind, options, takes_context(kind)
        self.needs, self.reads = getattr(kind, "needs", Needs()), getattr(kind, "reads", ())

    def __call__(self, context: RuleContext, **options: Any) -> UpdateRule:
        where = [context] if self.asks else []
        return self.kind(*where, **{**self.options, **options})


def placed(
    rule: str | Callable[..., UpdateRule], options: Mapping[str, Any] | None = None
) -> PlaceRule:
    """Return what places a rule.

    Args:
        rule: The name of a registered one, its class, or a function of a `RuleContext`.
        options: Keyword arguments of it; the others have their defaults.
    """
    kind = registry.get("rule", rule) if isinstance(rule, str) else rule
    return kind if takes_context(kind) and not options else _Placing(kind, options or {})


def channels(needs: Needs) -> Iterator[dict[str, int]]:
    """Yield channels of the three levels, as a rule of the middle one needs them."""
    own = needs.channels or max(4, needs.least_channels)
    yield {"under": max(2, needs.below), OWN: own, "over": max(3, needs.above)}
    # equal ones last: a rule that mistakes one level for another must be found out
    yield {"under": max(own, needs.below), OWN: own, "over": max(own, needs.above)}


class Harness:
    """A rule in surroundings that suit it.

    Args:
        place_rule: Makes the rule.
        scales: Of the levels.
        resampling: How the rule's level reads the others.

    Raises:
        NCAError: No surroundings suit the rule; the first refusal is raised.
    """

    def __init__(
        self,
        place_rule: PlaceRule,
        scales: Scales = FLAT,
        resampling: Resampling = AS_IS,
    ) -> None:
        self.place_rule = place_rule
        coarsen, refine = resampling.coarsen, resampling.refine
        refusals: list[NCAError] = []
        rule: Any = getattr(place_rule, "func", place_rule)  # what a partial is made of
        named = set(getattr(rule, "reads", ())) - {"own", "below", "above"}
        self.needs: Needs = getattr(rule, "needs", Needs())
        wanted, suiting = channels(self.needs), [n for n in _AXES if n in self.needs.axes]
        for self.axes, levels in itertools.product(suiting, wanted):
            self.layout = Layout(
                [Level(name, 2, input=True) for name in sorted(named - set(levels))]
                + [
                    Level(name, n, name == "under", scale, coarsen, refine)
                    for (name, n), scale in zip(levels.items(), scales, strict=True)
                ]
            )
            try:
                rule = self.rule()
            except NCAError as refusal:
                refusals.append(refusal)
                continue
            self.radius = getattr(rule, "radius", 1)
            self.reads = self._names(rule.reads)
            self.has_weights = bool(list(rule.parameters()))
            self.binary = self.needs.states == "binary"
            # many worlds of few cells that are on or off stand still by themselves
            self.batch = 16 if self.binary else 3
            return
        raise refusals[0]

    def rule(self) -> UpdateRule:
        """Return the rule as it is made, without touching torch's global generator."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            rule = self.place_rule(RuleContext(self.layout, OWN, self.axes, TORUS))
        if lazy := lazy_weights(rule):
            raise PluginError(
                f"the rule has layers without sizes (torch.nn.Lazy...): {', '.join(lazy)}.",
                where=f"{type(rule).__module__}.{type(rule).__qualname__}",
                to_do=SIZES,
            )
        return rule

    def automaton(self, random_seed: int, **settings: Any) -> Automaton:
        """Return the rule's automaton in float64, awake, as in evaluation."""
        automaton = Automaton(self.layout, {OWN: [self.rule()]}, **settings).double().eval()
        return awake(automaton, random_seed)

    def state(self, random_seed: int, size: Sequence[int], batch: int | None = None) -> State:
        """Return a random state in float64.

        Args:
            random_seed: Of what is drawn.
            size: Cells of the coarsest level along each axis; of a longer one the first are taken.
            batch: Samples, if not the harness's own number.
        """
        sides = tuple(self.layout.coarsest * side for side in self.size(size))
        state = self.layout.zeros(
            batch or self.batch, sides, random_seed=random_seed, dtype=torch.float64
        )
        return state.replace({name: self.drawn(state, name, "state") for name in state})

    def drawn(self, state: State, name: str, stream: str) -> Tensor:
        """Return a random level, such as the rule needs, in the shape that it has in the state."""
        return draw_level(state, name, self.needs, f"test/{stream}")

    @property
    def roomy(self) -> Size:
        """A grid on which chance will surely move something, about 120 cells."""
        sides = {1: (120,), 2: (12, 10), 3: (5, 4, 6)}[self.axes]
        return tuple(-(-side // self.layout.coarsest) for side in sides)

    def size(self, size: Sequence[int]) -> Size:
        """Return as much of a size, offset or cell as the grid has axes."""
        return tuple(size[: self.axes])

    def change(self, automaton: Automaton, state: State) -> Tensor:
        """Return what the rule proposes in one step."""
        proposed = []
        rule = automaton.rules_of(OWN)[0]
        hook = rule.register_forward_hook(lambda _, seen, change: proposed.append(change))
        try:
            automaton.step(state, fire_rate=1.0)
        finally:
            hook.remove()
        return proposed[0]

    def demand_awake(self, automaton: Automaton, state: State) -> None:
        """Demand that the rule proposes something, where noise moves the state in any case."""
        if not self.change(automaton, state.clone()).any():
            raise NothingTestedError("the rule stands still, so that nothing was tested")

    def _names(self, reads: Sequence[str]) -> set[str]:
        place = RuleContext(self.layout, OWN, self.axes, TORUS)
        return {place.name_of(read) for read in reads}


def awake(automaton: Automaton, random_seed: int) -> Automaton:
    """Draw all weights, for a rule whose last layer starts at zero would pass by standing still."""
    source = CellRNG(random_seed, 0, torch.arange(1))
    with torch.no_grad():
        for name, weight in automaton.named_parameters():
            fan_in = max(weight[0].numel(), 1) if weight.ndim > 1 else 4
            numbers = source.normal(f"test/weights/{name}", 1, (max(weight.numel(), 1),))
            # a bias of zero puts empty cells on the kink of relu, where rounding picks the slope
            numbers = numbers.where(numbers != 0, 0.5)
            weight.copy_(numbers.view(weight.shape) / fan_in**0.5)
    return automaton
