"""What autograd keeps for the backward pass, tensor by tensor, with the reason for each (arXiv:2205.05198, section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from bursar import recompute
from bursar.explain import closed, letters
from bursar.explain.keepers import Keeper, keepers
from bursar.explain.letters import Letters, Pair
from bursar.explain.lines import layer_of
from bursar.explain.reasons import reasons
from bursar.explain.step import Explained, Reason, Step, of_layer, times, total
from bursar.kernels import Kernels
from bursar.model import Model
from bursar.ops.elementwise import Slice
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


def activations(model: Model, plan: Plan, length: int, mask: str = "full", layer: int | None = None) -> Explained:
    """Bytes kept for one micro-batch on one rank: of the whole model, or of layer number `layer` as it stands, with the tables that
    it reads."""
    training = Training(model, plan, length=length, mask=mask)
    named = Letters(model)
    plan_in_words, degrees = letters.lettered(plan, model.architecture)
    stage, words = training.stages[0], plan_in_words.stages(plan_in_words.tuned(named.counted()))[0]
    numbers = {**named.numbers, **degrees, "b": plan.micro_batch, "s": training.step.queries}

    def sides(own: Block, other: Block) -> tuple[Side, Side]:
        return (
            Side(own, training.step, plan, training.kernels),
            Side(other, letters.step(training.step), plan_in_words, training.kernels),
        )

    runs = _runs(stage.layers, words.layers, named)
    if layer is not None:
        layer_of(named, layer)  # refuses a layer that there is not
        pair = next(run for run in reversed(runs) if run.first is not None and run.first <= layer)
        found = of_layer(_layer(pair, sides(pair.ints, pair.words), alone=True), model.name, layer)
        return _explained(_assuming(found, plan), numbers)
    parts: list[Step] = []
    tables: dict[str, Step] = {}
    for kind, blocks in (("stem", zip(stage.stem, words.stem, strict=True)), ("layers", None), ("tail", None)):
        if kind == "layers":
            for run in runs:
                both = sides(run.ints, run.words)
                parts.append(_layer(run, both))
                tables |= {step.name: step for step in _tensors(both, True, run.path) if step.name not in tables}
        else:
            pairs = blocks or zip(stage.tail, words.tail, strict=True)
            parts += [_part(own.kind, "", list(_tensors(sides(own, other), False, "", ends=True))) for own, other in pairs]
    if tables:
        parts.append(_part("shared", "", list(tables.values())))
    found = tuple([part for part in parts if part.steps])
    formula, value = total(found)
    root = Step(model.name, formula, value, "B", "explain_activations", source=SOURCE, place=PLACE, steps=found)
    return _explained(_assuming(root, plan), numbers)


def _assuming(root: Step, plan: Plan) -> Step:
    facts = {"kernels": plan.kernels, "precision": plan.precision, "recompute": plan.recompute}
    return replace(root, facts={**root.facts, **facts}, assumes=("assume_kernels", "assume_autograd"))


def _explained(root: Step, numbers: dict[str, int]) -> Explained:
    return Explained(root, numbers, closed.definitions(root))


def _runs(ints: tuple[Any, ...], words: tuple[Any, ...], named: Letters) -> list[Pair]:
    """The layers of a stage by block, with how often over letters as the model has it."""
    counts = {pair.path: pair.count for pair in named.pairs}
    found: dict[int, Pair] = {}
    first = 0
    for (path, times, own), (_, _, other) in zip(ints, words, strict=True):
        tower = not path.startswith("layers.")
        known = found.get(id(own), Pair(path, own, other, 0, counts.get(path), None if tower else first))
        found[id(own)] = known._replace(times=known.times + times)
        first += 0 if tower else times
    return list(found.values())


def _layer(run: Pair, both: tuple[Side, Side], *, alone: bool = False) -> Step:
    """The layers of one kind, or one of them with its tables."""
    tensors = list(_tensors(both, False, run.path))
    tables = list(_tensors(both, True, run.path)) if alone else []
    if alone or run.times == 1:
        return _part("layer" if alone else run.kind, run.path, [*tensors, *tables])
    count = run.count if run.count is not None else run.times
    each = _part(run.kind, run.path, tensors)
    return Step(
        run.path.strip("."), times(count, each.formula), run.times * each.value, "B", "explain_layers",
        {"count": run.times, "kind": run.kind, "first": run.first or 0}, SOURCE, PLACE,
        steps=tuple([_every(tensor, count, run.times) for tensor in each.steps]),
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


def _tensors(both: tuple[Side, Side], shared: bool, path: str, *, ends: bool = False) -> Iterator[Step]:
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
