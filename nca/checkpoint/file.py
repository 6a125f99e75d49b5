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
from typing import Annotated, Any, BinaryIO

import torch
from annotated_types import Le
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from nca.checkpoint.bounds import LONGEST_NAME, VALUES, WHOLE, Metrics, header_fault
from nca.checkpoint.fit import misfits
from nca.checkpoint.tensor_file import with_tensor, write_tensors
from nca.distributed.pieces import TensorPieces
from nca.engine.automaton import Automaton
from nca.errors import CheckpointError
from nca.files import is_file, write_whole
from nca.jsonl import dumps, parse_json
from nca.recipe.precision import Precision
from nca.recipe.recipe import Recipe
from nca.recipe.recipe_files import KeptFile, RecipeFiles, Role
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
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError("is no name of a file that could be read")
    return name


class _Facts(BaseModel):
    """The metadata of a checkpoint, beside the format."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, AfterValidator(_file_name)]
    recipe: str
    overrides: tuple[str, ...] = ()
    iteration: Annotated[Natural, Le(WHOLE)] = 0
    metrics: Metrics = {}
    best: float | None = None
    versions: dict[str, str] = {}
    files: dict[str, Role] = {}
    precision: Precision | None = None


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
        files: The files from outside that it carries: the role of each by its path. The bytes of
            the first lie in the tensor `files.0`, and so on.
        precision: Of matrix products in training; None: as the recipe says, or float32.
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
    files: Mapping[str, Role] = field(default_factory=dict)
    precision: Precision | None = None
    tensors: Mapping[str, Tensor] = field(default_factory=dict, repr=False)

    def write(self, path: Path, pieces: Mapping[str, TensorPieces] | None = None) -> None:
        """Write the file; what was there before stays whole until the new one is.

        Args:
            path: The file.
            pieces: More tensors that it shall hold, by name.

        Raises:
            StorageError: No space, no permission, no such folder.
        """
        record = json.loads(dumps({"format": FORMAT, **_metadata(self)}))  # as it will be read
        tensors = {name: TensorPieces.of(tensor) for name, tensor in self.tensors.items()}

        def metadata(checksum: int) -> dict[str, str]:
            return {"nca": dumps({**record, "checksum": checksum})}

        def write(file: BinaryIO) -> None:
            write_tensors(file, {**tensors, **(pieces or {})}, metadata, _begun(record))

        write_whole(path, write)

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
            if fault := header_fault(path):
                raise ValueError(fault)
            with safe_open(path, "pt") as file:
                record = (file.metadata() or {}).get("nca")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as fault:
            raise CheckpointError(
                f"the checkpoint is damaged or no safetensors file: {_reason(fault)}.",
                where=str(path),
                to_do=DAMAGED,
            ) from None
        return cls._from(record, tensors, path)

    @classmethod
    def _from(cls, record: str | None, tensors: dict[str, Tensor], path: Path) -> "Checkpoint":
        facts = _facts(record, path)
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
            places = (detail["loc"] for detail in error.errors(include_input=False))
            wrong = sorted({str(place[0]) if place else "metadata" for place in places})
        else:
            wrong = [] if type(made) is int and made == FORMAT else ["format"]
            if not _fits(known.files, tensors):
                wrong.append("files")
            if checksum not in (None, _checksum({"format": made, **facts}, tensors)):
                wrong = ["checksum"]  # a byte has changed, in the weights or in the metadata
            if not wrong:
                return cls(**dict(known), tensors=tensors)
        raise _damaged(path, wrong)

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
            files=self.carried(path),
        )

    def carried(self, path: Path) -> RecipeFiles:
        """Return the files that its recipe names; none is looked for on the disk.

        Args:
            path: Its own file.
        """
        files = {
            name: KeptFile(self.tensors[f"files.{number}"].numpy().tobytes(), role)
            for number, (name, role) in enumerate(self.files.items())
        }
        return RecipeFiles(path.parent, files, str(path))

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors under a prefix, without it."""
        start = f"{prefix}."
        return {n.removeprefix(start): t for n, t in self.tensors.items() if n.startswith(start)}

    def check_shapes(self, module: nn.Module, prefix: str, path: Path) -> None:
        """Compare the tensors under a prefix with those of a module, which may be an outline.

        Raises:
            CheckpointError: Missing or unexpected tensors, other shapes, other types of numbers;
                all are named.
        """
        given, wanted = self.part(prefix), module.state_dict()
        if faults := misfits(given, wanted):
            raise CheckpointError(
                f"the weights do not fit the {prefix}: {'; '.join(faults)}.",
                where=str(path),
                to_do="use the recipe and plugins that it was trained with, without overrides "
                "that change shapes",
            )

    def load(self, module: nn.Module, prefix: str, path: Path) -> None:
        """Put the tensors under a prefix into a module, strictly.

        Raises:
            CheckpointError: They do not fit, or are not finite in the module's own type.
        """
        self.check_shapes(module, prefix, path)
        given = self.part(prefix)
        if lost := lost_weights(given, module):
            raise CheckpointError(
                f"weights of the {prefix} are not finite: {', '.join(lost)}.",
                where=str(path),
                to_do="use a checkpoint from before training diverged",
            )
        module.load_state_dict(given)


