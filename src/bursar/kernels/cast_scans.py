"""What the scans of transformers' modules keep for backward under torch.autocast (`autocast.py`), where the products inside them
cast what they read: every product has narrow copies of its own, and what is made of exponentials is FP32."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.dims import ceil_div
from bursar.kernels.registry import Items, implementation
from bursar.kernels.scans import _chunked, _delta_padded_chunks
from bursar.kernels.token_loops import _gates, _several
from bursar.ops.delta import DeltaRule
from bursar.ops.scan import LinearRecurrence, StateSpaceDual
from bursar.step import Step
from bursar.tree import Extra

# of what a scan keeps where all is FP32: what a product reads or makes is narrow, what is made of Δ FP32 however it came
DUAL: Mapping[str, str] = {
    "delta_biased": "upcast",
    "delta": "upcast",
    **dict.fromkeys(("scores", "decayed_scores", "decayed_b", "states", "states_before", "c_of_states", "across"), "activation"),
}
DELTA: Mapping[str, str] = dict.fromkeys(("k_products", "q_products", "scores"), "activation")


def _recast(items: Items, formats: Mapping[str, str], without: tuple[str, ...]) -> list[Extra]:
    """Tensors in another format, without those that are other ones here."""
    found = [item for item in items if isinstance(item, Extra) and item.name not in without]
    return [item._replace(kind=formats.get(item.name, item.kind)) for item in found]


@implementation("state_space_dual", "padded-chunks-cast", "transformers")
def _padded_chunks_cast(op: StateSpaceDual, wire: str, step: Step) -> Items:
    """`mamba2_chunk_scan`: each einsum casts both of its operands, so that none is a view of what is there."""
    chunks = ceil_div(step.queries, op.chunk)
    tokens = step.sequences * chunks * op.chunk
    squares = step.sequences * op.heads * (chunks + 1) * (chunks + 1)
    return (
        Extra("x_wide", "upcast", op.made(step)),
        Extra("delta_limited", "upcast", op.tokens(step) * op.heads),
        *_recast(_chunked(op, step), DUAL, ("c_of_scores", "b_of_scores", "x_of_products")),
        Extra("c_and_b_of_scores", "activation", 2 * tokens * op.heads * op.states),
        Extra("x_of_products", "activation", 2 * tokens * op.width),
        Extra("across_decays_of_product", "activation", squares),
    )


@implementation("linear_recurrence", "by-token-cast", "transformers")
def _linear_recurrence_cast(op: LinearRecurrence, wire: str, step: Step) -> Items:
    """The decays and what is made of them are FP32, so that every token reads a view of them, with the mask on it."""
    wide = ("softplus", "decays", "squared_decays", "rest_of_squares")
    items = [item for item in _gates(op, step) if isinstance(item, Extra)]
    decays = Extra("masked_decays", "upcast", op.made(step) * _several(step))
    return (*[item._replace(kind="upcast") if item.name in wide else item for item in items], decays)


@implementation("delta", "padded-chunks-cast", "transformers")
def _delta_cast(op: DeltaRule, wire: str, step: Step) -> Items:
    """`torch_chunk_gated_delta_rule`: every product casts both of its operands, the triangular systems are FP32. The first state
    has no gradient, so that what is multiplied by it is not kept; nothing reads the state after the last chunk."""
    chunks = ceil_div(step.queries, op.chunk)
    later = chunks - 1  # chunks with one before them, or one after them
    per_chunk, state = step.sequences * op.heads * op.chunk, step.sequences * op.state()
    return (
        *_recast(_delta_padded_chunks(op, wire, step), DELTA, ("decayed_q_and_k", "states", "v_new")),
        Extra("operands_within", "activation", 4 * chunks * per_chunk * op.k_dim),
        Extra("states", "upcast", later * state),
        Extra("states_of_products", "activation", 2 * chunks * state),
        Extra("operands_across", "activation", 3 * later * per_chunk * op.k_dim),
        Extra("v_new", "activation", (chunks + later) * per_chunk * op.v_dim),
    )
