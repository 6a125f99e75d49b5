"""Self-classifying MNIST (Randazzo, Mordvintsev, Niklasson, Levin, Greydanus; Distill 2020).

Each pixel of a digit is a cell that must find out, by talking to its neighbours, of which digit
it is a part. The picture is an input level; the level above holds hidden channels and, last,
one channel per class.
"""

from torch import Tensor, nn

from nca import (
    Correlation,
    Layer,
    MLPTerm,
    Program,
    RuleContext,
    UpdateRule,
    View,
    perceptron,
    register,
)
from nca.types import Count


@register.rule("self_classifying")
class SelfClassifying(UpdateRule):
    """Learned 3-wide perception of picture and state, one hidden layer, a change.

    With a picture of 1 channel, 19 of its own and 80 units it has the paper's 22,499 parameters.

    Args:
        place: Where the rule stands; it reads the level below beside its own.
        perceive: Features that a cell perceives through learned kernels.
        hidden: Units of the hidden layer.
    """

    reads = ("below", "own")
    cellwise = True

    def __init__(self, place: RuleContext, *, perceive: Count = 80, hidden: Count = 80) -> None:
        super().__init__()
        conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[place.axes]
        self.perceive = conv(place.below.channels + place.own.channels, perceive, 3)
        self.hidden = nn.Linear(perceive, hidden)
        self.change = nn.Linear(hidden, place.own.channels)
        for layer in (self.perceive, self.hidden):
            nn.init.xavier_uniform_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def program(self) -> Program:
        """Return perception of picture and state, the hidden layer and the change."""
        weight = self.perceive.weight
        below = weight.shape[1] - self.change.weight.shape[0]
        sights = (Correlation("below", weight[:, :below]), Correlation("own", weight[:, below:]))
        layers = (
            Layer(self.hidden.weight, self.hidden.bias, "relu"),
            Layer(self.change.weight, self.change.bias, "relu"),
        )
        return Program((MLPTerm(sights, self.perceive.bias, layers),))

    def forward(self, view: View) -> Tensor:
        """Return the change: three layers, the first over the neighbourhood."""
        # one kernel over picture and state is the sum of a kernel over each
        below = view.below.shape[1]
        weight, bias = self.perceive.weight, self.perceive.bias
        perceived = view.correlate(view.below, weight[:, :below], bias)
        perceived = perceived + view.correlate(view.own, weight[:, below:])
        return perceptron(perceived.relu_(), self.hidden, self.change)
