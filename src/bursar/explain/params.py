"""Parameters, weight by weight: the product of every shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bursar.dims import product
from bursar.explain.letters import ONE_TOKEN, Letters, Pair
from bursar.explain.lines import Both, layer_of, lines
from bursar.explain.step import Explained, Reason, Step, of_layer, times, title, total
from bursar.model import Model

# what a weight is, by the slot of its operator and its name; the name alone where that says it
WEIGHTS = {
    ("embedding", "weight"): "token_table", ("positions", "weight"): "position_table", ("position_bias", "weight"): "bias_table",
    ("norm", "weight"): "gain", ("norm", "bias"): "shift", ("router", "correction"): "correction", ("attention", "sinks"): "sinks",
    ("conv", "weight"): "kernel", ("nothing", "token"): "class_token", ("router", "weight"): "router",
    ("nothing", "u"): "score_vector", ("nothing", "v"): "score_vector", ("mix", "mix"): "mix",
    ("activation", "A_log"): "decay", ("linear_recurrence", "decay"): "decay", ("selective_scan", "A_log"): "decay",
    ("state_space_dual", "A_log"): "decay", ("wkv", "decay"): "decay", ("wkv", "first"): "first",
    ("selective_scan", "D"): "skip", ("state_space_dual", "D"): "skip", ("similarity", "scale"): "scale",
    ("magnitude", "magnitude"): "magnitude",
}  # fmt: skip
NAMES = {"weight": "matrix", "bias": "bias", "dt_bias": "bias"}


def params(model: Model, layer: int | None = None) -> Explained:
    """All parameters of a model, or of one of its layers."""
    named = Letters(model)
    if layer is not None:
        pair = layer_of(named, layer)
        steps = tuple(_weights(pair, 1, 1))
        formula, value = total(steps)
        root = of_layer(_section(pair, formula, value, steps, ""), model.name, layer)
        return Explained(root, named.numbers)
    sections = tuple([part for part in map(_part, named.pairs) if part.steps])
    formula, value = total(sections)
    root = Step(model.name, formula, value, "1", "explain_params", assumes=("assume_tied", "assume_all"), steps=sections)
    return Explained(root, named.numbers)


def _part(pair: Pair) -> Step:
    each, _ = total(tuple(_weights(pair, 1, 1)))
    steps = tuple(_weights(pair, pair.times, pair.count))
    _, value = total(steps)
    return _section(pair, times(pair.count, each), value, steps, title(pair.kind, pair.times))


def _section(pair: Pair, formula: Any, value: int, steps: tuple[Step, ...], key: str) -> Step:
    facts = {"count": pair.times, "kind": pair.kind, "first": pair.first or 0}
    return Step(pair.path.strip(".") or pair.kind, formula, value, "1", key, facts, steps=steps)


def _weights(pair: Pair, number: int, count: Any) -> Iterator[Step]:
    """Every weight of a block as often as the block is there."""
    for both in lines(pair, ONE_TOKEN):
        shapes = zip(both.ints.op.shapes().items(), both.words.op.shapes().values(), strict=True)
        for (name, own), other in shapes:
            yield Step(
                f"{both.path}.{name}", times(count, both.words.instances * product(other)),
                number * both.ints.instances * product(own), "1", reasons=(_reason(both, name),),
                facts={"shape": own, "instances": both.ints.instances},
            )  # fmt: skip


def _reason(both: Both, name: str) -> Reason:
    key = WEIGHTS.get((both.ints.op.slot, name)) or NAMES.get(name, "vector")
    return Reason(f"weight_{key}", (both.path,))
