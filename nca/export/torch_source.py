"""The source of a plain PyTorch module that takes the steps of an automaton, and its weights.

What is written needs torch and safetensors alone, and reads as somebody would have written it by
hand for this very automaton: nothing in it is general but what it is made of.
"""

import re
from collections.abc import Iterator
from importlib.metadata import version

from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.context import RuleContext
from nca.engine.discrete import GatesTerm, TableTerm
from nca.engine.layout import Level
from nca.engine.program import (
    Activation,
    AttentionTerm,
    Correlation,
    DecayTerm,
    Layer,
    Location,
    MLPTerm,
    Perception,
    Program,
    Squash,
    Stencils,
    Term,
)
from nca.errors import ExportError
from nca.export.torch_text import CHECKED, CLASS, HEAD, HELPERS

MODES = {"torus": "circular", "zeros": "constant", "reflect": "reflect", "replicate": "replicate"}
BENT: dict[Activation, str] = {
    "relu": "F.relu(x)",
    "gelu": "F.gelu(x)",
    "silu": "F.silu(x)",
    "tanh": "torch.tanh(x)",
    "sine": "torch.sin(x)",
}


def torch_source(
    automaton: Automaton, name: str, axes: int, steps: int
) -> tuple[str, dict[str, Tensor]]:
    """Return the source of a module, and the tensors that it loads.

    Args:
        automaton: Whose steps it takes.
        name: What it was made of.
        axes: Of the grid.
        steps: How many a rollout has.

    Raises:
        ExportError: It has skips, another number of axes than two, or a rule that declares no
            program, or one that attends or asks where it is.
    """
    writer = _Writer(automaton, axes)
    bodies = [line for level in automaton.layout for line in writer.change(level)]
    body = "".join((writer.step(), *bodies))
    layout = automaton.layout
    rows, columns = automaton.topology.of(2)
    head = HEAD.format(
        version=version("nca"),
        name=re.sub(r"[^\w .-]", "_", name),  # it may come from a stranger, and is executed
        checked=CHECKED,
        levels=", ".join(f'"{level}": ...' for level in layout),
        steps=steps,
        beyond=rows if rows == columns else f"{rows} above and below, {columns} beside",
        mode_rows=MODES[rows],
        mode_columns=MODES[columns],
    )
    helpers = "".join(text for name, text in HELPERS.items() if re.search(rf"\b{name}\(", body))
    inputs = [level for level in layout if layout[level].input]
    made = CLASS.format(
        channels="".join(f"\n        {level}: {_held(layout[level])}" for level in layout),
        inputs=f"Nothing writes to {', '.join(inputs)}." if inputs else "All of it changes.",
        fixed="".join(
            f'        self.weights["{name}"].requires_grad_(False)\n' for name in writer.fixed
        ),
        fire_rate=automaton.fire_rate,
    )
    return f"{head}{helpers}{made}{body}", writer.tensors


