"""Lay the levels of a study out as pictures: samples or moments one way, levels the other."""

from PIL import Image
from torch import Tensor

from nca import analysis
from nca.exhibit.colours import angle_colours, outlined
from nca.render import Sheet, fitting_scale, level_picture, strip
from nca.study import Study

SIDE = 112


def components(study: Study) -> Image.Image:
    """Return samples by levels, in the colours of the first three principal components."""
    return _by_level(study, {name: _colours(study, name) for name in study.levels})


def angles(study: Study) -> Image.Image:
    """Return samples by levels, coloured by the angle of the first two components."""
    by_level = {
        name: angle_colours([state[name] for state in study.own.states]) for name in study.levels
    }
    return _by_level(study, by_level)


def outlines(study: Study) -> Image.Image:
    """Return samples by levels, with the outlines of islands over what the automaton saw."""
    state, ground = study.own.states[_now(study)], grounds(study)
    scale = fitting_scale(ground.shape, SIDE)
    sheet = Sheet(["input", *study.levels])
    topology, plan = study.trained.automaton.topology, study.plan
    labels = {
        name: analysis.islands(state[name], plan.threshold, topology, smallest=plan.smallest)
        for name in study.levels
    }
    for sample, picture in enumerate(ground):
        plain = picture.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
        size = picture.shape[1:]
        rimmed = [
            outlined(picture, analysis.resized(own, size)[sample], scale) for own in labels.values()
        ]
        sheet.add("", [plain, *rimmed])
    return sheet.image(1)


def through_time(study: Study, sample: int = 0) -> Image.Image:
    """Return levels by moments of one sample, top level first, each level in one basis."""
    moments = [f"step {state.step}" for state in study.own.states]
    sheet = Sheet(moments)
    for name in reversed(study.levels):
        sheet.add(name, [picture[sample] for picture in _colours(study, name)])
    return sheet.image()


def pictures(study: Study) -> Image.Image:
    """Return what the task shows, samples by moments."""
    return strip(study.pictures, [f"step {state.step}" for state in study.own.states]).image()


def grounds(study: Study) -> Tensor:
    """Return what islands are drawn over: the input in grey, or else the task's picture.

    Returns:
        `(B, 3, height, width)`, from 0 to 1, so light that outlines stand out.
    """
    layout = study.trained.automaton.layout
    state = study.own.states[_now(study)]
    inputs = [name for name, level in layout.items() if level.input]
    if not inputs:
        return study.pictures[_now(study)].float().cpu()
    (grey,) = level_picture([state[inputs[0]].mean(dim=1, keepdim=True)])
    return 1 - 0.85 * grey.cpu()


def _now(study: Study) -> int:
    return [state.step - study.own.states[0].step for state in study.own.states].index(
        study.plan.steps
    )


def _colours(study: Study, name: str) -> list[Tensor]:
    return level_picture([state[name] for state in study.own.states])


def _by_level(study: Study, by_level: dict[str, list[Tensor]]) -> Image.Image:
    now = _now(study)
    sheet = Sheet(["input", *study.levels])
    for sample, ground in enumerate(grounds(study)):
        sheet.add("", [ground, *(by_level[name][now][sample].cpu() for name in study.levels)])
    return sheet.image()

