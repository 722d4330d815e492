"""What all plans of a space share, worked out once: bytes and seconds of every block, each way it is cut and recomputed.

How a block is cut does not depend on the pipeline, its schedule, data parallelism or ZeRO. The columns of a stack are the degrees
of every way to cut blocks, one way after another; its rows are the recompute modes. What all modes have in common is one row, and
what all plans have in common is a number: arrays meet by broadcasting, and nothing is worked out for more plans than differ in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from bursar import marks, rules
from bursar.dims import Dim, at_least
from bursar.memory import peaks
from bursar.memory.parts import Wired
from bursar.parallel import pipeline
from bursar.parallel.pipeline import Stage
from bursar.plan import Plan
from bursar.planner.space import Space
from bursar.recompute import spec
from bursar.seconds import block_time, offloading, schedule_time
from bursar.seconds.block_time import Pace, Timed
from bursar.training import Training
from bursar.tree import Architecture, Block


class Tops(NamedTuple):
    """Of the passes of a block what a peak needs: bytes at the highest moments (`liveness.Passes`)."""

    backward: Dim
    beyond: Dim
    totals: tuple[Dim, Dim] | None
    caches: bool

    def top(self, shown: Dim) -> Dim:
        return at_least(self.backward + shown, self.beyond)


class Cost(NamedTuple):
    """A block: what a rank holds of it, its seconds, those of its weight gradients, and bytes that wait for these."""

    load: Any  # a `peaks.Load`, with `Tops` for its passes
    pace: Pace
    weight: Dim
    waits: Dim


class Cut(NamedTuple):
    """Columns of a stack whose blocks are cut alike but for the degrees: where they begin and end, and the choices."""

    start: int
    end: int
    plan: Plan


@dataclass(frozen=True, eq=False)
class Stack:
    """The blocks of a setting of one architecture: rows, columns, degrees by column, and the cost of every block by its id."""

    setting: Plan
    architecture: Architecture
    untied: tuple[Block, ...]  # the tail of a stage without the embedding
    modes: tuple[str, ...]
    cuts: tuple[Cut, ...]
    degrees: dict[str, Any]
    costs: dict[int, Cost]

    @cached_property
    def cut(self) -> Any:
        """Which of the cuts a column is."""
        return np.repeat(np.arange(len(self.cuts)), [cut.end - cut.start for cut in self.cuts])

    def stages(self, ranks: int, name: str, virtual: int) -> tuple[Stage, ...]:
        """The stages of a pipeline, of these blocks."""
        return tuple(
            [self._known(stage) for stage in pipeline.stages(self.architecture, ranks, name, virtual, self.setting.layout)]
        )

    def _known(self, stage: Stage) -> Stage:
        apart = [chunk.tail and chunk.tail[0] is not self.architecture.tail[0] for chunk in stage.chunks]
        chunks = [replace(c, tail=self.untied) if other else c for c, other in zip(stage.chunks, apart, strict=True)]
        return replace(stage, chunks=tuple(chunks))


def stacked(mode: str) -> bool:
    """Whether a recompute mode treats every layer for itself; groups of layers depend on how a pipeline cuts them."""
    return spec(mode).group == 1 and spec(mode).first is None


def stacks(space: Space, setting: Plan) -> Iterator[Stack]:
    """The stacks of a setting: one, or with adapters one for modes that ask for the gradient of the embedding as well."""
    modes: dict[int, tuple[Architecture, list[str]]] = {}
    have = marks.present([run.block for run in space.architecture.trunk])
    for mode in filter(stacked, space.values("recompute")):
        if mode == "selective" or set(spec(mode).modules) <= set(have):
            tuned = replace(setting, recompute=mode).tuned(space.architecture)
            modes.setdefault(id(tuned), (tuned, []))[1].append(mode)
    for tuned, same in modes.values():
        if found := _stack(space, setting, tuned, same):
            yield found


def _stack(space: Space, setting: Plan, architecture: Architecture, modes: list[str]) -> Stack | None:
    untied = pipeline.untied(architecture.tail)
    ends = [(block, False) for block in (*architecture.stem, *architecture.tail, *untied)]
    layers = {id(run.block): run.block for run in (*architecture.towers, *architecture.trunk)}
    blocks = [*ends, *((block, True) for block in layers.values())]
    cuts: list[Cut] = []
    degrees: list[dict[str, Any]] = []
    costs: list[list[list[Cost]]] = []
    start = 0
    for chosen, every in space.cuts(setting):
        own = _keeping(space, replace(chosen, recompute=modes[0]), every)
        if size := own["tensor"].size:
            cut = _Blocks(space, replace(chosen, data=space.devices / (own["tensor"] * own["context"]), **own))
            cuts.append(Cut(start, start + size, chosen))
            degrees.append(own)
            costs.append([[cut.cost(block, mode if layer else "none", layer=layer) for mode in modes] for block, layer in blocks])
            start += size
    if not cuts:
        return None
    together = {name: np.concatenate([own[name] for own in degrees]) for name in degrees[0]}
    sizes = [cut.end - cut.start for cut in cuts]
    found = {id(block): _joined(parts, sizes) for (block, _), parts in zip(blocks, zip(*costs, strict=True), strict=True)}
    return Stack(setting, architecture, untied, tuple(modes), tuple(cuts), together, found)


def _keeping(space: Space, chosen: Plan, degrees: dict[str, Any]) -> dict[str, Any]:
    """The degrees that keep the rules of a cut."""
    kept = rules.mask(space.architecture, replace(chosen, **degrees), space.job, among=rules.OF_A_CUT)
    rows = np.broadcast_to(kept, degrees["tensor"].size)
    return {name: values[rows] for name, values in degrees.items()}


class _Blocks:
    """The blocks of one way to cut them: each is cut once, for all modes."""

    def __init__(self, space: Space, plan: Plan) -> None:
        self.training: Training = space.training(plan, checked=False)
        self.cuts: dict[int, Block] = {}
        self.costs: dict[tuple[int, str], Cost] = {}
        self.plans: dict[str, Plan] = {}
        self.modules: dict[int, list[str]] = {}
        self.known: dict[int, tuple[Wired, tuple[Timed, ...], Dim, Dim]] = {}

    def cost(self, block: Block, mode: str, *, layer: bool) -> Cost:
        """The cost of a block under a recompute mode."""
        key = id(block), mode
        if key not in self.costs:
            same = self._of(block, mode)
            self.costs[key] = self._cost(block, mode, layer=layer) if same == mode else self.cost(block, same, layer=layer)
        return self.costs[key]

    def _cost(self, block: Block, mode: str, *, layer: bool) -> Cost:
        training, plan = self.training, self._plan(mode)
        own, kernels, step = self._block(block), training.kernels, training.step
        wired, timed, weight, waits = self._whatever_mode(block)
        if layer and plan.marked:
            ((_, _, own),) = marks.applied((("", 1, own),), mode, plan.checkpoint, {})
        load = peaks.load(own, step, plan, kernels, plan.mode if layer else "none", wired)
        if layer and "activations" in plan.offload:
            load = offloading.moved(load)
        passes = load.passes
        casts = plan.recipe.autocast
        tops = Tops(passes.backward, passes.beyond, passes.totals if casts else None, casts)
        pace = block_time.pace(own, step, plan, kernels, training.machine, plan.mode if layer else "none", timed)
        return Cost(load._replace(passes=tops), pace, weight, waits)  # type: ignore[arg-type]

    def _of(self, block: Block, mode: str) -> str:
        """What a recompute mode means to a block: modules that it does not have are left out."""
        words = spec(mode).modules if mode != "selective" else ()
        if words and id(block) not in self.modules:
            self.modules[id(block)] = marks.present([self._block(block)])
        return ",".join([word for word in words if word in self.modules[id(block)]]) or "none" if words else mode

    def _plan(self, mode: str) -> Plan:
        if mode not in self.plans:
            self.plans[mode] = replace(self.training.plan, recompute=mode)
        return self.plans[mode]

    def _whatever_mode(self, block: Block) -> tuple[Wired, tuple[Timed, ...], Dim, Dim]:
        """What is the same under every recompute mode: tensors and seconds of lines, seconds of the gradients of weights, and the
        bytes that wait for them."""
        if id(block) not in self.known:
            own, training = self._block(block), self.training
            job = training.step, training.plan, training.kernels
            self.known[id(block)] = (
                peaks.wired_of(own, *job), tuple(block_time.timed(own, *job, training.machine)),
                schedule_time.weight_pass(own, *job, training.machine), peaks.waiting(own, *job),
            )  # fmt: skip
        return self.known[id(block)]

    def _block(self, block: Block) -> Block:
        if id(block) not in self.cuts:
            plan = self.training.plan
            own = plan.block(block)
            self.cuts[id(block)] = plan.cast(own, self.training.architecture.family) if plan.recipe.autocast else own
        return self.cuts[id(block)]


# ── the same fields of many ─────────────────────────────────────────────────────────────────────────────────────────────────


def _joined(cuts: Any, sizes: list[int]) -> Any:
    """The values of every cut by mode as rows and columns: one row where all modes agree, one number where all plans do."""
    first = cuts[0][0]
    alike = all(value is first for values in cuts for value in values)
    if first is None or isinstance(first, (bool, str)) or (alike and not isinstance(first, np.ndarray)):
        return first
    if isinstance(first, dict):
        names = dict.fromkeys(name for values in cuts for value in values for name in value)
        return {name: _joined([[value.get(name, 0) for value in values] for values in cuts], sizes) for name in names}
    if isinstance(first, tuple):
        fields = [_joined([[value[place] for value in values] for values in cuts], sizes) for place in range(len(first))]
        return type(first)(*fields) if hasattr(first, "_fields") else tuple(fields)
    every = [value for values in cuts for value in values]
    if not any(isinstance(value, np.ndarray) for value in every) and all(value == first for value in every):
        return first
    parts = [_by_mode(values, size) for values, size in zip(cuts, sizes, strict=True)]
    rows = np.broadcast_shapes(*[part.shape[:-1] for part in parts])
    return np.concatenate([np.broadcast_to(part, (*rows, part.shape[-1])) for part in parts], axis=-1)


def _by_mode(values: list[Any], size: int) -> Any:
    first = values[0]
    if all(value is first or np.array_equal(value, first) for value in values[1:]):
        return np.broadcast_to(np.asarray(first, dtype=np.float64), size)
    return np.stack([np.broadcast_to(np.asarray(value, dtype=np.float64), size) for value in values])


def taken(value: Any, columns: Any) -> Any:
    """Some columns of values."""
    if isinstance(value, np.ndarray):
        return value[..., columns]
    if isinstance(value, dict):
        return {name: taken(part, columns) for name, part in value.items()}
    if isinstance(value, tuple):
        parts = [taken(part, columns) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value
