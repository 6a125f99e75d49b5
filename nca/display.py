"""Displays of tasks: how pages and the live page show and touch an automaton."""

from nca.tasks.display import (
    CLASS_COLOURS,
    COLOUR_MAPS,
    Canvas,
    ChannelColours,
    ClassColours,
    Display,
    MappedColours,
    StateColours,
    class_colours,
    colour_map,
    laid_flat,
    map_colours,
    paint,
    state_palette,
)

__all__ = [
    "CLASS_COLOURS",
    "COLOUR_MAPS",
    "Canvas",
    "ChannelColours",
    "ClassColours",
    "Display",
    "MappedColours",
    "StateColours",
    "class_colours",
    "colour_map",
    "laid_flat",
    "map_colours",
    "paint",
    "state_palette",
]
