"""Show one picture after the other, and let the cells carry on what they hold."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.errors import ShapeError


def rollout_frames(
    automaton: Automaton,
    state: State,
    frames: Iterable[Mapping[str, Tensor]],
    steps: int,
    *,
    fire_rate: float | None = None,
) -> list[State]:
    """Show frames on the input levels, and return the state after each.

    Nothing starts anew between frames: what the cells hold is carried on, so that a slowly
    changing picture needs few steps for each frame (Hinton 2021, section on video).

    Args:
        automaton: Lets the steps pass.
        state: The state before the first frame.
        frames: What the input levels hold, `(B, C, *space)` by level name, for each frame.
        steps: How many steps pass while a frame is shown.
        fire_rate: Use this chance instead of the automaton's own.

    Raises:
        ShapeError: A frame for a level that holds no input; what `Automaton.rollout` raises.
    """
    inputs = [name for name in automaton.layout if name not in automaton.writable_levels]
    states = []
    for frame in frames:
        strange = [name for name in frame if name not in inputs]
        if strange:
            raise ShapeError(
                f'a frame cannot be shown on level "{strange[0]}": it holds no input.',
                where="video(automaton, state, frames)",
                to_do=f"name the input levels: {', '.join(inputs) or 'there are none'}",
            )
        state = automaton.rollout(state.replace(frame), steps, fire_rate=fire_rate)
        states.append(state)
    return states
