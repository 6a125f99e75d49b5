"""What a rule would gain by saying more of itself, as far as the laws can tell."""

from collections.abc import Callable, Iterable, Iterator

from nca.engine.context import RuleContext
from nca.engine.program import NotDeclared
from nca.engine.rule import UpdateRule
from nca.testing.checks.locality import LOCALITY
from nca.testing.checks.sparse import SPARSE
from nca.testing.harness import Harness, PlaceRule
from nca.testing.verdict import Verdict, judge

FURTHEST = 4
"""Up to which radius it is tried how far a rule sees."""
EXAMPLES = 8
"""How many examples of a law have to hold for what is only a proposal."""


class _Declaring:
    """Places a rule that declares something else than it does."""

    def __init__(self, place_rule: PlaceRule, **declared: object) -> None:
        self.place_rule, self.declared = place_rule, declared
        self.needs, self.reads = Harness(place_rule).needs, getattr(place_rule, "reads", ())

    def __call__(self, context: RuleContext) -> UpdateRule:
        rule = self.place_rule(context)
        for name, value in self.declared.items():
            setattr(rule, name, value)
        return rule


def gains(place_rule: PlaceRule, verdicts: Iterable[Verdict], seconds: float) -> Iterator[str]:
    """Yield what the rule would gain by which declaration, a sentence each.

    Args:
        place_rule: Makes the rule.
        verdicts: How the laws fared with it; without locality and sparse steps nothing is said.
        seconds: How long that may take, an example of each law aside.
    """
    of = {verdict.law.name: verdict for verdict in verdicts}
    if not {LOCALITY.name, SPARSE.name} <= of.keys():
        return
    rule = Harness(place_rule).rule()

    def holds(law: Verdict, **declared: object) -> bool:
        declaring = _Declaring(place_rule, **declared)
        return judge(law.law, declaring, most=EXAMPLES, seconds=seconds / 4).outcome == "held"

    yield from _radius(rule.radius, of[LOCALITY.name], holds)
    yield from _cellwise(rule.cellwise, of[SPARSE.name], holds)
    if isinstance(rule.program(), NotDeclared):
        yield (
            "program(): a rule that declares what it computes, in place of forward(), also runs "
            "in tiles on a CPU, fused on a GPU and on a page in a browser, if it is perception, "
            "small layers, decay or attention (nca help rules); this cannot be found out here"
        )


def _radius(declared: int, locality: Verdict, holds: Callable[..., bool]) -> Iterator[str]:
    if locality.outcome == "held":
        smaller = next((r for r in range(declared) if holds(locality, radius=r)), None)
        if smaller is not None:
            yield (
                f"radius = {smaller}: no cell was seen to look further, but {declared} is "
                "declared; tiles and processes would exchange less"
            )
    elif locality.outcome == "broken":
        larger = range(declared + 1, FURTHEST + 1)
        enough = next((r for r in larger if holds(locality, radius=r)), None)
        if enough is not None:
            yield f"radius = {enough}: so far the rule sees, and with it the law of locality holds"


def _cellwise(declared: bool, sparse: Verdict, holds: Callable[..., bool]) -> Iterator[str]:
    if not declared and sparse.outcome == "does not apply" and holds(sparse, cellwise=True):
        yield (
            "cellwise = True: the rule keeps the law of sparse steps if it promises this; under an "
            "alive mask only cells that can change are then computed"
        )
