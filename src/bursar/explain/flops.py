"""Model FLOPs of a training pass: the rule 6ND, what it leaves out or counts too much, and the exact count (register C7).

Of every weight and token a product has one multiply-add forward, one in the gradient of its input and one in that of the weight:
2 + 2 + 2. What an operator costs beside that is the difference of its own formula and the rule, so that both meet to the last FLOP.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from bursar.dims import product
from bursar.explain.letters import Letters, Pair, letter
from bursar.explain.lines import Both, layer_of, lines
from bursar.explain.step import Explained, Reason, Step, of_layer, times, title, total
from bursar.formula import formula_of
from bursar.model import Model
from bursar.ops.linear import Linear
from bursar.ops.shared import SharedLinear
from bursar.step import Step as Workload
from bursar.tree import Line

N, D = letter("N"), letter("D")
PHASES = ("forward", "input_grad", "weight_grad")
ADDED = ("bias", "correction")  # weights that are added, not multiplied
# what stands between the rule and the count, in the order in which it is told
GROUPS = (
    "core", "index", "scan", "shared_weight", "other_tokens", "idle_experts", "frozen", "no_gradient", "convolution", "lookup",
    "small", "biases",
)  # fmt: skip


def flops(model: Model, workload: Workload, layer: int | None = None) -> Explained:
    """FLOPs of the forward pass and both gradients of a workload: of the whole model, or of one of its layers."""
    named = Letters(model)
    numbers = {**named.numbers, "b": workload.sequences, "s": workload.queries}
    if layer is not None:
        return Explained(of_layer(_exact(layer_of(named, layer), workload, 1, 1, ""), model.name, layer), numbers)
    exact = tuple([part for part in (_part(pair, workload) for pair in named.pairs) if part.steps])
    rule = _rule(model.params() * workload.tokens)
    steps = (rule, *_corrections(named, workload))
    formula, value = total(steps)
    assumes = ("assume_two", f"assume_mask_{workload.mask}", "assume_no_recompute")
    root = Step(model.name, formula, value, "FLOP", "explain_flops", assumes=assumes, steps=steps)
    whole, count = total(exact)
    numbers |= {"N": model.params(), "D": workload.tokens}
    return Explained(
        root, numbers, {"D": "sb"}, beside=(Step(model.name, whole, count, "FLOP", "explain_flops_exact", steps=exact),)
    )


def _rule(weight_tokens: int) -> Step:
    """6ND in its three products."""
    parts = [
        Step(phase, 2 * N * D, 2 * weight_tokens, "FLOP", f"rule_{phase}", source="kaplan-2020", place="section 2.1")
        for phase in PHASES
    ]
    return Step(
        "6ND", 6 * N * D, 6 * weight_tokens, "FLOP", "explain_rule", source="kaplan-2020", place="section 2.1", steps=tuple(parts)
    )


def _corrections(named: Letters, workload: Workload) -> Iterator[Step]:
    """What the exact count has beside the rule, by reason."""
    found: dict[str, list[Step]] = {}
    for pair in named.pairs:
        for both in lines(pair, workload):
            for group, words, ints in _differences(both, workload):
                if ints:
                    name = f"{pair.path}{both.path}"
                    step = Step(name, times(pair.count, words), pair.times * ints, "FLOP", source=_source(both.ints))
                    found.setdefault(group, []).append(step)
    for group in GROUPS:
        if group in found:
            formula, value = total(tuple(found[group]))
            yield Step(
                group, formula, value, "FLOP", f"beside_{group}", source=found[group][0].source,
                reasons=(Reason(f"why_beside_{group}"),), steps=tuple(found[group]),
            )  # fmt: skip


def _differences(both: Both, workload: Workload) -> Iterator[tuple[str, Any, int]]:
    """Group, formula and number of what a line costs beside the rule: its products, and apart from them its biases."""
    (words, added_words), (ints, added) = (
        _beside(line, tokens) for line, tokens in zip(both[::-1], _tokens(workload), strict=True)
    )
    yield _group(both.ints), words, ints
    yield "biases", added_words, added


def _tokens(workload: Workload) -> tuple[Any, int]:
    return letter("b") * letter("s"), workload.tokens


def _beside(line: Line, tokens: Any) -> tuple[Any, Any]:
    shapes = line.op.shapes()
    apart = sum([product(shape) for name, shape in shapes.items() if name in ADDED and isinstance(line.op, Linear)])
    counted = line.op.flops(line.step) + sum(line.op.gradients(line.step))
    whole = line.instances * (line.op.weights() - apart)
    return counted - 6 * whole * tokens, -6 * line.instances * apart * tokens


def _group(line: Line) -> str:
    op = line.op
    if op.kind in ("attention", "scan"):
        return "index" if op.slot == "index" else "core" if op.kind == "attention" else "scan"
    if not isinstance(op, Linear):
        return {"embedding": "lookup", "linear": "convolution"}.get(op.kind, "small")
    if isinstance(op, SharedLinear) or "weight" not in op.shapes():
        return "shared_weight"
    if not op.trainable:
        return "frozen"
    if op.slot == "nothing":
        return "no_gradient"
    return "idle_experts" if line.nested else "other_tokens"


def _source(line: Line) -> str:
    found = formula_of(line.op.flops)
    return found.source if found else "definition"


# ── the exact count ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _part(pair: Pair, workload: Workload) -> Step:
    return _exact(pair, workload, pair.times, pair.count, title(pair.kind, pair.times))


def _exact(pair: Pair, workload: Workload, number: int, count: Any, key: str) -> Step:
    """The products of a block, each with its passes."""
    steps = tuple([step for both in lines(pair, workload) if (step := _line(both, number, count)).value])
    formula = sp.Add(*[step.formula for step in steps])
    facts = {"count": pair.times, "kind": pair.kind, "first": pair.first or 0}
    value = sum([step.value for step in steps])
    return Step(pair.path.strip(".") or pair.kind, formula, value, "FLOP", key, facts, steps=steps)


def _line(both: Both, number: int, count: Any) -> Step:
    passes = [(line.op.flops(line.step), *line.op.gradients(line.step)) for line in both]
    steps = tuple([
        Step(phase, times(count, words), number * ints, "FLOP", f"product_{phase}", source=_source(both.ints))
        for phase, ints, words in zip(PHASES, *passes, strict=True)
        if ints
    ])  # fmt: skip
    formula, value = total(steps)
    return Step(
        both.path,
        formula,
        value,
        "FLOP",
        source=_source(both.ints),
        reasons=(Reason(f"product_of_{both.ints.op.kind}"),),
        steps=steps,
    )
