"""What the scans of transformers' modules keep for backward where they are plain PyTorch: without the kernels of mamba-ssm,
causal-conv1d and flash-linear-attention, which a plain install has not.

FP32 parts of a scan stay FP32 whatever the recipe ("upcast"); what is FP32 only because it was cast from the working dtype is no
tensor of its own where that is FP32 already, which the `-fp32` implementations say.
"""

from __future__ import annotations

from bursar.dims import Dim, at_least, at_most, ceil_div, floor_div
from bursar.kernels.decoders import _norm_upcast_weight as _decoder_norm
from bursar.kernels.decoders import _norm_upcast_weight_wide as _decoder_norm_wide
from bursar.kernels.pointwise import _activation_composed, _norm_module, _norm_module_wide
from bursar.kernels.registry import Items, implementation
from bursar.ops.conv import ShortConv
from bursar.ops.delta import Decay, DeltaRule
from bursar.ops.elementwise import Activation, RMSNorm
from bursar.ops.norms import GroupNorm, ScanNorm
from bursar.ops.scan import ScanGate, SelectiveScan, StateSpaceDual
from bursar.step import Step
from bursar.tree import Extra


@implementation("conv", "padded", "transformers")
def _conv_padded(op: ShortConv, wire: str, step: Step) -> Items:
    """`causal_conv1d_fn` of a mixer: the activation reads a view of the outputs, of which kernel − 1 are behind the sequence."""
    padded = step.sequences * (step.queries + op.kernel - 1) * op.channels
    return (*op.reads, Extra("padded_sum", "activation", padded)) if op.function else op.reads


@implementation("scan_gate", "composed", "glu-variants")
def _scan_gate(op: ScanGate, wire: str, step: Step) -> Items:
    return (*op.reads, Extra(op.function, "activation", op.made(step)))


@implementation("scan_gate", "fused", "transformer-engine")
def _scan_gate_fused(op: ScanGate, wire: str, step: Step) -> Items:
    return op.reads


@implementation("scan_gate", "wide", "transformers")
def _scan_gate_wide(op: ScanGate, wire: str, step: Step) -> Items:
    """φ(gate) in the working dtype, what the scan made in FP32."""
    made = op.made(step)
    return (op.gate, Extra(op.function, "activation", made), Extra("scanned", "upcast", made))


def copies_of_many(elements: Dim, step: Step) -> Dim:
    """What a product has to copy of a tensor whose tokens are its last axis: of one sequence it takes a view."""
    return elements * (1 - at_least(2 - step.sequences, 0))


def _discretised(op: SelectiveScan, step: Step) -> Items:
    """exp(A_log) and −exp(A_log), Δ before and after its softplus, exp(Δ A) and Δ B."""
    made, history = op.made(step), op.history(step)
    return (
        Extra("rates", "upcast", 2 * op.channels * op.states),
        Extra("delta_biased", "activation", made),
        Extra("delta", "activation", made),
        Extra("decays", "upcast", history),
        Extra("delta_b", "upcast", history),
    )


def _by_token(op: SelectiveScan, step: Step) -> Items:
    """x with its channels before its tokens, and the state before the first token and after every token (`mamba_selective_scan`,
    the recurrent iteration): C reads all but the first."""
    start = step.sequences * op.channels * op.states
    return (
        Extra("x_by_channel", "activation", copies_of_many(op.made(step), step)),
        Extra("start", "activation", start),
        Extra("states", "activation", op.history(step)),
    )


@implementation("selective_scan", "by-token", "transformers")
def _selective_scan_by_token(op: SelectiveScan, wire: str, step: Step) -> Items:
    """The states are FP32 and cast for their product with C; FP32 copies of x, B and D."""
    start = step.sequences * op.channels * op.states
    return (
        op.c,
        *_discretised(op, step),
        *_by_token(op, step),
        Extra("x_wide", "upcast", op.made(step)),
        Extra("b_wide", "upcast", op.tokens(step) * op.states),
        Extra("states_wide", "upcast", op.history(step) - start),
        Extra("skip_wide", "upcast", op.channels),
    )


@implementation("selective_scan", "by-token-fp32", "transformers")
def _selective_scan_by_token_wide(op: SelectiveScan, wire: str, step: Step) -> Items:
    return (op.b, op.c, *_discretised(op, step), *_by_token(op, step))


@implementation("scan_gate", "all-wide", "transformers")
def _scan_gate_all_wide(op: ScanGate, wire: str, step: Step) -> Items:
    """An FP32 copy of the gate and φ of it (`MambaRMSNormGated`); what it multiplies is the scan's own."""
    return tuple(Extra(part, "upcast", op.made(step)) for part in ("gate_wide", op.function))


