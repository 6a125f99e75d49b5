"""Rules with one flaw each, and beside them a sound one."""

import torch
from torch import Tensor, nn

from nca import Needs, RuleContext, TableTerm, Topology, UpdateRule, View
from nca.engine.program import DecayTerm, Program


class Sound(UpdateRule):
    """Drift towards the neighbours and the level below: no flaw."""

    reads = ("own", "below")
    cellwise = True

    def __init__(self, place: RuleContext) -> None:
        super().__init__()
        self.pull = nn.Parameter(torch.ones(place.own.channels))
        self.lift = nn.Parameter(torch.ones(place.own.channels, place.below.channels))

    def forward(self, view: View) -> Tensor:
        pull = torch.tanh(view.neighbours(view.own).mean(dim=1) - view.own)
        lift = torch.einsum("oi,bi...->bo...", self.lift, view.below)
        return self._by_channel(self.pull, pull) + 0.1 * lift

    @staticmethod
    def _by_channel(weight: Tensor, level: Tensor) -> Tensor:
        return weight.view(-1, *(1,) * (level.ndim - 2)) * level


class KnowsWhereItIs(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view) * torch.arange(view.own.shape[-1])


class SaysSomethingElse(Sound):
    def program(self) -> Program:
        return Program((DecayTerm(0.5),))


class Flips(UpdateRule):
    """Cells of 0 and 1 become each other."""

    needs = Needs(axes=(2,), states="binary")

    def __init__(self, place: RuleContext) -> None:
        super().__init__()

    def forward(self, view: View) -> Tensor:
        return 1 - 2 * view.own


class SaysAnotherTable(Flips):
    def program(self) -> Program:
        return Program((TableTerm(((0, 1),), (1,), torch.tensor([[0, 1], [0, 1]])),))


class PadsWithZeros(Sound):
    def forward(self, view: View) -> Tensor:
        near = Topology("zeros").neighbours(view.own).mean(dim=1)
        return super().forward(view) + near


class StretchesByItself(Sound):
    """Reads a coarser level past the view, and takes the grid for one with edges."""

    reads = ("own", "below", "above")

    def forward(self, view: View) -> Tensor:
        coarse = view._inputs.state["over"].mean(dim=1, keepdim=True)
        mode = {3: "linear", 4: "bilinear", 5: "trilinear"}[coarse.ndim]
        size = view.own.shape[2:]
        return super().forward(view) + nn.functional.interpolate(coarse, size, mode=mode)


class CountsInItsOwnGrid(Sound):
    """Draws by the place of a cell in the tensor, wherever in the grid that is cut out."""

    def forward(self, view: View) -> Tensor:
        cells = torch.arange(view.own[0, 0].numel()).view(view.own.shape[2:])
        return super().forward(view) * (1 + torch.sin(cells * 9.0))


class SeesTheWholeGrid(Sound):
    def forward(self, view: View) -> Tensor:
        space = tuple(range(2, view.own.ndim))
        return super().forward(view) + 0.1 * view.own.mean(dim=space, keepdim=True)


class CountsTheCells(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view) * view.own.shape[-1]


class LooksPastTheView(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view) + view.own.roll(1, -1)


class LooksTwiceAsFar(Sound):
    def forward(self, view: View) -> Tensor:
        return view.neighbours(super().forward(view)).mean(dim=1)


class MixesTheSamples(Sound):
    def __init__(self, place: RuleContext) -> None:
        super().__init__(place)
        norms = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
        self.norm = norms[place.axes](place.own.channels)

    def forward(self, view: View) -> Tensor:
        return self.norm(super().forward(view))


class PeeksAbove(Sound):
    def forward(self, view: View) -> Tensor:
        above = view._inputs.state["over"]
        return super().forward(view) + above.mean(dim=1, keepdim=True)


class PeeksAtAll(Sound):
    def forward(self, view: View) -> Tensor:
        return torch.tanh(view._inputs.state["middle"]) * self.pull.sum() * self.lift.sum()


class RollsTheDice(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view) * (torch.rand(view.own.shape[2:]) < 0.5)


class WritesIntoItsLevel(Sound):
    def forward(self, view: View) -> Tensor:
        change = super().forward(view)
        with torch.no_grad():
            view.own.add_(0.1)
        return change


class WritesIntoTheInput(Sound):
    def forward(self, view: View) -> Tensor:
        change = super().forward(view)
        with torch.no_grad():
            view.below.mul_(1.5)
        return change


class WritesIntoItsNeighbours(Sound):
    def forward(self, view: View) -> Tensor:
        change = super().forward(view)
        with torch.no_grad():
            view.shifted(view.own)[0].add_(0.1)
        return change


class HasAnIdleWeight(Sound):
    def __init__(self, place: RuleContext) -> None:
        super().__init__(place)
        self.idle = nn.Parameter(torch.ones(3))


class CutsTheGradient(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view).detach() + self._by_channel(self.pull, view.own)


class ThinksInFloat32(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view).float()


class WidensToFloat64(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view).double()


class AnswersForOneChannel(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view)[:, :1]


class RemembersItsCalls(Sound):
    def __init__(self, place: RuleContext) -> None:
        super().__init__(place)
        self.calls = 0

    def forward(self, view: View) -> Tensor:
        self.calls += 1
        return super().forward(view) / self.calls


class NumbersSamplesByPlace(Sound):
    def forward(self, view: View) -> Tensor:
        change = super().forward(view)
        return change * torch.arange(len(change)).view(-1, *(1,) * (change.ndim - 1))


class HidesAWeight(Sound):
    def __init__(self, place: RuleContext) -> None:
        super().__init__(place)
        self.hidden = None

    def forward(self, view: View) -> Tensor:
        if self.hidden is None:  # drawn when first asked, and not among the weights
            self.hidden = torch.rand(()) + self.pull.detach().mean()
        return super().forward(view) * self.hidden
