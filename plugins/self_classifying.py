"""Self-classifying MNIST (Randazzo, Mordvintsev, Niklasson, Levin, Greydanus; Distill 2020).

Each pixel of a digit is a cell that must find out, by talking to its neighbours, of which digit
it is a part. The picture is an input level; the level above holds hidden channels and, last,
one channel per class.
"""

from torch import nn

from nca import Correlation, Layer, MLPTerm, Program, RuleContext, UpdateRule, register
from nca.types import Units


@register.rule("self_classifying")
class SelfClassifying(UpdateRule):
    """Learned 3-wide perception of picture and state, one hidden layer, a change.

    With a picture of 1 channel, 19 of its own and 80 units it has the paper's 22,499 parameters.

    Args:
        context: Where the rule stands; it reads the level below beside its own.
        perceive: Features that a cell perceives through learned kernels.
        hidden: Units of the hidden layer.
    """

    reads = ("below", "own")
    cellwise = True

    def __init__(self, context: RuleContext, *, perceive: Units = 80, hidden: Units = 80) -> None:
        super().__init__()
        conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[context.axes]
        self.perceive = conv(context.below.channels + context.own.channels, perceive, 3)
        self.hidden = nn.Linear(perceive, hidden)
        self.change = nn.Linear(hidden, context.own.channels)
        for layer in (self.perceive, self.hidden):
            nn.init.xavier_uniform_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def program(self) -> Program:
        """Return the change: three layers, the first over the neighbourhood."""
        weight, bias = self.perceive.weight, self.perceive.bias
        below = weight.shape[1] - self.change.weight.shape[0]
        # one kernel over picture and state is the sum of a kernel over each
        perceptions = (
            Correlation("below", weight[:, :below], bias),
            Correlation("own", weight[:, below:]),
        )
        layers = (
            Layer(self.hidden.weight, self.hidden.bias, "relu"),
            Layer(self.change.weight, self.change.bias, "relu"),
        )
        return Program((MLPTerm(perceptions, layers),))
