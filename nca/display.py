"""Displays of tasks: how pages and the live page show and touch an automaton."""

from nca.tasks.display import (
    CLASS_COLOURS,
    Canvas,
    ChannelColours,
    ClassColours,
    Display,
    class_colours,
    paint,
)

__all__ = [
    "CLASS_COLOURS",
    "Canvas",
    "ChannelColours",
    "ClassColours",
    "Display",
    "class_colours",
    "paint",
]
