"""What autograd keeps for the backward pass, tensor by tensor, with the reason for each (arXiv:2205.05198, section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from bursar import recompute
from bursar.errors import PlanError
from bursar.explain import closed, letters
from bursar.explain.keepers import Keeper, keepers
from bursar.explain.letters import Letters, Pair
from bursar.explain.reasons import reasons
from bursar.explain.step import Explained, Reason, Step, of_layer, times, total
from bursar.kernels import Kernels
from bursar.model import Model
from bursar.ops.elementwise import Slice
from bursar.parallel.pipeline import Stage
from bursar.plan import Plan
from bursar.precision import size
from bursar.step import Step as Workload
from bursar.training import Training
from bursar.tree import Block, Kept

SOURCE, PLACE = "korthikanti-2022", "section 4.1"


class Side(NamedTuple):
    """One reading of a rank's part of a block: with ints, or over letters."""

    block: Block
    step: Workload
    plan: Plan
    kernels: Kernels

    def kept(self) -> list[Kept]:
        return list(recompute.kept(self.block, self.step, self.kernels.keeps, self.plan.mode))

    def ends(self) -> list[Kept]:
        """The same of a block that is never recomputed."""
        return list(recompute.kept(self.block, self.step, self.kernels.keeps, "none"))

    def bytes(self, item: Kept) -> Any:
        return size(item.elements, self.plan.recipe.rate[item.kind])


class Job(NamedTuple):
    """A rank of a stage in both readings, and the numbers of its letters."""

    training: Training
    named: Letters
    plan: Plan  # over letters
    place: int  # of the stage among those that differ
    numbers: dict[str, int]

    @classmethod
    def of(cls, model: Model, training: Training, place: int = 0) -> Job:
        named = Letters(model)
        plan, degrees = letters.lettered(training.plan, model.architecture)
        numbers = {**named.numbers, **degrees, "b": training.plan.micro_batch, "s": training.step.queries}
        return cls(training, named, plan, place, numbers)

    @property
    def stages(self) -> tuple[Stage, Stage]:
        words = self.plan.stages(self.plan.tuned(self.named.counted()))
        return self.training.stages[self.place], words[self.place]

    def sides(self, own: Block, other: Block) -> tuple[Side, Side]:
        training = self.training
        return (
            Side(own, training.step, training.plan, training.kernels),
            Side(other, letters.step(training.step), self.plan, training.kernels),
        )

    def runs(self) -> list[Pair]:
        """The layers of the stage by block; of a whole model with how often over letters."""
        own, words = self.stages
        counts = {(pair.path, pair.times): pair.count for pair in self.named.pairs}
        found: dict[int, Pair] = {}
        first = 0
        for (path, times, ints), (_, _, other) in zip(own.layers, words.layers, strict=True):
            tower = not path.startswith("layers.")
            known = found.get(id(ints), Pair(path, ints, other, 0, 0, None if tower else first))
            number = known.times + times
            found[id(ints)] = known._replace(times=number, count=counts.get((path, number), number))
            first += 0 if tower else times
        return list(found.values())

    def layer(self, index: int) -> Pair:
        """The block that a layer of the trunk is. Raises PlanError for a layer that there is not."""
        layers = [block for path, times, block in self.stages[0].layers if path.startswith("layers.") for _ in range(times)]
        if index >= len(layers):
            raise PlanError(f"layer={index}", field="layer", value=index, valid=f"0 to {len(layers) - 1}")
        return next(run for run in self.runs() if run.ints is layers[index])


def activations(model: Model, plan: Plan, length: int, mask: str = "full", layer: int | None = None) -> Explained:
    """Bytes kept for one micro-batch on one rank: of the whole model, or of layer number `layer` as it stands, with the tables that
    it reads."""
    job = Job.of(model, Training(model, plan, length=length, mask=mask))
    if layer is not None:
        run = job.layer(layer)
        root = of_layer(_layer(run, job.sides(run.ints, run.words), alone=True), model.name, layer)
    else:
        found = parts(job)
        root = Step(model.name, *total(found), "B", "explain_activations", source=SOURCE, place=PLACE, steps=found)
    facts = {"kernels": plan.kernels, "precision": plan.precision, "recompute": plan.recompute}
    root = replace(root, facts={**root.facts, **facts}, assumes=("assume_kernels", "assume_autograd"))
    return Explained(root, job.numbers, closed.definitions(root))


