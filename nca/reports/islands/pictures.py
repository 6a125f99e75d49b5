"""Pictures of the levels of an automaton: samples or moments side by side, top level above.

Colours are fitted to the moments up to the step that counts: what a level does long after would
else leave nothing to see before.
"""

from PIL import Image
from torch import Tensor

from nca import analysis
from nca.render.outlines import outlined
from nca.render.pca import angle_colours, component_colours
from nca.render.sheet import Sheet, fitting_scale, level_picture, strip
from nca.reports.islands.run import IslandsResult

SIDE = 132
LEAST_FOR_COLOURS = 3
INK = 0.85
FLAT = 1e-3
"""A mean over channels that varies less than this, relative to them, would show nothing."""


def components_picture(result: IslandsResult) -> Image.Image:
    """Return levels by samples, in the colours of the first three principal components."""
    now = _now(result)
    return _sheet(result, {name: _colours(result, name)[now] for name in result.levels})


def angles(result: IslandsResult) -> Image.Image:
    """Return levels by samples, coloured by the angle of the first two components."""
    now = _now(result)
    rows = {name: angle_colours([result.own.states[now][name]])[0] for name in result.levels}
    return _sheet(result, rows)


def outlines(result: IslandsResult) -> Image.Image:
    """Return levels by samples, with the outlines of islands over what the automaton saw."""
    state, ground = result.own.states[_now(result)], grounds(result)
    topology, plan = result.trained.automaton.topology, result.plan
    scale = fitting_scale(ground.shape, SIDE)
    sheet = _empty(result)
    for name in reversed(result.levels):
        labels = analysis.islands(state[name], plan.threshold, topology, smallest=plan.smallest)
        labels = analysis.resized(labels, ground.shape[2:]).cpu()
        pairs = zip(ground, labels, strict=True)
        sheet.add(name, [outlined(picture, own, scale) for picture, own in pairs])
    large = ground.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    sheet.add(_ground_name(result), list(large))
    return sheet.image(1)


def through_time(result: IslandsResult, sample: int = 0) -> Image.Image:
    """Return levels by moments of one sample, each level in one basis."""
    sheet = Sheet([f"step {state.step}" for state in result.own.states])
    for name in reversed(result.levels):
        sheet.add(name, [picture[sample].cpu() for picture in _colours(result, name)])
    return sheet.image()


def islands_pictures(result: IslandsResult) -> Image.Image:
    """Return what the task shows, samples by moments."""
    return strip(result.pictures, [f"step {state.step}" for state in result.own.states]).image()


def grounds(result: IslandsResult) -> Tensor:
    """Return what islands are drawn over: the input, or the task's picture where there is none.

    The input is grey on white, or in the colours of its components where its channels have the
    same sum in every cell, as those of one-hot classes do.

    Returns:
        `(B, 3, height, width)`, from 0 to 1.
    """
    name = _input(result)
    if name is None:
        return result.pictures[_now(result)].float().cpu()
    shown = result.own.states[_now(result)][name].float().cpu()
    mean = shown.mean(dim=1, keepdim=True)
    if mean.std(correction=0) < FLAT * shown.std(correction=0):
        return component_colours([shown])[0]
    return 1 - INK * level_picture([mean])[0]


def _input(result: IslandsResult) -> str | None:
    """Return the lowest level that holds an input."""
    layout = result.trained.automaton.layout
    return next((name for name, level in layout.items() if level.input), None)


def _ground_name(result: IslandsResult) -> str:
    return _input(result) or "picture"


def _now(result: IslandsResult) -> int:
    """Return the place of the step that counts among the states, of which step 0 is the first."""
    return 1 + result.plan.moments.index(result.plan.steps)


def _colours(result: IslandsResult, name: str) -> list[Tensor]:
    tensors = [state[name] for state in result.own.states]
    if tensors[0].shape[1] < LEAST_FOR_COLOURS:
        return level_picture(tensors)
    return component_colours(tensors, slice(_now(result) + 1))


def _empty(result: IslandsResult) -> Sheet:
    count = result.own.states[0].batch
    return Sheet([f"sample {number}" for number in range(1, count + 1)])


def _sheet(result: IslandsResult, rows: dict[str, Tensor]) -> Image.Image:
    ground, sheet = grounds(result), _empty(result)
    for name in reversed(result.levels):
        sheet.add(name, list(rows[name].cpu()))
    sheet.add(_ground_name(result), list(ground))
    return sheet.image(fitting_scale(ground.shape, SIDE))
