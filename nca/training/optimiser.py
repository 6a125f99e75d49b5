"""The optimiser of a run: Adam or AdamW over all weights."""

from collections.abc import Iterable

import torch
from torch import nn

from nca.errors import ShapeError
from nca.recipe.tables import Train


def make_optimiser(table: Train, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimiser that a recipe asks for.

    Args:
        table: What the recipe says of training.
        parameters: What it moves.

    Raises:
        ShapeError: There is nothing to move.
    """
    parameters = list(parameters)
    if not parameters:
        raise ShapeError(
            "there is nothing to train: no rule of the recipe and not its task has weights.",
            where="[[levels]] rules",
            to_do="add a rule with weights; `nca plugins` lists them",
        )
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[table.optimiser]
    return kind(
        parameters,
        lr=table.learning_rate,
        betas=table.betas,
        weight_decay=table.weight_decay,
        fused=True,
    )
