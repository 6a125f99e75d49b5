"""One layer between levels: what another level says, mixed in each cell by itself.

On a coarse level of one cell over the whole grid it is a read-out of all cells together: of their
mean, or of the largest number of each channel (`[[levels]] coarsen`).
"""

from torch import nn

from nca import Layer, MLPTerm, Program, RuleContext, Stencils, UpdateRule, register


@register.rule("linear")
class Linear(UpdateRule):
    """Add a linear function of the cell's own place in another level.

    The other level is read in the resolution of one's own. Beside `fade` with rate 1 the level
    becomes what these rules say; with a lower rate, a running mean of it.

    Args:
        context: Where the rule stands.
        of: The level that it reads: `below`, `above`, or by name.
        bias: Whether a learned number is added to each channel.
    """

    reads = ("below",)
    cellwise = True

    def __init__(self, context: RuleContext, *, of: str = "below", bias: bool = True) -> None:
        super().__init__()
        self.of, self.reads, self.axes = of, (of,), context.axes
        self.layer = nn.Linear(context.level(of).channels, context.own.channels, bias)
        nn.init.xavier_uniform_(self.layer.weight)
        if bias:
            nn.init.zeros_(self.layer.bias)

    def program(self) -> Program:
        """Return the layer over what the cell reads."""
        weight = self.layer.weight
        itself = Stencils(self.of, weight.shape[1], weight.new_ones(1, *(1,) * self.axes))
        return Program((MLPTerm((itself,), (Layer(weight, self.layer.bias, "none"),)),))
