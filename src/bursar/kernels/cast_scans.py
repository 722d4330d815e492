"""What the scans of transformers' modules keep for backward under torch.autocast (`autocast.py`), where the products inside them
cast what they read: every product has narrow copies of its own, and what is made of exponentials is FP32."""

from __future__ import annotations

from bursar.dims import at_least, ceil_div
from bursar.kernels.registry import Items, implementation
from bursar.kernels.token_loops import _gates, _several
from bursar.ops.delta import DeltaRule
from bursar.ops.scan import LinearRecurrence, StateSpaceDual
from bursar.step import Step
from bursar.tree import Extra


@implementation("state_space_dual", "padded-chunks-cast", "transformers")
def _padded_chunks_cast(op: StateSpaceDual, wire: str, step: Step) -> Items:
    """`mamba2_chunk_scan`, in its order: each einsum casts both of its operands."""
    chunks = ceil_div(step.queries, op.chunk)
    one = at_least(2 - chunks, 0)
    tokens = step.sequences * chunks * op.chunk
    width, states, square = tokens * op.width, tokens * op.heads * op.states, tokens * op.heads * op.chunk
    across = step.sequences * op.heads * (chunks + 1)
    of_heads = op.tokens(step) * op.heads
    return (
        Extra("x_wide", "upcast", op.made(step)),
        Extra("rates", "upcast", 2 * op.heads),
        Extra("delta_biased", "upcast", of_heads),
        Extra("delta", "upcast", of_heads),
        Extra("delta_limited", "upcast", of_heads),
        Extra("skip_of", "upcast", width),
        Extra("within_masks", "mask", 2 * op.chunk * op.chunk),
        Extra("within_decays", "upcast", square),
        Extra("c_and_b_of_scores", "activation", 2 * states),
        Extra("scores", "activation", square),
        Extra("decayed_scores", "activation", square),
        Extra("x_of_products", "activation", 2 * width),
        Extra("decays_to_end", "upcast", tokens * op.heads),
        Extra("b", "upcast", states),
        Extra("decayed_b", "activation", states),
        Extra("across_masks", "mask", 2 * (chunks + 1) * (chunks + 1)),
        Extra("across_decays", "upcast", across * (chunks + 1)),
        Extra("across_decays_of_product", "activation", across * (chunks + 1)),
        Extra("states", "activation", across * op.head_dim * op.states),
        Extra("decays_from_start", "upcast", tokens * op.heads),
        Extra("states_before", "activation", step.sequences * (chunks + one) * op.state()),
        Extra("c_of_states", "activation", states),
        Extra("across", "activation", width),
        Extra("output", "upcast", width),
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
    """`torch_chunk_gated_delta_rule`, in its order: every product casts both of its operands, the triangular systems are FP32. The
    first state has no gradient, so that what is multiplied by it is not kept; nothing reads the state after the last chunk."""
    chunks = ceil_div(step.queries, op.chunk)
    later = chunks - 1  # chunks with one before them, or one after them
    several = 1 - at_least(2 - chunks, 0)
    per_chunk = step.sequences * op.heads * op.chunk
    rows, tokens, of_heads = step.sequences * op.heads * chunks, per_chunk * chunks, step.tokens * op.heads
    keys, values, square = tokens * op.k_dim, tokens * op.v_dim, tokens * op.chunk
    state = step.sequences * op.state()
    return (
        Extra("q_and_k", "upcast", 2 * of_heads * op.k_dim),
        Extra("lengths", "upcast", 2 * of_heads),
        Extra("beta", "upcast", tokens),
        Extra("v", "upcast", values),
        Extra("k", "upcast", keys),
        Extra("masked", "mask", op.chunk * op.chunk),
        Extra("pair_decays", "upcast", square),
        Extra("k_beta", "upcast", keys),
        Extra("operands_within", "activation", 4 * keys),
        Extra("k_products", "activation", square),
        Extra("q_products", "activation", square),
        Extra("q", "upcast", keys),
        Extra("decays", "upcast", tokens),
        Extra("system", "upcast", square),
        Extra("solved_v", "upcast", values),
        Extra("solved_k", "upcast", keys),
        Extra("decays_of_q", "upcast", tokens),
        Extra("decays_of_k", "upcast", tokens * several),
        Extra("decays_of_chunks", "upcast", rows * several),
        Extra("states", "upcast", later * state),
        Extra("states_of_products", "activation", 2 * chunks * state),
        Extra("operands_across", "activation", 3 * later * per_chunk * op.k_dim),
        Extra("scores", "activation", square),
        Extra("v_new", "activation", (chunks + later) * per_chunk * op.v_dim),
    )
