"""Neural cellular automata in PyTorch: what is public in Python, and the limits of all of it.

All that is public is named here, and imported when it is first asked for: `import nca` alone
loads nothing, not even torch. `NAMES` says where each name lives, `NAMESPACES` which modules
are public as a whole (`from nca.losses import cross_entropy`).

Limits:
- Grids have one, two or three axes; pictures and pages show two, `nca play` all.
- No recipe that comes along was trained on a GPU, and the fused programs have not run on one;
  see `nca help gpu`.
- `--device mps` has not run on a Mac: it is tested on a device that torch is made to believe in,
  and `auto` does not take it; see `nca help gpu`.
- `nca predict` reads pictures of at most 8,192 pixels along a side; `--side` shrinks larger ones.
- Each of several processes reads the whole data set before one copy is left for all; with `--shard`
  each draws and judges whole batches, and no step is fused. nccl and several GPUs have not been
  run; see `nca help distributed`.
- Tiled, compiled and fused steps round otherwise than plain ones; see `nca help speed`.
- `nca plan` does not predict what an allocator adds; see `nca help memory`.
- `nca stream` refuses temporal skips.
- Pages on the graphics card refuse skips, axes other than two, normalised embeddings, location
  codes and attention inside `lateral`; see `nca help export`.
- Self-classified digits agree from image to image more than within one: in 22 % of them all live
  cells say the same at step 200.
- A history of `nca play` replays to the same bits on the same device and build of torch only.
- A condition of `nca examine` passes by fixed thresholds, and its intervals are over random
  seeds of one checkpoint, not of its training.
- `last.safetensors` holds the pool, hence hundreds of megabytes where the pool is large.
- Rules without weights have nothing for `nca run` to train: it lets their steps pass, and reports
  what lives and whether it comes back.
What a recipe can and cannot do stands in its first lines: `nca recipes show NAME`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nca import analysis as analysis
    from nca import data as data
    from nca import display as display
    from nca import losses as losses
    from nca import metrics as metrics
    from nca import program as program
    from nca import registry as registry
    from nca import stencils as stencils
    from nca import types as types
    from nca.backends.bits.stepper import why_not_bits as why_not_bits
    from nca.backends.fused import why_not_fused as why_not_fused
    from nca.backends.tiled.stepper import why_not_tiled as why_not_tiled
    from nca.checkpoint.file import Checkpoint as Checkpoint
    from nca.checkpoint.trained import Trained as Trained
    from nca.data.dataset import Dataset as Dataset
    from nca.data.dataset import LabelledImages as LabelledImages
    from nca.distributed.sharding import BatchSharding as BatchSharding
    from nca.distributed.sharding import GridSharding as GridSharding
    from nca.engine.activation_memory import ActivationMemory as ActivationMemory
    from nca.engine.automaton import Automaton as Automaton
    from nca.engine.conditions import Alive as Alive
    from nca.engine.conditions import Noise as Noise
    from nca.engine.conditions import Skip as Skip
    from nca.engine.context import RuleContext as RuleContext
    from nca.engine.discrete import GateLayer as GateLayer
    from nca.engine.discrete import GatesTerm as GatesTerm
    from nca.engine.discrete import TableTerm as TableTerm
    from nca.engine.initial import InitialState as InitialState
    from nca.engine.initial import InitialStateSpec as InitialStateSpec
    from nca.engine.layout import Layout as Layout
    from nca.engine.layout import Level as Level
    from nca.engine.needs import Needs as Needs
    from nca.engine.perception import StencilPerception as StencilPerception
    from nca.engine.perception import per_cell as per_cell
    from nca.engine.perception import perceptron as perceptron
    from nca.engine.plane import rollout_on_plane as rollout_on_plane
    from nca.engine.population import Population as Population
    from nca.engine.program import AttentionTerm as AttentionTerm
    from nca.engine.program import AttentionWeights as AttentionWeights
    from nca.engine.program import Correlation as Correlation
    from nca.engine.program import DecayTerm as DecayTerm
    from nca.engine.program import Layer as Layer
    from nca.engine.program import Location as Location
    from nca.engine.program import MLPTerm as MLPTerm
    from nca.engine.program import NotDeclared as NotDeclared
    from nca.engine.program import Program as Program
    from nca.engine.program import Squash as Squash
    from nca.engine.program import Standardise as Standardise
    from nca.engine.program import Stencils as Stencils
    from nca.engine.resample import on_grid as on_grid
    from nca.engine.rng import CellRNG as CellRNG
    from nca.engine.rng import HostRNG as HostRNG
    from nca.engine.rollouts import Settled as Settled
    from nca.engine.rollouts import rollout_frames as rollout_frames
    from nca.engine.rollouts import settle as settle
    from nca.engine.rule import UpdateRule as UpdateRule
    from nca.engine.state import State as State
    from nca.engine.to_device import to_device as to_device
    from nca.engine.topology import TORUS as TORUS
    from nca.engine.topology import Topology as Topology
    from nca.engine.view import View as View
    from nca.engine.window import Window as Window
    from nca.errors import CheckpointError as CheckpointError
    from nca.errors import DataError as DataError
    from nca.errors import DeviceError as DeviceError
    from nca.errors import DivergedError as DivergedError
    from nca.errors import ExportError as ExportError
    from nca.errors import NCAError as NCAError
    from nca.errors import NCAWarning as NCAWarning
    from nca.errors import PictureError as PictureError
    from nca.errors import PluginError as PluginError
    from nca.errors import ProcessError as ProcessError
    from nca.errors import RegistryError as RegistryError
    from nca.errors import ShapeError as ShapeError
    from nca.errors import StorageError as StorageError
    from nca.errors import TargetError as TargetError
    from nca.model.film import Film as Film
    from nca.model.model import Model as Model
    from nca.model.model import load as load
    from nca.model.playing import Playing as Playing
    from nca.model.reports import Report as Report
    from nca.model.save import save as save
    from nca.model.train import train as train
    from nca.progress import SILENT as SILENT
    from nca.progress import Progress as Progress
    from nca.recipe.named_rule import named_rule as named_rule
    from nca.recipe.recipe import Recipe as Recipe
    from nca.registry.importer import Imported as Imported
    from nca.registry.registry import register as register
    from nca.render.load import load_numbers as load_numbers
    from nca.render.load import load_picture as load_picture
    from nca.render.load import load_target as load_target
    from nca.render.load import load_texture as load_texture
    from nca.render.load import to_rgb_on_white as to_rgb_on_white
    from nca.render.picture_files import pictures_in as pictures_in
    from nca.streaming.grid_file import GridFile as GridFile
    from nca.streaming.stream import stream as stream
    from nca.tasks.batch import Batch as Batch
    from nca.tasks.damage import Damage as Damage
    from nca.tasks.display import Canvas as Canvas
    from nca.tasks.display import ChannelColours as ChannelColours
    from nca.tasks.display import ClassColours as ClassColours
    from nca.tasks.display import Display as Display
    from nca.tasks.display import MappedColours as MappedColours
    from nca.tasks.display import StateColours as StateColours
    from nca.tasks.metrics import Share as Share
    from nca.tasks.pool import Pool as Pool
    from nca.tasks.pool import PoolOptions as PoolOptions
    from nca.tasks.prediction import Prediction as Prediction
    from nca.tasks.task import ClassShare as ClassShare
    from nca.tasks.task import Task as Task
    from nca.tasks.task import TaskContext as TaskContext
    from nca.tasks.watched import WatchedTask as WatchedTask
    from nca.validation.checked import Options as Options
    from nca.validation.faults import Fault as Fault
    from nca.validation.faults import OptionError as OptionError

NAMES = {
    # build
    "nca.engine.layout": (
        "Level",
        "Layout",
    ),
    "nca.engine.state": ("State",),
    "nca.engine.resample": ("on_grid",),
    "nca.engine.topology": (
        "Topology",
        "TORUS",
    ),
    "nca.engine.automaton": ("Automaton",),
    "nca.engine.population": ("Population",),
    "nca.engine.conditions": (
        "Alive",
        "Noise",
        "Skip",
    ),
    "nca.engine.activation_memory": ("ActivationMemory",),
    "nca.engine.initial": (
        "InitialState",
        "InitialStateSpec",
    ),
    "nca.engine.rollouts": ("Settled", "settle", "rollout_frames"),
    "nca.engine.plane": ("rollout_on_plane",),
    # write a rule
    "nca.engine.rule": ("UpdateRule",),
    "nca.engine.needs": ("Needs",),
    "nca.engine.context": ("RuleContext",),
    "nca.engine.view": ("View",),
    "nca.engine.perception": (
        "StencilPerception",
        "per_cell",
        "perceptron",
    ),
    "nca.engine.program": (
        "Program",
        "MLPTerm",
        "DecayTerm",
        "AttentionTerm",
        "AttentionWeights",
        "Correlation",
        "Stencils",
        "Location",
        "Squash",
        "Standardise",
        "Layer",
        "NotDeclared",
    ),
    "nca.engine.discrete": ("TableTerm", "GatesTerm", "GateLayer"),
    "nca.engine.rng": (
        "CellRNG",
        "HostRNG",
    ),
    "nca.engine.to_device": ("to_device",),
    "nca.registry.registry": ("register",),
    "nca.validation.checked": ("Options",),
    # execute
    "nca.backends.bits.stepper": ("why_not_bits",),
    "nca.backends.fused": ("why_not_fused",),
    "nca.backends.tiled.stepper": ("why_not_tiled",),
    "nca.engine.window": ("Window",),
    "nca.distributed.sharding": (
        "BatchSharding",
        "GridSharding",
    ),
    "nca.streaming.grid_file": ("GridFile",),
    "nca.streaming.stream": ("stream",),
    # train
    "nca.tasks.task": (
        "Task",
        "TaskContext",
        "ClassShare",
    ),
    "nca.tasks.prediction": ("Prediction",),
    "nca.tasks.watched": ("WatchedTask",),
    "nca.tasks.display": (
        "Display",
        "ChannelColours",
        "ClassColours",
        "MappedColours",
        "StateColours",
        "Canvas",
    ),
    "nca.tasks.batch": ("Batch",),
    "nca.tasks.pool": (
        "Pool",
        "PoolOptions",
    ),
    "nca.tasks.damage": ("Damage",),
    "nca.tasks.metrics": ("Share",),
    "nca.data.dataset": (
        "Dataset",
        "LabelledImages",
    ),
    "nca.progress": (
        "Progress",
        "SILENT",
    ),
    "nca.render.picture_files": ("pictures_in",),
    "nca.render.load": (
        "load_numbers",
        "load_picture",
        "load_target",
        "load_texture",
        "to_rgb_on_white",
    ),
    "nca.recipe.named_rule": ("named_rule",),
    "nca.registry.importer": ("Imported",),
    # load and train whole automata
    "nca.model.model": ("Model", "load"),
    "nca.model.save": ("save",),
    "nca.model.train": ("train",),
    "nca.model.film": ("Film",),
    "nca.model.playing": ("Playing",),
    "nca.model.reports": ("Report",),
    # read results
    "nca.recipe.recipe": ("Recipe",),
    "nca.checkpoint.file": ("Checkpoint",),
    "nca.checkpoint.trained": ("Trained",),
    # go wrong
    "nca.errors": (
        "NCAError",
        "NCAWarning",
        "CheckpointError",
        "DataError",
        "DeviceError",
        "DivergedError",
        "ExportError",
        "PictureError",
        "PluginError",
        "ProcessError",
        "RegistryError",
        "ShapeError",
        "StorageError",
        "TargetError",
    ),
    "nca.validation.faults": (
        "Fault",
        "OptionError",
    ),
}
"""The module in which each public name lives."""

NAMESPACES = (
    "analysis",
    "data",
    "display",
    "losses",
    "metrics",
    "program",
    "registry",
    "stencils",
    "types",
)
"""The modules of `nca` that are public as a whole."""

_HOME = {name: module for module, names in NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name, or a public module, when it is first asked for."""
    if name not in NAMESPACES and name not in _HOME:
        raise AttributeError(f"module 'nca' has no attribute {name!r}")
    from nca.spinning import short_spins

    with short_spins():
        if name in NAMESPACES:
            found = importlib.import_module(f"nca.{name}")
        else:
            if name in ("Automaton", "Population"):
                importlib.import_module("nca.device")  # which lends its steps a clock
            found = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*_HOME, *NAMESPACES})