class _Writer:
    """Writes the methods of a module, and collects its tensors."""

    def __init__(self, automaton: Automaton, axes: int) -> None:
        self.spec = automaton.spec
        self.tensors: dict[str, Tensor] = {}
        self.fixed: list[str] = []
        if self.spec.skips:
            raise _unfit("its temporal skip connections remember states")
        if axes != 2:
            raise _unfit(f"its grid has {axes} {'axis' if axes == 1 else 'axes'}")

    def step(self) -> str:
        """Return the method that lets a step pass."""
        spec, alive = self.spec, self.spec.alive
        noisy = spec.noise is not None and spec.noise.scale > 0
        changing = [name for name in spec.writable_levels if spec.rules_of(name) or noisy]
        lines = ["", "def step(self, levels, fire_rate):", "    after = dict(levels)"]
        lines += ["    alive = self.alive(levels)"] if alive else []
        for name in changing:
            lines += [f"    {line}" for line in self._update(name, noisy)]
        if alive and alive.dead == "cleared":
            lines.append("    alive = alive & self.alive(after)")
            lines += [
                f'    after["{name}"] = after["{name}"] * {self._alive_on(name)}'
                for name in spec.writable_levels
            ]
        lines.append("    return after")
        if alive:
            lines += ["", *self._alive()]
        lines += ["", *self._fires(), *(self._noise() if noisy else ())]
        return _indented(lines)

    def change(self, level: str) -> Iterator[str]:
        """Yield the method that proposes the change of a level, if it has rules."""
        context = self.spec.context(level)
        lines = []
        for number, rule in enumerate(self.spec.rules_of(level)):
            program = rule.program_alone(context)
            if not isinstance(program, Program):
                raise _unfit(f'{type(rule).__name__} of level "{level}" {program.why}')
            for place, term in enumerate(program.terms):
                read = {name: _read(context, name) for name in program.levels}
                lines += self._term(term, f"{level}_{number}_{place}", level, read)
        if lines:
            head = ["", f"def change_of_{level}(self, levels):", "    w, change = self.weights, 0"]
            yield _indented([*head, *(f"    {line}" for line in lines), "    return change"])

    def _update(self, name: str, noisy: bool) -> Iterator[str]:
        spec = self.spec
        change = f"self.change_of_{name}(levels)" if spec.rules_of(name) else "0"
        yield f"change = {change}" + (f" * {spec.step_size}" if spec.step_size != 1 else "")
        if noisy:
            yield f'change = change + self.noise("{name}", levels["{name}"])'
        frozen = spec.alive and spec.alive.dead == "frozen"
        mask = f" * {self._alive_on(name)}" if frozen else ""
        yield f'fires = self.fires("{name}", levels["{name}"], fire_rate)'
        yield f'after["{name}"] = levels["{name}"] + change * fires{mask}'

    def _alive(self) -> Iterator[str]:
        alive = self.spec.alive
        assert alive
        yield "def alive(self, levels):"
        yield f'    mature = levels["{alive.level}"][:, {alive.channel} : {alive.channel + 1}]'
        if alive.radius:
            side = 2 * alive.radius + 1
            yield f"    near = pad(mature, {alive.radius}, {alive.radius})"
            yield f"    return F.max_pool2d(near, {side}, stride=1) > {alive.above}"
        else:
            yield f"    return mature > {alive.above}"

    def _alive_on(self, name: str) -> str:
        """Return the alive mask as the cells of a level read it, an expression."""
        assert self.spec.alive
        own, scale = self.spec.layout[self.spec.alive.level].scale, self.spec.layout[name].scale
        if own < scale:
            return f"(F.max_pool2d(alive.float(), {scale // own}) > 0)"
        return f"nearest_of(alive, {own // scale})" if own > scale else "alive"

    def _fires(self) -> Iterator[str]:
        yield "def fires(self, name, level, fire_rate):"
        yield '    """Return which cells change in this step: by chance, all channels alike."""'
        yield "    return torch.rand_like(level[:, :1]) < fire_rate"

    def _noise(self) -> Iterator[str]:
        noise = self.spec.noise
        assert noise
        draw = "randn_like" if noise.kind == "normal" else "rand_like"
        yield ""
        yield "def noise(self, name, level):"
        yield f"    return {noise.scale} * torch.{draw}(level)"

    def _term(self, term: Term, name: str, level: str, read: dict[str, str]) -> Iterator[str]:
        match term:
            case DecayTerm(rate):
                fixed = isinstance(rate, float | int)
                share = rate if fixed else self._keep(f"{name}_rate", rate)
                yield f'change = change - {share} * levels["{level}"]'
            case MLPTerm(perceptions, layers):
                for number, one in enumerate(perceptions):
                    looked = list(self._perception(one, f"{name}_sees{number or ''}", read))
                    yield from looked[:-1]
                    yield f"x = {'x + ' if number else ''}{looked[-1]}"
                for number, layer in enumerate(layers):
                    yield from self._layer(layer, f"{name}_layer{number}")
                yield "change = change + x"
            case AttentionTerm():
                raise _unfit(f'a rule of level "{level}" attends to its neighbours')
            case TableTerm() | GatesTerm():
                what = "a table or a network of logic gates"
                raise _unfit(f'a rule of level "{level}" is {what}', "export it with --to c")

    def _perception(self, one: Perception, name: str, read: dict[str, str]) -> Iterator[str]:
        """Yield the lines of a perception; the last is an expression."""
        match one:
            case Stencils():
                kernels = self._keep(name, one.kernels)
                self.fixed += [] if one.kernels.requires_grad else [name]
                looked = f"each_channel({read[one.level]}, {kernels})"
                if not one.length:
                    yield looked
                    return
                first, last = one.length[0], one.length[-1] + 1
                yield f"seen = {looked}.unflatten(1, ({one.channels}, {len(one.kernels)}))"
                yield f"slope = (seen[:, :, {first}:{last}].square().sum(2, True) + 1e-8).sqrt()"
                parts = f"seen[:, :, :{first}], slope, seen[:, :, {last}:]"
                yield f"torch.cat([{parts}], dim=2).flatten(1, 2)"
            case Correlation(attention=None):
                level = read[one.level]
                if isinstance(one.cell_map, Squash):
                    bound = one.cell_map.bound
                    level = f"{bound} * torch.tanh({level} / {bound})"
                elif one.cell_map is not None:
                    channels = one.weight.shape[1]
                    level = f"F.layer_norm({level}.movedim(1, -1), ({channels},)).movedim(-1, 1)"
                given = self._keep(name, one.weight)
                bias = f", {self._keep(f'{name}_bias', one.bias)}" if one.bias is not None else ""
                yield f"correlate({level}, {given}{bias})"
            case Correlation():
                raise _unfit("a rule attends to its neighbours")
            case Location():
                raise _unfit("a rule asks where in the grid a cell is")

    def _layer(self, layer: Layer, name: str) -> Iterator[str]:
        if layer.activation != "none":
            yield f"x = {BENT[layer.activation]}"
        weight = self._keep(name, layer.weight[:, :, None, None])
        bias = f", {self._keep(f'{name}_bias', layer.bias)}" if layer.bias is not None else ""
        yield f"x = F.conv2d(x, {weight}{bias})"

    def _keep(self, name: str, tensor: Tensor) -> str:
        self.tensors[name] = tensor.detach().float().cpu().clone().contiguous()
        return f'w["{name}"]'


def _read(context: RuleContext, name: str) -> str:
    """Return a level as a rule reads it, an expression."""
    level, resampling = context.level(name), context.own.resampling
    way = resampling.way(level.scale)
    plain = f'levels["{level.name}"]'
    return f"{way}_of({plain}, {resampling.factor(level.scale)})" if way else plain


def _held(level: Level) -> str:
    """Return what a cell of a level holds, and of how many cells of the grid it is one."""
    of = f", of {level.scale} x {level.scale} cells of the grid" if level.scale > 1 else ""
    return f"{level.channels} numbers{of}"


def _indented(lines: list[str]) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in lines)


def _unfit(why: str, to_do: str = "export it with --to onnx") -> ExportError:
    return ExportError(
        f"no plain module can be written of this automaton: {why}.",
        where="rules and conditions of the recipe",
        to_do=f"{to_do} instead, or keep it in nca: nca.load",
    )