def parts(job: Job) -> tuple[Step, ...]:
    """What a rank of a stage keeps of one micro-batch: embedding, layers by kind, head and loss, and the tables of all layers."""
    own, words = job.stages
    found: list[Step] = []
    tables: dict[str, Step] = {}
    for stem in zip(own.stem, words.stem, strict=True):
        found.append(_part(stem[0].kind, "", list(_tensors(job.sides(*stem), False, ends=True))))
    for run in job.runs():
        both = job.sides(run.ints, run.words)
        found.append(_layer(run, both))
        tables |= {step.name: step for step in _tensors(both, True) if step.name not in tables}
    for tail in zip(own.tail, words.tail, strict=True):
        found.append(_part(tail[0].kind, "", list(_tensors(job.sides(*tail), False, ends=True))))
    found.append(_part("shared", "", list(tables.values())))
    return tuple([part for part in found if part.steps])


def _layer(run: Pair, both: tuple[Side, Side], *, alone: bool = False) -> Step:
    """The layers of one kind, or one of them with its tables."""
    tensors = list(_tensors(both, False))
    tables = list(_tensors(both, True)) if alone else []
    if alone or run.times == 1:
        return _part("layer" if alone else run.kind, run.path, [*tensors, *tables])
    each = _part(run.kind, run.path, tensors)
    return Step(
        run.path.strip("."), times(run.count, each.formula), run.times * each.value, "B", "explain_layers",
        {"count": run.times, "kind": run.kind, "first": run.first or 0}, SOURCE, PLACE,
        steps=tuple([_every(tensor, run.count, run.times) for tensor in each.steps]),
        closed=each.closed,
    )  # fmt: skip


def _every(step: Step, count: Any, number: int) -> Step:
    """A step of every one of several layers."""
    parts = tuple([_every(part, count, number) for part in step.steps])
    return replace(step, formula=times(count, step.formula), value=number * step.value, steps=parts)


def _part(kind: str, path: str, steps: list[Step]) -> Step:
    formula, value = total(tuple(steps))
    key = {"stem": "embedding", "head": "explain_head", "shared": "shared"}.get(kind, "explain_layer")
    return Step(
        path.strip(".") or kind, formula, value, "B", key, {"kind": kind}, SOURCE, PLACE,
        steps=tuple(steps), closed=closed.form(tuple(steps)),
    )  # fmt: skip


def _tensors(both: tuple[Side, Side], shared: bool, *, ends: bool = False) -> Iterator[Step]:
    """What a block keeps, tensor by tensor: its own, or the tables of all layers."""
    ints, words = both
    mode = "none" if ends else ints.plan.mode
    who = keepers(ints.block, ints.step, ints.kernels, mode)
    items = zip(*[side.ends() if ends else side.kept() for side in both], strict=True)
    for own, other in items:
        if own.shared is shared:
            keeping = who.get(own.path, [])
            yield Step(
                own.path, words.bytes(other), ints.bytes(own), "B", facts={"kind": own.kind, "slot": keeping[0].slot if keeping else ""},
                source=_source(keeping, ints.kernels),
                reasons=(Reason("why_checkpoint_input"),) if mode == "full" and not own.shared else reasons(keeping),
                steps=() if mode == "full" else tuple(_views(both, own, other, keeping)),
            )  # fmt: skip


def _source(keeping: list[Keeper], kernels: Kernels) -> str:
    """Where the implementation that keeps a tensor is from."""
    return kernels.table[keeping[0].slot].source if keeping else SOURCE


def _views(both: tuple[Side, Side], own: Kept, other: Kept, keeping: list[Keeper]) -> Iterator[Step]:
    """The parts of a tensor that operators keep by name, where these are all of it: Q, K and V of one product."""
    ints, words = both
    names = list(dict.fromkeys(keeper.wire for keeper in keeping))
    if not all(isinstance(ints.block.lines.get(name), Slice) for name in names):
        return
    made = [[side.block.lines[name].made(side.block.sees(side.step)) for name in names] for side in both]
    if sum(made[0]) != own.elements:
        return
    for name, elements, in_words in zip(names, *made, strict=True):
        rates = [side.plan.recipe.rate[item.kind] for side, item in ((ints, own), (words, other))]
        found = tuple([keeper for keeper in keeping if keeper.wire == name])
        yield Step(
            name, size(in_words, rates[1]), size(elements, rates[0]), "B", facts={"kind": own.kind}, reasons=reasons(list(found))
        )
