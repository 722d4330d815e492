"""What autograd keeps for the backward pass, tensor by tensor, with the reason for each (arXiv:2205.05198, section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bursar.explain import closed
from bursar.explain.job import Job, Side
from bursar.explain.keepers import Keeper, keepers
from bursar.explain.letters import Pair
from bursar.explain.reasons import reasons
from bursar.explain.step import Explained, Reason, Step, of_layer, times, title, total
from bursar.kernels import Kernels
from bursar.model import Model
from bursar.ops.elementwise import Slice
from bursar.plan import Plan
from bursar.precision import size
from bursar.training import Training
from bursar.tree import Kept

SOURCE, PLACE = "korthikanti-2022", "section 4.1"


def activations(model: Model, plan: Plan, length: int, mask: str = "full", layer: int | None = None) -> Explained:
    """Bytes kept for one micro-batch on one rank: of the whole model, or of layer number `layer` as it stands, with the tables that
    it reads."""
    job = Job(model, Training(model, plan, length=length, mask=mask))
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
    for run in job.runs:
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
        return _part(run.kind, run.path, [*tensors, *tables])
    each = _part(run.kind, run.path, tensors)
    return Step(
        run.path.strip("."), times(run.count, each.formula), run.times * each.value, "B", "explain_layers",
        {"count": run.times, "kind": run.kind, "first": run.first or 0}, SOURCE, PLACE,
        steps=tuple([_every(tensor, run.count, run.times) for tensor in each.steps]),
        closed=each.closed,
    )  # fmt: skip


def _every(step: Step, count: Any, number: int) -> Step:
    """A step of every one of several layers."""
    steps = tuple([_every(part, count, number) for part in step.steps])
    return replace(step, formula=times(count, step.formula), value=number * step.value, steps=steps)


def _part(kind: str, path: str, steps: list[Step]) -> Step:
    formula, value = total(tuple(steps))
    return Step(
        path.strip(".") or kind, formula, value, "B", title(kind), {"kind": kind}, SOURCE, PLACE,
        steps=tuple(steps), closed=closed.form(tuple(steps)),
    )  # fmt: skip


def _tensors(both: tuple[Side, Side], shared: bool, *, ends: bool = False) -> Iterator[Step]:
    """What a block keeps, tensor by tensor: its own, or the tables of all layers."""
    ints, words = both
    mode = "none" if ends else ints.plan.mode
    who = keepers(ints.block, ints.step, ints.kernels, mode)
    for own, other in zip(*[side.kept(mode) for side in both], strict=True):
        if own.shared is not shared:
            continue
        keeping = who.get(own.path, [])
        again = mode == "full" and not own.shared
        yield Step(
            own.path, words.bytes(other), ints.bytes(own), "B", facts={"slot": keeping[0].slot if keeping else ""},
            source=_source(keeping, ints.kernels), reasons=(Reason("why_checkpoint_input"),) if again else reasons(keeping),
            steps=() if again else tuple(_views(both, own, other, keeping)),
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
        found = [keeper for keeper in keeping if keeper.wire == name]
        yield Step(name, size(in_words, rates[1]), size(elements, rates[0]), "B", reasons=reasons(found))
