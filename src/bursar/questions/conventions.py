"""How others count the FLOPs of a training step: one row for every convention, each named after its source.

A convention says what it counts of the parts of a model, layers, input tables, output layer, attention core, so that two of them
are compared term by term. `bursar` is ours: every matrix product of the forward pass and its two gradients.

6nd         6 per active parameter and token (arXiv:2001.08361, section 2.1, there without embeddings)
palm        that and 12·L·H·Q·T per token for the attention core (arXiv:2204.02311, appendix B)
nanogpt     the same without learned positions; heads of h / a
torchtitan  6 per active parameter that is in no input table; heads of h / a
megatron    every product but the router's, the core in full (arXiv:2104.04473, appendix; `num_floating_point_operations`)
chinchilla  every product, the input table as if it were one, and 3 per entry of the softmax (arXiv:2203.15556, appendix F)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from bursar import ledger
from bursar.dims import Dim
from bursar.errors import PlanError, UnknownNameError
from bursar.formula import formula
from bursar.model import Model
from bursar.ops.attention import AttentionCore
from bursar.ops.linear import PositionEmbedding
from bursar.step import Step
from bursar.tree import Line

PARTS = ("layers", "router", "embedding", "logits", "attention", "softmax", "scan")
ONE_TOKEN = Step(1, 1)
PASSES = 3  # forward, gradient of the input, gradient of the weight
PER_WEIGHT = 2 * PASSES


class Convention(NamedTuple):
    """A way to count, what it counts of each part, and its source."""

    name: str
    rule: Callable[[Model, Step], Mapping[str, Dim]]
    source: str
    place: str


@formula("FLOPs of attention cores by heads alone, training", "FLOP", "palm")
def heads_flops(tokens: Dim, keys: Dim, heads: Dim, width: Dim) -> Dim:
    """12·H·Q·T per token: two products forward and four backward, the whole square (arXiv:2204.02311, appendix B)."""
    return 2 * PER_WEIGHT * tokens * keys * heads * width


def _cores(model: Model, step: Step) -> Iterator[tuple[Dim, Line, AttentionCore]]:
    for times, line in model.architecture.walk(step):
        if isinstance(line.op, AttentionCore):
            yield times, line, line.op


def _by_width(model: Model, step: Step, width: Callable[[Dim, AttentionCore], Dim]) -> Dim:
    """The attention cores of all layers, heads of a width that a convention takes."""
    hidden = model.architecture.trunk[0].block.lines["x"].width
    return sum(
        [
            times * heads_flops(line.op.tokens(line.step), op.keys(line.step), op.heads, width(hidden, op))
            for times, line, op in _cores(model, step)
        ]
    )


def _own_width(hidden: Dim, op: AttentionCore) -> Dim:
    return op.head_dim


def _even_width(hidden: Dim, op: AttentionCore) -> Dim:
    return hidden // op.heads


def _weights(model: Model, step: Step) -> dict[str, Dim]:
    """6 per active parameter and token, by part."""
    found = model.parameters()
    rate = PER_WEIGHT * step.tokens
    return {
        "layers": rate * (found.active - found.embedding - found.head),
        "embedding": rate * found.embedding,
        "logits": rate * found.head,
    }


def _token_tables(model: Model) -> Dim:
    """Elements of the input tables without learned positions."""
    lines = model.architecture.walk(ONE_TOKEN)
    return model.parameters().embedding - sum(
        [times * line.weights for times, line in lines if isinstance(line.op, PositionEmbedding)]
    )


def _exact(model: Model, step: Step) -> dict[str, Dim]:
    """Ours by part, the attention core in full or as the mask of the step leaves it."""
    book = ledger.of_model(model.architecture, step).where(quantity="flops").by("kind")
    known = ("router", "logits", "attention", "scan")
    own = {part: book[part] for part in known if part in book}
    return {"layers": sum([flops for kind, flops in book.items() if kind not in known]), **own}


def _six_nd(model: Model, step: Step) -> Mapping[str, Dim]:
    return _weights(model, step)


def _palm(model: Model, step: Step) -> Mapping[str, Dim]:
    return {**_weights(model, step), "attention": _by_width(model, step, _own_width)}


def _nanogpt(model: Model, step: Step) -> Mapping[str, Dim]:
    found = _weights(model, step)
    found["embedding"] = PER_WEIGHT * step.tokens * _token_tables(model)
    return {**found, "attention": _by_width(model, step, _even_width)}


def _torchtitan(model: Model, step: Step) -> Mapping[str, Dim]:
    return {**_weights(model, step), "embedding": 0, "attention": _by_width(model, step, _even_width)}


def _of_transformers(model: Model, name: str) -> None:
    if any(line.op.kind == "scan" for _, line in model.architecture.walk(ONE_TOKEN)):
        raise PlanError(
            f"{name} says nothing of recurrences", field="convention", value=name, where=model.name, valid="bursar, 6nd, palm"
        )


def _megatron(model: Model, step: Step) -> Mapping[str, Dim]:
    _of_transformers(model, "megatron")
    return {**_exact(model, Step(step.sequences, step.queries)), "router": 0}


def _chinchilla(model: Model, step: Step) -> Mapping[str, Dim]:
    _of_transformers(model, "chinchilla")
    squares = sum([times * op.square(line.step) for times, line, op in _cores(model, step)])
    return {
        **_exact(model, Step(step.sequences, step.queries)),
        "embedding": PER_WEIGHT * step.tokens * _token_tables(model),
        "softmax": 3 * PASSES * squares,
        "attention": _by_width(model, step, _own_width),
    }


CONVENTIONS: Mapping[str, Convention] = {
    row.name: row
    for row in (
        Convention("bursar", _exact, "definition", ""),
        Convention("6nd", _six_nd, "kaplan-2020", "section 2.1"),
        Convention("palm", _palm, "palm", "appendix B"),
        Convention("nanogpt", _nanogpt, "nanogpt", ""),
        Convention("torchtitan", _torchtitan, "torchtitan", ""),
        Convention("megatron", _megatron, "megatron-2021", "appendix"),
        Convention("chinchilla", _chinchilla, "hoffmann-2022", "appendix F"),
    )
}


def convention(name: str) -> Convention:
    """A convention by name. Raises UnknownNameError."""
    if name not in CONVENTIONS:
        raise UnknownNameError("convention", name, CONVENTIONS)
    return CONVENTIONS[name]


def train_flops(model: Model, step: Step, name: str) -> dict[str, Dim]:
    """Training FLOPs of a batch by a convention, part by part; parts that it does not count are 0."""
    found = convention(name).rule(model, step)
    return {part: found.get(part, 0) for part in PARTS}
