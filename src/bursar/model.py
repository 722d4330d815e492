"""A model and what follows from it alone: parameters, FLOPs, KV cache, and the activations of a plan's micro-batch.

Every question has a numeric answer and, with `words=True`, the formula in the letters of `notation.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from bursar import catalog, families, ledger
from bursar.catalog import Published
from bursar.config import Config
from bursar.dims import Dim
from bursar.errors import PlanError
from bursar.ledger import Ledger
from bursar.memory import peaks
from bursar.ops.attention import AttentionCore, CrossAttention
from bursar.ops.linear import Embedding, Head, PositionEmbedding
from bursar.ops.moe import Experts
from bursar.ops.sparse import Index
from bursar.plan import Plan
from bursar.precision import bits_of, bytes_of, size
from bursar.step import Step
from bursar.training import Training
from bursar.tree import Architecture, Line

ONE_TOKEN = Step(1, 1)


class LayerParameters(NamedTuple):
    """Layers of one kind: how many, the index of the first, and the parameters of one."""

    kind: str
    count: Dim
    first: Dim
    params: Dim


class Parameters(NamedTuple):
    """Elements. `active` is the total less the routed experts that a token does not use; a tied tensor counts once."""

    total: Dim
    active: Dim
    embedding: Dim
    head: Dim
    components: dict[str, Dim]
    groups: dict[str, Dim]  # embedding, attention, mlp, norm, router, experts, shared_experts, head, and towers and modules by name
    layers: tuple[LayerParameters, ...]


class Flops(NamedTuple):
    """Model FLOPs of a batch. The backward pass has one product for each operand of every forward product."""

    forward: Dim
    backward: Dim
    by_kind: dict[str, Dim]  # of the forward pass

    @property
    def train(self) -> Dim:
        return self.forward + self.backward


class Cache(NamedTuple):
    """KV cache: what one more token adds while every layer still grows, and all sequences at their length."""

    elements_per_token: Dim
    bytes_per_token: Dim
    bytes: Dim
    state_bytes: Dim


@dataclass(frozen=True)
class LayerBytes:
    """Bytes that one more layer of a kind adds to what autograd keeps."""

    kind: str
    count: int
    first: int
    bytes: Dim


class Activations(NamedTuple):
    """Bytes kept for the backward pass of one micro-batch on one rank."""

    layers: tuple[LayerBytes, ...]
    shared: Dim
    embedding: Dim
    head: Dim
    loss: Dim
    entries: Ledger

    @property
    def total(self) -> Dim:
        return sum(layer.count * layer.bytes for layer in self.layers) + self.shared + self.embedding + self.head + self.loss


@dataclass(frozen=True, eq=False)
class Model:
    """A model read from its config.json. `dropout` replaces every dropout probability of the config,
    `as_family` its model_type."""

    name: str
    published: Published
    mtp: bool = False
    dropout: float | None = None
    as_family: str | None = None
    plan: Plan | None = None  # whose adapters and frozen layers it has
    architecture: Architecture = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "architecture", self._read(symbols=False))

    def _read(self, *, symbols: bool) -> Architecture:
        values = self.published.values if self.dropout is None else _with_dropout(self.published.values, self.dropout)
        values = values if self.as_family is None else {**values, "model_type": self.as_family}
        found = families.build(Config(values, self.name, symbols=symbols, mtp=self.mtp))
        return found if self.plan is None else self.plan.tuned(found)

    def tuned(self, plan: Plan) -> Model:
        """The same model with the adapters and the frozen layers of a plan."""
        return replace(self, plan=plan)

    @cached_property
    def in_words(self) -> Architecture:
        """The same architecture over symbols."""
        return self._read(symbols=True)

    def _tree(self, words: bool) -> Architecture:
        return self.in_words if words else self.architecture

    def params(self, *, words: bool = False) -> Dim:
        """All parameters."""
        return self.parameters(words=words).total

    def parameters(self, *, words: bool = False) -> Parameters:
        """Parameters by part."""
        tree = self._tree(words)
        book = ledger.of_model(tree, ONE_TOKEN).where(quantity="parameters")
        components = {path.rsplit(".", 1)[0]: 0 for path in book.by("path")}
        for path, value in book.by("path").items():
            components[path.rsplit(".", 1)[0]] += value
        idle = sum([times * line.op.idle_weights() for times, line in tree.walk(ONE_TOKEN) if isinstance(line.op, Experts)])
        by_op = book.by("op")
        tables = sum([by_op.get(kind.__name__, 0) for kind in (Embedding, PositionEmbedding)])
        head = by_op.get(Head.__name__, 0)
        return Parameters(book.total(), book.total() - idle, tables, head, components, _groups(tree), _layers(tree))

    def step(
        self, seq: int | None = None, batch: int = 1, mask: str = "full", *, past: int = 0, images: int = 0, words: bool = False
    ) -> Step:
        """`batch` sequences of the given length, the trained length or 8192 if that is shorter, or b sequences of s; each with
        `images` pictures."""
        if words:
            import sympy

            b, s = sympy.symbols("b s", positive=True, integer=True)
            return Step(b, s, past, mask, images=images)
        length = self.length(seq)
        limit = self.architecture.max_length
        if limit is not None and past + length > limit:
            raise PlanError(
                f"seq={past + length} is beyond the {limit} learned positions", field="seq", value=length, valid=f"1 to {limit}"
            )
        return Step(batch, length, past, mask, images=images)

    def length(self, seq: int | None = None) -> int:
        """A sequence length, by default the trained one up to 8192."""
        return seq or min(self.architecture.context or 8192, 8192)

    def flops(
        self, seq: int | None = None, batch: int = 1, mask: str = "full", *, past: int = 0, images: int = 0, words: bool = False
    ) -> Flops:
        """Model FLOPs of a batch of sequences after `past` tokens in the cache, with `images` pictures in each where the model has
        a vision tower. A decoding step is one token after `past`."""
        step = self.step(seq, batch, mask, past=past, images=images, words=words)
        book = ledger.of_model(self._tree(words), step).where(quantity="flops")
        forward = book.where(phase="forward")
        return Flops(forward.total(), book.total() - forward.total(), forward.by("kind"))

    def kv(self, seq: int | None = None, batch: int = 1, dtype: str = "bf16", *, words: bool = False) -> Cache:
        """KV cache of a batch of sequences. `state_bytes` is the recurrent state of one sequence (scans, convolutions,
        token shifts), constant in its length; it is counted in the dtype of the cache."""
        tree = self._tree(words)
        step = self.step(seq, batch, words=words)
        cores = [(times, line.op, line.step) for times, line in tree.walk(step) if isinstance(line.op, (AttentionCore, Index))]
        rate = bytes_of(bits_of(dtype))
        growing = [(times, op) for times, op, _ in cores if not isinstance(op, CrossAttention)]  # a source does not grow
        per_token = sum([times * op.cached for times, op in growing])
        held = sum([times * op.cache(seen) for times, op, seen in cores])
        state = sum([times * line.op.state() for times, line in tree.walk(step)])
        return Cache(per_token, size(per_token, rate), size(held, rate), size(state, rate))

    def activations(self, plan: Plan | None = None, seq: int | None = None, mask: str = "full") -> Activations:
        """What autograd keeps for one micro-batch of a plan (without pipeline stages) on one rank."""
        training = Training(self.architecture, plan or Plan(), length=self.length(seq), mask=mask)
        return _activations(training)


def _groups(tree: Architecture) -> dict[str, Dim]:
    """Parameters by what they are for; what stands beside the trunk is a group of its own."""
    groups: dict[str, Dim] = {}
    for prefix, times, block in tree.parts():
        beside = "" if prefix.startswith("layers.") else prefix.split(".")[0].rstrip("0123456789")
        for line in block.walk(ONE_TOKEN):
            if line.op.shapes():
                group = beside or _group(line)
                groups[group] = groups.get(group, 0) + times * line.weights
    return groups


GROUPS = {"embedding": "embedding", "logits": "head", "router": "router"}
WIRES = {"attn": "attention", "shared": "shared_experts"}


def _group(line: Line) -> str:
    if line.op.slot == "norm":
        return "norm"
    wire = line.path.split(".")[0]
    return GROUPS.get(line.op.kind) or ("experts" if line.nested else WIRES.get(wire, wire))


def _layers(tree: Architecture) -> tuple[LayerParameters, ...]:
    """The layers of the trunk by kind, in order of first appearance."""
    found: dict[int, LayerParameters] = {}
    first: Dim = 0
    for run in tree.trunk:
        known = found.get(id(run.block), LayerParameters(run.block.kind, 0, first, sum(run.block.parameters)))
        found[id(run.block)] = known._replace(count=known.count + run.times)
        first = first + run.times
    return tuple(found.values())


def _with_dropout(values: dict[str, Any], p: float) -> dict[str, Any]:
    """The config with every dropout probability that it has, or that its family may have, set to p."""
    ends = ("_pdrop", "dropout", "_dropout_prob", "dropout_rate")
    keys = [key for key in values if key.endswith(ends) and not key.startswith("summary")]
    if not 0 <= p < 1:
        raise PlanError(f"dropout={p}", field="dropout", value=p, valid="a number from 0 to below 1")
    parts = {key: _with_dropout(value, p) for key, value in values.items() if key.endswith("_config") and isinstance(value, dict)}
    return {**values, **parts, **dict.fromkeys(keys, p)}


def _activations(training: Training) -> Activations:
    plan, step = training.plan, training.step
    stage = training.stages[0]
    found: dict[int, LayerBytes] = {}
    first = 0
    for _, times, block in stage.layers:
        known = found.get(id(block), LayerBytes(block.kind, 0, first, training.loads[id(block)].kept))
        found[id(block)] = replace(known, count=known.count + times)
        first += times
    tail = [training.loads[id(block)] for block in stage.tail]
    return Activations(
        layers=tuple(found.values()),
        shared=peaks.sum_of_tables(training.loads.values()),
        embedding=sum([training.loads[id(block)].kept for block in stage.stem]),
        head=sum([load.kept for load in tail]),
        loss=sum([load.logits for load in tail]),
        entries=ledger.of_stage(stage, step, plan, training.kernels).where(quantity="bytes"),
    )


def load(
    model: str | dict[str, Any],
    *,
    mtp: bool = False,
    dropout: float | None = None,
    as_family: str | None = None,
    changes: Iterable[tuple[str, Any]] = (),
) -> Model:
    """A model by catalog name, path, `-`, Hub id, or the config itself as a dict; `changes` are keys of the config with other
    values."""
    published = (Published("config", model) if isinstance(model, dict) else catalog.find(model)).changed(changes)
    return Model(published.name, published, mtp, dropout, as_family)
