"""The laws, one module each, or for a few that belong together.

A law is a function `check_...(place_rule, ...)` that raises an error on a rule that breaks it,
where `place_rule` makes the rule for a `RuleContext`, and a `Law` that says what it claims and
which examples to draw.
"""

from nca.testing.checks.bits import BITS
from nca.testing.checks.dtype import DTYPE
from nca.testing.checks.fire_rate import FIRE_RATE, FIRE_RATE_ZERO
from nca.testing.checks.gradients import GRADIENT, RECOMPUTATION
from nca.testing.checks.life import LIFE
from nca.testing.checks.locality import LOCALITY
from nca.testing.checks.program import FORMULAS, PROGRAM
from nca.testing.checks.pyramid import PART, PYRAMID
from nca.testing.checks.reads import UNREAD, VIEW
from nca.testing.checks.replay import REPLAY, SPLIT
from nca.testing.checks.samples import BATCHES, SHARDS
from nca.testing.checks.saving import SAVING
from nca.testing.checks.sparse import SPARSE
from nca.testing.checks.tiled import TILED
from nca.testing.checks.tiling import TILING
from nca.testing.checks.translation import TRANSLATION, TRANSLATION_ALIVE
from nca.testing.checks.untouched import INPUTS, OLD_STATE, SHOWN

LAWS = (
    DTYPE,
    SHOWN,
    OLD_STATE,
    INPUTS,
    REPLAY,
    SPLIT,
    VIEW,
    UNREAD,
    TRANSLATION,
    TRANSLATION_ALIVE,
    TILING,
    LOCALITY,
    PYRAMID,
    PART,
    BATCHES,
    SHARDS,
    FIRE_RATE,
    FIRE_RATE_ZERO,
    LIFE,
    GRADIENT,
    RECOMPUTATION,
    SAVING,
    PROGRAM,
    FORMULAS,
    SPARSE,
    TILED,
    BITS,
)
"""All laws, in the order in which they are checked: what says most of a fault comes first."""
