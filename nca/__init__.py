"""Neural cellular automata: levels on a torus, update rules as plugins, runs as recipes."""

from nca import analysis
from nca.backends.fused import why_not_fused
from nca.data.dataset import Dataset, LabelledImages, Report
from nca.distributed.sharded import Spread
from nca.distributed.sharding import Cells, Samples
from nca.engine import stencils
from nca.engine.activation_memory import Memory
from nca.engine.automaton import Automaton
from nca.engine.conditions import Alive, Noise, Skip
from nca.engine.initial import FirstState, Start
from nca.engine.layout import Layout, Level
from nca.engine.perception import StencilPerception, per_cell, perceptron
from nca.engine.rng import Draw, Source
from nca.engine.rollouts import video
from nca.engine.rule import UpdateRule
from nca.engine.settling import Settled, settle
from nca.engine.state import State
from nca.engine.step_inputs import Kernel
from nca.engine.topology import TORUS, Topology
from nca.engine.view import Place, View
from nca.engine.window import Window
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
from nca.registry.importer import Imported
from nca.registry.registry import register, registry
from nca.render.load import load_target, load_texture, to_rgb_on_white
from nca.streaming.grid_file import Vast, stream
from nca.tasks import losses as objectives
from nca.tasks import metrics
from nca.tasks.batch import Batch
from nca.tasks.damage import Damage
from nca.tasks.metrics import Share
from nca.tasks.pool import Pool, Renewal
from nca.tasks.task import Setting, Task, Vote
from nca.validation.checked import Options
from nca.validation.faults import OptionError

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
