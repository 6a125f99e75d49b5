"""How programs are started: compiled at the first launch, then with little Python."""

from collections.abc import Mapping
from typing import Any

Grid = tuple[int, int, int]


class Launch:
    """A program with its grid and its constants, to be started again and again.

    Triton looks at all that a program is given each time that it is asked for one, which takes
    several times as long as a launch. What stays the same in a rollout it need not look at again:
    types, how tensors are aligned, constants. So the compiled program is asked for once, and is
    handed all later tensors itself, as Triton's tutorials do. Under an interpreter nothing is
    compiled.

    Args:
        program: In Triton.
        grid: How many programs there are, along three axes.
        constants: The program's constant parameters, by name.
        options: With what it is compiled: `num_warps`, `num_stages`.
    """

    def __init__(
        self, program: Any, grid: Grid, constants: Mapping[str, Any], **options: Any
    ) -> None:
        self.program, self.grid, self.options = program, grid, options
        self.constants = {n: constants[n] for n in program.arg_names if n in constants}
        self._last = tuple(self.constants.values())
        self._start: Any = None

    def __call__(self, *given: Any) -> None:
        """Start the program on the current device; `given` are its other parameters, in order."""
        if self._start is not None:
            self._start(*given, *self._last)
            return
        compiled = self.program[self.grid](*given, **self.constants, **self.options)
        if compiled is not None:
            self._start = compiled[self.grid]