@implementation("scan_gate", "all-wide-fp32", "transformers")
def _scan_gate_all_wide_fp32(op: ScanGate, wire: str, step: Step) -> Items:
    return (op.gate, Extra(op.function, "upcast", op.made(step)))


def _chunked(op: StateSpaceDual, step: Step) -> Items:
    """`mamba2_chunk_scan`, in its order, all of it FP32: the sequence filled up to whole chunks, B and C repeated to all heads,
    each product of einsum with operands of its own, and the states of the chunks as a product with a square of decays. Where
    there is one chunk, x and the states before it are views: of one x, and of the states before and after it; of one sequence, or
    of one head, B and C too."""
    chunks = ceil_div(step.queries, op.chunk)
    one = at_least(2 - chunks, 0)
    views = at_most(one * at_least(2 - step.sequences, 0) + at_least(2 - op.heads, 0), 1)
    tokens = step.sequences * chunks * op.chunk
    wide, states, square = tokens * op.width, tokens * op.heads * op.states, tokens * op.heads * op.chunk
    across = step.sequences * op.heads * (chunks + 1)
    of_heads = op.tokens(step) * op.heads
    return (
        Extra("rates", "upcast", 2 * op.heads),
        Extra("delta_biased", "activation", of_heads),
        Extra("delta", "activation", of_heads),
        Extra("skip_of", "upcast", wide),
        Extra("within_masks", "mask", 2 * op.chunk * op.chunk),
        Extra("within_decays", "upcast", square),
        Extra("c_of_scores", "upcast", states * (1 - views)),
        Extra("b_of_scores", "upcast", states * (1 - views)),
        Extra("scores", "upcast", square),
        Extra("decayed_scores", "upcast", square),
        Extra("x_of_products", "upcast", wide * (2 - one)),
        Extra("decays_to_end", "upcast", tokens * op.heads),
        Extra("b", "upcast", states),
        Extra("decayed_b", "upcast", states),
        Extra("across_masks", "mask", 2 * (chunks + 1) * (chunks + 1)),
        Extra("across_decays", "upcast", across * (chunks + 1)),
        Extra("states", "upcast", across * op.head_dim * op.states),
        Extra("decays_from_start", "upcast", tokens * op.heads),
        Extra("states_before", "upcast", step.sequences * (chunks + one) * op.state()),
        Extra("c_of_states", "upcast", states),
        Extra("across", "upcast", wide),
        Extra("output", "upcast", wide),
    )


@implementation("state_space_dual", "padded-chunks", "transformers")
def _padded_chunks(op: StateSpaceDual, wire: str, step: Step) -> Items:
    """Its operands cast to FP32: x, and Δ twice."""
    copies = Extra("x_wide", "upcast", op.made(step)), Extra("delta_wide", "upcast", 2 * op.tokens(step) * op.heads)
    return (*copies, *_chunked(op, step))


@implementation("state_space_dual", "padded-chunks-fp32", "transformers")
def _padded_chunks_wide(op: StateSpaceDual, wire: str, step: Step) -> Items:
    """x is a view of what the convolution made."""
    return (op.read, Extra("delta_limited", "activation", op.tokens(step) * op.heads), *_chunked(op, step))


@implementation("norm", "upcast-weight-beside-groups", "transformers")
def _norm_upcast_weight(op: RMSNorm, wire: str, step: Step) -> Items:
    """x and its weight in FP32 (`NemotronHRMSNorm.forward`); the norm of a scan's groups takes its weight as it is."""
    upcast, normed, rsqrt = _norm_module(op, wire, step)
    if isinstance(op, GroupNorm):
        return (upcast, normed, rsqrt)
    return (upcast, Extra("normed", "upcast", op.made(step)), rsqrt, Extra("weight_wide", "upcast", op.d))


@implementation("conv", "padded-of-joined", "transformers")
def _conv_padded_of_joined(op: ShortConv, wire: str, step: Step) -> Items:
    """Q, K and V, ordered by heads of keys as one product makes them, are joined anew before the convolution
    (`Qwen3NextGatedDeltaNet.forward`)."""
    padded = step.sequences * (step.queries + op.kernel - 1) * op.channels
    return Extra("joined", "activation", op.made(step)), Extra("padded_sum", "activation", padded)


@implementation("activation", "composed-beside-decay", "transformers")
def _activation_beside_decay(op: Activation, wire: str, step: Step) -> Items:
    """A decay in FP32: exp(A_log) and −exp(A_log), what the softplus read and what it made."""
    if not isinstance(op, Decay):
        return _activation_composed(op, wire, step)
    made = op.made(step)
    return Extra("rates", "upcast", 2 * op.heads), Extra("biased", "upcast", made), Extra("softplus", "upcast", made)


