"""Context parallelism: the tokens of a sequence are spread over ranks, and only attention needs those of the others.

ring        K and V go from neighbour to neighbour while they are attended to (arXiv:2310.01889).
all-gather  K and V of all ranks are gathered first (arXiv:2407.21783, section 3.3.2).
ulysses     heads are swapped for tokens: a rank has whole sequences of a share of the heads (arXiv:2309.14509).

Operators that work token by token stay as they are: the step of a rank has fewer tokens. One that is neither of these nor
attention of a sequence to itself is refused: its state or its window would have to cross from rank to rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from bursar.dims import Dim, split
from bursar.ops.adapters import Adapter, Magnitude, ScaledAdd
from bursar.ops.attention import Attention
from bursar.ops.clamped import ClampedGated
from bursar.ops.collective import Collective
from bursar.ops.context import ContextCollective, GatherKeys, HeadAttention, Ring, SpreadAttention, SwapHeads
from bursar.ops.elementwise import Activation, Add, Bias, Concat, Dropout, Gated, LayerNorm, RMSNorm, Rotary, Slice
from bursar.ops.linear import Embedding, Head, Linear, Loss, PositionEmbedding, Router, Tokens
from bursar.ops.llama4 import InputWeightedExperts, Tempered, UnitNorm
from bursar.ops.moe import Experts
from bursar.ops.norms import HeadNorm, PlainLayerNorm, PlainRMSNorm, WideNorm
from bursar.ops.scaled import Scaled
from bursar.ops.shared import SharedLinear, SharedNorm
from bursar.ops.softcap import SoftCap
from bursar.step import Step
from bursar.tree import Architecture, Block, Input, Nested, Op

TOKEN_BY_TOKEN: frozenset[type[Op]] = frozenset({
    Input, Tokens, Embedding, PositionEmbedding, Linear, SharedLinear, Router, Head, Loss, Bias, Activation, Gated, ClampedGated,
    Add, Concat, Slice, Dropout, Rotary, Scaled, SoftCap, RMSNorm, LayerNorm, PlainRMSNorm, PlainLayerNorm, UnitNorm, HeadNorm,
    WideNorm, SharedNorm, Experts, InputWeightedExperts, Adapter, Magnitude, ScaledAdd, Tempered,
})  # fmt: skip


def whole(context: Dim) -> bool:
    """Whether no plan at hand spreads a sequence."""
    return type(context) is int and context == 1


def shard(block: Block, context: Dim, comm: str) -> Block:
    """One rank's part of a block."""
    if whole(context):
        return block
    lines: dict[str, Op] = {}
    for name, op in block.lines.items():
        if type(op) is Attention:  # what is a stranger stays whole: a rule leaves no plan that would spread it
            lines.update(COMMS[comm](name, op, lines, context))
        else:
            lines[name] = op
    return block.rewired(lines)


def _passed(kind: type[ContextCollective]) -> Callable[[str, Attention, Mapping[str, Op], Dim], dict[str, Op]]:
    """Queries stay; keys and values come by a collective of this kind."""

    def lines_of(name: str, op: Attention, made: Mapping[str, Op], context: Dim) -> dict[str, Op]:
        lines: dict[str, Op] = {f"{wire}.context": kind(wire, made[wire].width, context) for wire in (op.k, op.v)}
        core = SpreadAttention(**{**_fields(op), "k": f"{op.k}.context", "v": f"{op.v}.context"}, context=context)
        return {**lines, name: core}

    return lines_of


def _swapped(name: str, op: Attention, made: Mapping[str, Op], context: Dim) -> dict[str, Op]:
    """Heads of Q, K and V for tokens, and of the result back."""
    lines: dict[str, Op] = {f"{wire}.heads": SwapHeads(wire, made[wire].width, context) for wire in (op.q, op.k, op.v)}
    share = {
        "q": f"{op.q}.heads", "k": f"{op.k}.heads", "v": f"{op.v}.heads",
        "heads": split(op.heads, context, "heads", "cp"), "kv_heads": split(op.kv_heads, context, "kv_heads", "cp"),
    }  # fmt: skip
    core = HeadAttention(**{**_fields(op), **share}, context=context)
    return {**lines, f"{name}.heads": core, name: SwapHeads(f"{name}.heads", op.width, context)}


def _fields(op: Attention) -> dict[str, Any]:
    return {field.name: getattr(op, field.name) for field in fields(op)}


COMMS: Mapping[str, Callable[[str, Attention, Mapping[str, Op], Dim], dict[str, Op]]] = MappingProxyType({
    "ring": _passed(Ring), "all-gather": _passed(GatherKeys), "ulysses": _swapped,
})  # fmt: skip


@lru_cache(maxsize=256)
def strangers(architecture: Architecture) -> tuple[str, ...]:
    """What in an architecture is neither token by token nor attention of a sequence to itself, by name."""
    step = Step(1, 2)
    found: dict[str, None] = {}
    for _, _, block in architecture.parts():
        if block.sees(step) is not step:
            found[f"{block.kind} blocks, which see a step of their own"] = None
        found.update({type(op).__name__: None for op in _operators(block) if type(op) not in TOKEN_BY_TOKEN})
    return tuple(found)


def _operators(block: Block) -> Iterator[Op]:
    """The operators of a block and of what is nested in it that context parallelism must know."""
    for op in block.lines.values():
        if isinstance(op, Nested):
            yield from _operators(op.block)
        if type(op) is not Attention and not isinstance(op, Collective):
            yield op


@lru_cache(maxsize=256)
def cores(architecture: Architecture) -> tuple[Attention, ...]:
    """The attention cores of an architecture that differ."""
    blocks = {id(block): block for _, _, block in architecture.parts()}.values()
    return tuple(dict.fromkeys(op for block in blocks for op in block.lines.values() if type(op) is Attention))
