"""The texts that the source of a plain PyTorch module is put together from."""

CHECKED = "<compared>"
"""Where the source says how it was compared, once it was."""
MARK = '"""A neural cellular automaton, written by nca '
"""How the source begins."""

HEAD = (
    MARK
    + '''{version} from {name}. It needs torch and safetensors.

    automaton = Automaton()
    levels = {{{levels}}}  # (batch, channel, height, width), with your seed
    levels = automaton(levels, steps={steps})

{checked}
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

WEIGHTS = Path(__file__).with_name("weights.safetensors")


def pad(level, rows, columns):
    """Add the cells beyond the edges: {beyond}."""
    level = F.pad(level, (0, 0, rows, rows), mode="{mode_rows}")
    return F.pad(level, (columns, columns, 0, 0), mode="{mode_columns}")

'''
)

STENCILS = '''
def each_channel(level, kernels):
    """Correlate every channel with the same kernels: channel 0 with each, then channel 1."""
    channels, (rows, columns) = level.shape[1], (side // 2 for side in kernels.shape[-2:])
    weight = kernels[:, None].repeat(channels, 1, 1, 1)
    return F.conv2d(pad(level, rows, columns), weight, groups=channels)

'''
CORRELATION = '''
def correlate(level, weight, bias=None):
    """Correlate all channels with kernels of their own."""
    rows, columns = (side // 2 for side in weight.shape[-2:])
    return F.conv2d(pad(level, rows, columns), weight, bias)

'''
MEAN = '''
def mean_of(level, cells):
    """Let a cell hold the mean of so many finer ones along each axis."""
    return F.avg_pool2d(level, cells)

'''
MAX = '''
def max_of(level, cells):
    """Let a cell hold the largest of so many finer ones along each axis, in each channel."""
    return F.max_pool2d(level, cells)

'''
STACK = '''
def stack_of(level, cells):
    """Let a cell hold so many finer ones along each axis: all for channel 0, then for channel 1."""
    return F.pixel_unshuffle(level, cells)

'''
NEAREST = '''
def nearest_of(level, cells):
    """Repeat each cell so many times along each axis."""
    return level.repeat_interleave(cells, 2).repeat_interleave(cells, 3)

'''
BILINEAR = '''
def bilinear_of(level, cells):
    """Put so many cells for one along each axis, linear between the centres of the old ones."""
    fine = F.interpolate(pad(level, 1, 1), scale_factor=cells, mode="bilinear")
    return fine[:, :, cells:-cells, cells:-cells]

'''
HELPERS = {
    "each_channel": STENCILS,
    "correlate": CORRELATION,
    "mean_of": MEAN,
    "max_of": MAX,
    "stack_of": STACK,
    "nearest_of": NEAREST,
    "bilinear_of": BILINEAR,
}
"""Functions beside the class, by name: those that its methods call are written."""

CLASS = '''
class Automaton(torch.nn.Module):
    """What a state holds of each cell:
{channels}

    {inputs}
    """

    def __init__(self, file=WEIGHTS):
        super().__init__()
        self.weights = torch.nn.ParameterDict(load_file(file))
{fixed}
    def forward(self, levels, steps=1, fire_rate={fire_rate}):
        for _ in range(steps):
            levels = self.step(levels, fire_rate)
        return levels
'''