def lost_weights(given: Mapping[str, Tensor], module: nn.Module) -> list[str]:
    """Return which weights a module would get that are not finite, in its own type, sorted."""
    return sorted(
        name
        for name, weight in module.named_parameters()
        if not given[name].to(weight.dtype).isfinite().all()
    )


def weights(**modules: nn.Module) -> dict[str, Tensor]:
    """Return all tensors of some modules, each under its own name as prefix."""
    return {
        f"{prefix}.{name}": tensor
        for prefix, module in modules.items()
        for name, tensor in module.state_dict().items()
    }


def fingerprint(automaton: Automaton) -> int:
    """Return a number that changes with the levels of an automaton and with every weight."""
    checksum = zlib.crc32(repr(automaton.layout).encode())
    for name, tensor in sorted(weights(automaton=automaton).items()):
        flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        checksum = zlib.crc32(flat.numpy().data, zlib.crc32(name.encode(), checksum))
    return checksum


def _facts(record: str | None, path: Path) -> Any:
    """Return what the metadata say; None where they are no JSON.

    Raises:
        CheckpointError: They are JSON, but too deep, too many, or no text.
    """
    try:
        return parse_json(record or "", VALUES)
    except json.JSONDecodeError:
        return None
    except ValueError:
        raise _damaged(path, ["metadata"]) from None


def _damaged(path: Path, wrong: list[str]) -> CheckpointError:
    """Return the error that names the parts of the metadata that are wrong."""
    what = f"the checkpoint is damaged: its {' and '.join(wrong)} cannot be right."
    return CheckpointError(what, where=str(path), to_do=DAMAGED)


def _reason(fault: BaseException) -> str:
    """Return the first line of what a library says; torch adds its own stack below."""
    return (str(fault).splitlines() or [type(fault).__name__])[0]


def file_tensors(files: Mapping[str, KeptFile]) -> dict[str, Tensor]:
    """Return the bytes of files as the tensors in which a checkpoint carries them."""
    return {
        f"files.{number}": torch.frombuffer(bytearray(file.content), dtype=torch.uint8)
        if file.content
        else torch.zeros(0, dtype=torch.uint8)
        for number, file in enumerate(files.values())
    }


def _fits(files: Mapping[str, Role], tensors: Mapping[str, Tensor]) -> bool:
    """Return whether there are the bytes of all files, and no others."""
    held = {name: t for name, t in tensors.items() if name.startswith("files.")}
    return held.keys() == {f"files.{number}" for number in range(len(files))} and all(
        tensor.dtype == torch.uint8 and tensor.ndim == 1 for tensor in held.values()
    )


def _metadata(checkpoint: Checkpoint) -> dict[str, Any]:
    shallow = Checkpoint(**{**checkpoint.__dict__, "tensors": {}})
    facts = {name: value for name, value in asdict(shallow).items() if name != "tensors"}
    for name in ("files", "precision"):  # so that older versions read what carries none
        if not facts[name]:
            del facts[name]
    return facts


def _checksum(record: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> int:
    """Return a number that changes with every changed byte of a checkpoint."""
    checksum = _begun(record)
    for name, tensor in sorted(tensors.items()):
        content = tensor.reshape(-1).view(torch.uint8).numpy().data
        checksum = with_tensor(checksum, name, tensor, [content])
    return checksum


def _begun(record: Mapping[str, Any]) -> int:
    """Return the checksum of the metadata, to which those of the tensors are added."""
    return zlib.crc32(json.dumps(record, sort_keys=True).encode())
