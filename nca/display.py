"""Displays of tasks: how pages and the live page show and touch an automaton."""

from nca.tasks.display import (
    Canvas,
    ChannelColours,
    ClassColours,
    Display,
)

__all__ = [
    "Canvas",
    "ChannelColours",
    "ClassColours",
    "Display",
]
