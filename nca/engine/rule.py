"""The contract of update rules: what a rule declares.

A rule belongs to one level and proposes a change for it, from what its view shows. The automaton
sums what the rules of a level propose; only the automaton writes.
"""

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from nca.engine.context import RuleContext
from nca.engine.needs import Needs
from nca.engine.program import NotDeclared, Program
from nca.engine.run_program import run_program
from nca.engine.view import View
from nca.errors import PluginError
from nca.registry.registry import registry
from nca.types import Radius
from nca.validation.checked import checked_value
from nca.validation.faults import OptionError, refuse

DECLARED: dict[str, Any] = {
    "reads": tuple[str, ...],
    "cellwise": bool,
    "adjustable": Mapping[str, tuple[str, float, float]],
    "radius": Radius,
}
"""What an instance of a rule declares, of which kind; its `needs` are checked with its class."""


SIZES = "give its layers their sizes: a rule's first argument, a RuleContext, has channels"
"""What to do about layers without sizes."""


class UpdateRule(nn.Module, ABC):
    """A proposal of a change for one level, from what its cells see.

    A rule is written once: as `program`, if it is perception, small layers, decay or attention
    (`nca.program`), or else as `forward`. What is declared as a program runs everywhere (in
    torch, fused on a GPU, on a page in a browser), and rules share convolutions.

    The keyword-only arguments of the constructor are the keys of the rule's table in a recipe:
    their names, types, defaults and ranges (`Annotated[float, Ge(0)]`, see `nca.types`). A rule
    that needs to know its surroundings takes a `RuleContext` as its first, positional argument.

    Attributes:
        reads: Which levels the rule reads: `own`, `below`, `above`, or names. An instance may
            replace the class's answer in its constructor.
        cellwise: A promise that `forward` looks at other cells through the view alone: through
            `perceive`, and `correlate` or `neighbours` of a level as it stands; all else it
            does cell by cell. Then a step may hand it, for speed, a list of the cells that can
            change, as `(1, C, cells)` in place of `(B, C, *space)`.
        adjustable: Numbers that may be turned while the automaton runs: a few words for a person,
            then the attribute, its least and its greatest value. An instance may replace the
            class's answer in its constructor.
        radius: How many cells away, along any axis, a cell sees in one step.
        needs: Channels, axes and states without which the rule makes no sense (`nca.Needs`). The
            levels that it reads must be there in any case.
        given_options: What the constructor was given by keyword, as a recipe would give it.
    """

    given_options: Mapping[str, Any]
    needs: ClassVar[Needs] = Needs()
    reads: Sequence[str] = ("own",)
    cellwise: bool = False
    adjustable: Mapping[str, tuple[str, float, float]] = {}
    radius: int = 1

    def __new__(cls, *given: Any, **options: Any) -> Self:
        """Refuse surroundings that do not suit the class before an instance is made."""
        for context in given:
            if isinstance(context, RuleContext):
                where = f'{cls.__name__}, a rule of level "{context.name}"'
                refuse(cls.needs.misfits(context), where)
        made = super().__new__(cls)
        made.given_options = options
        return made

    def program(self) -> Program | NotDeclared:
        """Return what the rule computes as it stands.

        The weights in it are the rule's own, so that gradients reach them. It is asked for anew
        in every rollout: what holds in training only, such as dropout, is in it then.
        """
        return NotDeclared("does not declare what it computes (UpdateRule.program)")

    def forward(self, view: View) -> Tensor:
        """Return the change, in the shape of the rule's own level `(B, C, *space)`."""
        program = self.declared_program()
        if isinstance(program, NotDeclared):
            raise self._refusal(f"{program.why}.")
        return run_program(program, view)

    def declared_program(self) -> Program | NotDeclared:
        """Return what `program` declares.

        Raises:
            PluginError: It is no program.
        """
        program: object = self.program()
        if not isinstance(program, Program | NotDeclared):
            raise self._refusal(f"declares {type(program).__name__}, not an nca.Program.")
        return program

    def program_alone(self, context: RuleContext) -> Program | NotDeclared:
        """Return what `program` declares, if it can stand in for `forward`.

        Args:
            context: Where the rule stands.

        Raises:
            PluginError: It is no program.
        """
        found = self.declared_program()
        if isinstance(found, NotDeclared):
            return found
        family = type(self).__mro__
        forward, program = (
            next(depth for depth, kind in enumerate(family) if name in vars(kind))
            for name in ("forward", "program")
        )
        if forward < program:  # a subclass has replaced what the program says
            return NotDeclared("has a forward of its own")
        if self._forward_hooks or self._forward_pre_hooks or self._backward_hooks:
            return NotDeclared("has hooks, which a program does not call")
        declared = {context.name_of(name) for name in self.reads}
        for name in sorted({context.name_of(one) for one in found.levels}):
            if name not in declared:
                return NotDeclared(f'reads "{name}" without having said so')
        return found

    def _refusal(self, what: str) -> PluginError:
        return PluginError(
            f"{type(self).__name__} {what}",
            where=f"{type(self).__module__}.{type(self).__qualname__}",
            to_do="define program() for what a program can say, or else forward(view)",
        )


def lazy_weights(module: nn.Module) -> list[str]:
    """Return the weights that have no shape before a first call."""
    return [name for name, weight in module.named_parameters() if is_lazy(weight)]


def check_declarations(rule: UpdateRule) -> None:
    """Refuse a rule whose declarations are of another kind than they must be.

    Raises:
        PluginError: One of them is.
    """
    where = f"{type(rule).__module__}.{type(rule).__qualname__}"
    for name, kind in DECLARED.items():
        try:
            checked_value(kind, name, getattr(rule, name), where)
        except OptionError as fault:
            what = f"{type(rule).__name__} declares what no rule can: {fault.what}"
            raise PluginError(
                what, where=where, to_do=f"{fault.to_do}; see nca help rules"
            ) from fault


def _contract(thing: object) -> str | None:
    if not (isinstance(thing, type) and issubclass(thing, UpdateRule)):
        return "it is not a subclass of UpdateRule"
    forward = thing.forward is not UpdateRule.forward
    program = thing.program is not UpdateRule.program
    if forward and program:
        return "it defines program() and forward(view), which could differ; one of them is enough"
    if not (forward or program):
        return "it defines neither program() nor forward(view)"
    if not isinstance(thing.needs, Needs):
        return "its `needs` are no nca.Needs"
    return None


registry.demand("rule", _contract)
