"""One file that is enough: weights and recipe together, in safetensors.

All tensors lie under a prefix (`automaton.`, `task.`, `average.`, `optimiser.`, `pool.`), and
one metadata key, `nca`, holds the rest as JSON. Nothing in such a file is ever executed. Writing is
atomic: at any time either the old or the new file is whole.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from nca.errors import CheckpointError
from nca.files import is_file, write_whole
from nca.jsonl import dumps
from nca.recipe.recipe import Recipe
from nca.types import Natural

FORMAT = 1
MODULES = ("automaton", "task")
DAMAGED = "use another checkpoint of the run, or copy the file again"


def _file_name(name: str) -> str:
    if Path(name).name != name or name in (
        "",
        "..",
    ):  # what is drawn is named after it: it must not lead elsewhere
        raise ValueError("leads to another folder")
    return name


class _Facts(BaseModel):
    """The metadata of a checkpoint, beside the format."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, AfterValidator(_file_name)]
    recipe: str
    overrides: tuple[str, ...] = ()
    iteration: Natural = 0
    metrics: dict[str, Any] = {}
    best: float | None = None
    versions: dict[str, str] = {}


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes:
        name: The run's name.
        recipe: The recipe's text, overrides included.
        overrides: What was overridden.
        iteration: How many optimiser updates lie behind it.
        metrics: What was measured, by name.
        best: The headline of the best checkpoint so far, if any was measured.
        versions: Of nca and torch, for the record.
        tensors: Everything else, by prefixed name.
    """

    name: str
    recipe: str
    overrides: tuple[str, ...] = ()
    iteration: int = 0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    best: float | None = None
    versions: Mapping[str, str] = field(
        default_factory=lambda: {"nca": version("nca"), "torch": torch.__version__}
    )
    tensors: Mapping[str, Tensor] = field(default_factory=dict, repr=False)

    def write(self, path: Path) -> None:
        """Write the file; what was there before stays whole until the new one is.

        Raises:
            StorageError: No space, no permission, no such folder.
        """
        tensors = {  # copies, for safetensors refuses weights that share their memory
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in self.tensors.items()
        }
        record = json.loads(dumps({"format": FORMAT, **_metadata(self)}))  # as it will be read
        record["checksum"] = _checksum(record, tensors)
        write_whole(path, save(tensors, metadata={"nca": dumps(record)}))

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Read a file; its recipe is not parsed yet.

        Raises:
            CheckpointError: It is missing, damaged, foreign, or of a newer format.
        """
        if not is_file(path):
            raise CheckpointError(
                "there is no such checkpoint.",
                where=str(path),
                to_do="give the path of a .safetensors file, such as runs/NAME/best.safetensors",
            )
        try:
            with safe_open(path, "pt") as file:
                record = (file.metadata() or {}).get("nca")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as fault:
            raise CheckpointError(
                f"the checkpoint is damaged or no safetensors file: {fault}.",
                where=str(path),
                to_do=DAMAGED,
            ) from None
        return cls._from(record, tensors, path)

    @classmethod
    def _from(cls, record: str | None, tensors: dict[str, Tensor], path: Path) -> "Checkpoint":
        facts = _json(record)
        if not isinstance(facts, dict) or "format" not in facts or "recipe" not in facts:
            raise CheckpointError(
                "the file is safetensors, but no checkpoint of nca: it carries no recipe.",
                where=f"{path}, metadata key 'nca'",
                to_do="`nca import --help` lists which foreign weights can be turned into one",
            )
        made = facts.pop("format")
        if type(made) is int and made > FORMAT:
            raise CheckpointError(
                f"the checkpoint has format {made}, but this version reads format {FORMAT}.",
                where=str(path),
                to_do="install a newer nca",
            )
        checksum = facts.pop("checksum", None)
        try:
            known = _Facts.model_validate_json(dumps(facts))
        except ValidationError as error:
            wrong = sorted({str(detail["loc"][0]) for detail in error.errors()})
        else:
            wrong = [] if type(made) is int and made == FORMAT else ["format"]
            if checksum not in (None, _checksum({"format": made, **facts}, tensors)):
                wrong = ["checksum"]  # a byte has changed, in the weights or in the metadata
            if not wrong:
                return cls(**dict(known), tensors=tensors)
        raise CheckpointError(
            f"the checkpoint is damaged: its {' and '.join(wrong)} cannot be right.",
            where=str(path),
            to_do=DAMAGED,
        )

    def parsed(self, path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
        """Return the recipe that the checkpoint carries, with more overrides if given.

        Raises:
            RecipeError: It does not fit this version, its plugins, or the overrides.
        """
        return Recipe.parse(
            self.recipe,
            name=self.name,
            folder=path.parent,
            overrides=overrides,
            source=f"the recipe in {path}",
            trained=True,
        )

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors under a prefix, without it."""
        start = f"{prefix}."
        return {n.removeprefix(start): t for n, t in self.tensors.items() if n.startswith(start)}

    def load(self, module: nn.Module, prefix: str, path: Path) -> None:
        """Put the tensors under a prefix into a module, strictly.

        Raises:
            CheckpointError: Missing or unexpected tensors, or other shapes; all are named.
        """
        given, wanted = self.part(prefix), module.state_dict()
        faults = [f"missing {n} {list(wanted[n].shape)}" for n in sorted(set(wanted) - set(given))]
        faults += [
            f"unexpected {n} {list(given[n].shape)}" for n in sorted(set(given) - set(wanted))
        ]
        faults += [
            f"{n} is {list(given[n].shape)}, not {list(wanted[n].shape)}"
            for n in sorted(set(given) & set(wanted))
            if given[n].shape != wanted[n].shape
        ]
        if faults:
            raise CheckpointError(
                f"the weights do not fit the {prefix}: {'; '.join(faults)}.",
                where=str(path),
                to_do="use the recipe and plugins that it was trained with, without overrides "
                "that change shapes",
            )
        lost = [n for n, _ in module.named_parameters() if not given[n].isfinite().all()]
        if lost:
            raise CheckpointError(
                f"weights of the {prefix} are not finite: {', '.join(sorted(lost))}.",
                where=str(path),
                to_do="use a checkpoint from before training diverged",
            )
        module.load_state_dict(given)


def weights(**modules: nn.Module) -> dict[str, Tensor]:
    """Return all tensors of some modules, each under its own name as prefix."""
    return {
        f"{prefix}.{name}": tensor
        for prefix, module in modules.items()
        for name, tensor in module.state_dict().items()
    }


def _metadata(checkpoint: Checkpoint) -> dict[str, Any]:
    shallow = Checkpoint(**{**checkpoint.__dict__, "tensors": {}})
    return {name: value for name, value in asdict(shallow).items() if name != "tensors"}


def _json(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        return None


def _checksum(record: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> int:
    """Return a number that changes with every changed byte of a checkpoint."""
    checksum = zlib.crc32(json.dumps(record, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        checksum = zlib.crc32(f"{name} {tensor.dtype} {list(tensor.shape)}".encode(), checksum)
        checksum = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, checksum)
    return checksum
