"""Levels, their layout, and the state of a grid.

`layout` says which levels there are, `tensors` holds what their cells hold.
"""

from nca.state.layout import Layout, Level
from nca.state.tensors import State

__all__ = ["Level", "Layout", "State"]
