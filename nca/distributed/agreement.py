"""What several processes agree on, where each has decided for itself."""

from dataclasses import replace

from nca.distributed.group import ProcessGroup
from nca.recipe.precision import PrecisionChoice
from nca.recipe.recipe import Recipe


def agreed_precision(recipe: Recipe, group: ProcessGroup) -> Recipe:
    """Return a recipe whose precision is that of all processes: float32, if any has decided so."""
    choice = recipe.precision
    assert choice is not None
    if group.any(choice.name == "float32") and choice.name != "float32":
        choice = PrecisionChoice("float32", "as another process needs it")
    return replace(recipe, precision=choice)
