"""What all plans of a space share, worked out once: bytes and seconds of every block, each way it is cut and recomputed.

How a block is cut does not depend on the pipeline, its schedule, data parallelism or ZeRO. A stack holds the blocks of every
segment (a way to cut them with a recompute mode) one after another in one array; the plans of a pipeline are rows of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from bursar import marks
from bursar.dims import Dim, at_least
from bursar.memory import peaks
from bursar.parallel import pipeline
from bursar.parallel.pipeline import Stage
from bursar.plan import Plan
from bursar.planner.space import Space
from bursar.recompute import spec
from bursar.seconds import offloading, schedule_time, step_time
from bursar.seconds.step_time import Pace
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

    load: Any  # a `memory.Load`, with `Tops` for its passes
    pace: Pace
    weight: Dim
    waits: Dim


class Segment(NamedTuple):
    """Rows of a stack that have their structure in common: where they begin, and how many they are."""

    start: int
    size: int
    cut: Plan  # the choices that a block is cut by
    mode: str

    @property
    def rows(self) -> slice:
        return slice(self.start, self.start + self.size)


@dataclass(frozen=True, eq=False)
class Stack:
    """The rows of a setting of one architecture: segments, degrees, and the cost of every block by its id."""

    setting: Plan
    architecture: Architecture
    untied: tuple[Block, ...]  # the tail of a stage without the embedding
    segments: tuple[Segment, ...]
    degrees: dict[str, Any]
    costs: dict[int, Cost]

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
    for mode in filter(stacked, space.values("recompute")):
        tuned = replace(setting, recompute=mode).tuned(space.architecture)
        modes.setdefault(id(tuned), (tuned, []))[1].append(mode)
    for tuned, same in modes.values():
        yield _stack(space, setting, tuned, same)


def _stack(space: Space, setting: Plan, architecture: Architecture, modes: list[str]) -> Stack:
    untied = pipeline.untied(architecture.tail)
    ends = [(block, False) for block in (*architecture.stem, *architecture.tail, *untied)]
    layers = {id(run.block): run.block for run in (*architecture.towers, *architecture.trunk)}
    blocks = [*ends, *((block, True) for block in layers.values())]
    segments: list[Segment] = []
    degrees: list[dict[str, Any]] = []
    costs: list[list[Cost]] = []
    start = 0
    for chosen, own in space.cuts(setting):
        size = own["tensor"].size
        cut = _Cut(space, replace(chosen, data=space.devices / (own["tensor"] * own["context"]), **own))
        for mode in modes:
            segments.append(Segment(start, size, chosen, mode))
            degrees.append(own)
            costs.append([cut.cost(block, mode if layer else "none", layer=layer) for block, layer in blocks])
            start += size
    sizes = [segment.size for segment in segments]
    together = {name: np.concatenate([own[name] for own in degrees]) for name in degrees[0]}
    found = {id(block): _joined(parts, sizes) for (block, _), parts in zip(blocks, zip(*costs, strict=True), strict=True)}
    return Stack(setting, architecture, untied, tuple(segments), together, found)


class _Cut:
    """The blocks of one way to cut them: each is cut once, for all modes."""

    def __init__(self, space: Space, plan: Plan) -> None:
        self.training: Training = space.training(plan, checked=False)
        self.cuts: dict[int, Block] = {}
        self.costs: dict[tuple[int, str], Cost] = {}
        self.later: dict[int, tuple[Dim, Dim]] = {}

    def cost(self, block: Block, mode: str, *, layer: bool) -> Cost:
        """The cost of a block under a recompute mode."""
        key = id(block), mode
        if key not in self.costs:
            same = _of(self._block(block), mode)
            self.costs[key] = self._cost(block, mode, layer=layer) if same == mode else self.cost(block, same, layer=layer)
        return self.costs[key]

    def _cost(self, block: Block, mode: str, *, layer: bool) -> Cost:
        training, plan = self.training, replace(self.training.plan, recompute=mode)
        own, kernels, step, machine = self._block(block), training.kernels, training.step, training.machine
        if layer and plan.marked:
            ((_, _, own),) = marks.applied((("", 1, own),), mode, plan.checkpoint, {})
        load = peaks.load(own, step, plan, kernels, plan.mode if layer else "none")
        if layer and "activations" in plan.offload:
            load = offloading.moved(load)
        passes = load.passes
        casts = plan.recipe.autocast
        tops = Tops(passes.backward, passes.beyond, passes.totals if casts else None, casts)
        return Cost(
            load._replace(passes=tops),  # type: ignore[arg-type]
            step_time.pace(own, step, plan, kernels, machine, plan.mode if layer else "none"),
            *self._later(block),
        )

    def _later(self, block: Block) -> tuple[Dim, Dim]:
        """Seconds of its weight gradients and bytes that wait for them, which are the same under every recompute mode."""
        if id(block) not in self.later:
            cut, training = self._block(block), self.training
            job = training.step, training.plan, training.kernels
            self.later[id(block)] = schedule_time.weight_pass(cut, *job, training.machine), peaks.waiting(cut, *job)
        return self.later[id(block)]

    def _block(self, block: Block) -> Block:
        if id(block) not in self.cuts:
            plan = self.training.plan
            own = plan.block(block)
            self.cuts[id(block)] = plan.cast(own, self.training.architecture.family) if plan.recipe.autocast else own
        return self.cuts[id(block)]


def _of(block: Block, mode: str) -> str:
    """What a recompute mode means to a block: modules that it does not have are left out."""
    words = spec(mode).modules if mode != "selective" else ()
    return ",".join([word for word in words if marks.missing(word, [block]) is None]) or "none" if words else mode


# ── the same fields of many ─────────────────────────────────────────────────────────────────────────────────────────────────


def _joined(parts: Iterable[Any], sizes: list[int]) -> Any:
    """Values of the segments one after another; a number that is the same in all of them stays one."""
    found = list(parts)
    first = found[0]
    if isinstance(first, dict):
        names = dict.fromkeys(name for part in found for name in part)
        return {name: _joined([part.get(name, 0) for part in found], sizes) for name in names}
    if isinstance(first, tuple):
        values = [_joined(of, sizes) for of in zip(*found, strict=True)]
        return type(first)(*values) if hasattr(first, "_fields") else tuple(values)
    if first is None or all(type(part) is type(first) and not isinstance(part, np.ndarray) and part == first for part in found):
        return first
    return np.concatenate(
        [np.broadcast_to(np.asarray(part, dtype=np.float64), size) for part, size in zip(found, sizes, strict=True)]
    )


def taken(value: Any, rows: Any) -> Any:
    """Some rows of values."""
    if isinstance(value, np.ndarray):
        return value[rows]
    if isinstance(value, dict):
        return {name: taken(part, rows) for name, part in value.items()}
    if isinstance(value, tuple):
        return (
            type(value)(*[taken(part, rows) for part in value])
            if hasattr(value, "_fields")
            else tuple([taken(p, rows) for p in value])
        )
    return value
