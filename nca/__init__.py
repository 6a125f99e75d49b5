"""Neural cellular automata: levels on a torus, update rules as plugins, runs as recipes."""

from nca import analysis, metrics, objectives, stencils
from nca.automaton import Automaton
from nca.batch import Batch
from nca.checked import Options
from nca.conditions import Alive, Noise, Skip
from nca.damage import Damage
from nca.data import Dataset, LabelledImages, Report
from nca.errors import (
    CheckpointError,
    DataError,
    DeviceError,
    DivergedError,
    ExportError,
    NCAError,
    PluginError,
    ProcessError,
    RegistryError,
    ShapeError,
    StorageError,
    TargetError,
)
from nca.fusion import why_not_fused
from nca.importing import Imported
from nca.memory import Memory
from nca.metrics import Share
from nca.noise import Draw, Source
from nca.parts import Cells, Samples
from nca.perception import StencilPerception, per_cell, perceptron
from nca.pictures import load_target, load_texture, to_rgb_on_white
from nca.pool import Pool, Renewal
from nca.registry import register, registry
from nca.rule import UpdateRule
from nca.scene import Kernel
from nca.settling import Settled, settle
from nca.spread import Spread
from nca.start import FirstState, Start
from nca.state import Layout, Level, State
from nca.task import Setting, Task, Vote
from nca.topology import TORUS, Topology
from nca.validation import OptionError
from nca.vast import Vast, stream
from nca.video import video
from nca.view import Place, View
from nca.window import Window

__all__ = [
    # build
    "Level",
    "Layout",
    "State",
    "Topology",
    "TORUS",
    "Place",
    "View",
    "Kernel",
    "UpdateRule",
    "Automaton",
    "Alive",
    "Noise",
    "Skip",
    "Memory",
    "StencilPerception",
    "per_cell",
    "perceptron",
    "stencils",
    "settle",
    "Settled",
    "video",
    "why_not_fused",
    # share among processes
    "Window",
    "Cells",
    "Samples",
    "Spread",
    "Vast",
    "stream",
    # train and judge
    "Start",
    "FirstState",
    "Batch",
    "Pool",
    "Renewal",
    "Damage",
    "Setting",
    "Task",
    "Vote",
    "Share",
    "Report",
    "analysis",
    "metrics",
    "objectives",
    "Draw",
    "Source",
    # plug in
    "register",
    "registry",
    "Dataset",
    "LabelledImages",
    "Imported",
    "Options",
    "load_target",
    "load_texture",
    "to_rgb_on_white",
    # go wrong
    "NCAError",
    "OptionError",
    "CheckpointError",
    "DataError",
    "DeviceError",
    "DivergedError",
    "ExportError",
    "PluginError",
    "ProcessError",
    "RegistryError",
    "ShapeError",
    "StorageError",
    "TargetError",
]
