"""draft."""

from nca.kernels.plan import LevelWeights, NetWeights
from nca.kernels.step import Moment, Weights, advance, interpreted, prepare

__all__ = ["LevelWeights", "NetWeights", "Moment", "Weights", "advance", "interpreted", "prepare"]