@implementation("scan_gate", "gate-wide", "transformers")
def _scan_gate_gate_wide(op: ScanGate, wire: str, step: Step) -> Items:
    """A copy of the gate and φ of it in FP32, what they multiply in the working dtype (`Qwen3NextRMSNormGated.forward`)."""
    return (*_scan_gate_all_wide(op, wire, step), op.up)


@implementation("norm", "upcast-weight-beside-scans", "transformers")
def _norm_beside_scans(op: RMSNorm, wire: str, step: Step) -> Items:
    return _norm_module(op, wire, step) if isinstance(op, ScanNorm) else _decoder_norm(op, wire, step)


@implementation("norm", "upcast-weight-beside-scans-fp32", "transformers")
def _norm_beside_scans_wide(op: RMSNorm, wire: str, step: Step) -> Items:
    return _norm_module_wide(op, wire, step) if isinstance(op, ScanNorm) else _decoder_norm_wide(op, wire, step)


@implementation("delta", "padded-chunks", "transformers")
def _delta_padded_chunks(op: DeltaRule, wire: str, step: Step) -> Items:
    """`torch_chunk_gated_delta_rule`, in its order, all of it FP32: the sequence filled up to whole chunks and Q and K repeated to
    all heads. A chunk whose state nothing reads leaves no graph: of one chunk, what decays its keys and its query is not kept."""
    chunks = ceil_div(step.queries, op.chunk)
    several = 1 - at_least(2 - chunks, 0)
    rows = step.sequences * op.heads * chunks
    tokens, of_heads = rows * op.chunk, step.tokens * op.heads
    keys, values, square = tokens * op.k_dim, tokens * op.v_dim, tokens * op.chunk
    return (
        Extra("q_and_k", "upcast", 2 * of_heads * op.k_dim),
        Extra("lengths", "upcast", 2 * of_heads),
        Extra("beta", "upcast", tokens),
        Extra("v", "upcast", values),
        Extra("k", "upcast", keys),
        Extra("masked", "mask", op.chunk * op.chunk),
        Extra("pair_decays", "upcast", square),
        Extra("k_beta", "upcast", keys),
        Extra("k_products", "upcast", square),
        Extra("q", "upcast", keys),
        Extra("q_products", "upcast", square),
        Extra("decays", "upcast", tokens),
        Extra("system", "upcast", square),
        Extra("solved_v", "upcast", values),
        Extra("solved_k", "upcast", keys),
        Extra("decays_of_q", "upcast", tokens),
        Extra("decays_of_k", "upcast", tokens * several),
        Extra("decays_of_chunks", "upcast", rows * several),
        Extra("decayed_q_and_k", "upcast", 2 * keys * several),
        Extra("states", "upcast", step.sequences * chunks * op.state()),
        Extra("v_new", "upcast", values),
        Extra("scores", "upcast", square),
    )


@implementation("scan_gate", "gate-of-delta", "transformers")
def _scan_gate_of_delta(op: ScanGate, wire: str, step: Step) -> Items:
    """The gate itself is entered where the sizes of the product that it is a slice of are known."""
    return Extra(op.function, "activation", op.made(step)), op.up


@implementation("delta", "padded-chunks-fp32", "transformers")
def _delta_padded_chunks_wide(op: DeltaRule, wire: str, step: Step) -> Items:
    """As many heads as heads of keys: Q and K are views of what the convolution made, and the gate after it of the product that
    makes Q, K, V and it; more: copies. Where nothing has to be filled up Q and K stay in the order of tokens, so that the products
    within chunks copy both of their operands, unless there is one chunk of one sequence; of several sequences those across chunks
    copy theirs too, of which the first chunk's Q and the last one's K are not kept."""
    equal = at_least(1 + op.key_heads - op.heads, 0)
    keys, values = 2 * op.key_heads * op.k_dim, op.heads * op.v_dim
    chunks, alone = ceil_div(step.queries, op.chunk), at_least(2 - step.sequences, 0)
    one, full = at_least(2 - chunks, 0), 1 - chunks + floor_div(step.queries, op.chunk)
    unread = 2 * step.sequences * op.heads * op.chunk * op.k_dim * full * (1 - alone) * (1 - one)
    others = [item for item in _delta_padded_chunks(op, wire, step)[1:] if isinstance(item, Extra)]
    return (
        Extra("q_and_k", "activation", step.tokens * (2 * op.heads * op.k_dim * (1 - equal) + (keys + values) * equal)),
        Extra("gate", "activation", step.tokens * (values + (keys + values) * equal)),
        Extra("ordered_by_head", "activation", 4 * step.tokens * op.heads * op.k_dim * full * (1 - one * alone)),
        *[item._replace(elements=item.elements - unread) if item.name == "decayed_q_and_k" else item for item in others],
    )
