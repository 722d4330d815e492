"""What attention cores and what belongs to them keep for backward: scores, positions, choices."""

from __future__ import annotations

from bursar.dims import Dim, at_least, at_most, ceil_div
from bursar.kernels.registry import Items, Peak, implementation
from bursar.ops.attention import Attention, AttentionCore
from bursar.ops.context import HeadAttention
from bursar.ops.elementwise import Rotary
from bursar.ops.learned import PositionBias
from bursar.ops.relative import DistanceKeys, RelativeAttention
from bursar.ops.softcap import SoftCap
from bursar.ops.sparse import Index
from bursar.step import Step
from bursar.tree import Extra


def _eager(op: AttentionCore, step: Step, softmax: str) -> Items:
    weights = Extra("softmax", softmax, op.square(step))
    if op.dropout:
        return (
            *_operands(op, step),
            *_capped(op, step),
            weights,
            Extra("mask", "mask", op.square(step)),
            Extra("dropped", "activation", op.square(step)),
        )
    cast = (Extra("weights", "activation", op.square(step)),) if softmax == "upcast" else ()
    return (*_operands(op, step), *_capped(op, step), weights, *cast)


def _operands(op: AttentionCore, step: Step) -> Items:
    """Q, K and V as the two products take them: contiguous, keys and values repeated to all heads."""
    queries, keys = op.tokens(step) * op.heads, step.sequences * op.keys(step) * _repeated(op, step)
    return (
        Extra("queries", "activation", queries * op.head_dim),
        Extra("keys", "activation", keys * op.head_dim),
        Extra("values", "activation", _sliced(op, step)),
    )


def _repeated(op: AttentionCore, step: Step) -> Dim:
    """Heads of K and V as a product reads them: all, but one head of one sequence is repeated as a view."""
    view = at_least(2 - step.sequences, 0) * at_least(2 - op.kv_heads, 0)  # 1 or 0, since sizes may be arrays
    return op.heads - (op.heads - op.kv_heads) * view


def _viewed(op: AttentionCore, step: Step) -> Dim:
    """1 where a product over sequences and heads reads a slice as it is, else 0 where it reads a contiguous copy."""
    return 1 - (1 - at_least(2 - step.sequences, 0)) * (1 - at_least(2 - op.heads, 0))


def _sliced(op: AttentionCore, step: Step) -> Dim:
    """Elements of the tensor that the product with V keeps: where V is a slice of a wider tensor, of one sequence or one head it
    is a view that holds all of it, of more a copy."""
    keys = step.sequences * op.keys(step) * _repeated(op, step)
    beside = 0 if op.v_span is None else _viewed(op, step) * (op.v_span - op.v_dim)
    return keys * (op.v_dim + beside)


def _capped(op: AttentionCore, step: Step) -> Items:
    """What tanh made of capped scores."""
    return (Extra("tanh", "activation", op.square(step)),) if isinstance(op, Attention) and op.softcap else ()


def _square_traffic(op: AttentionCore, step: Step) -> Dim:
    """Elements of score-sized tensors: scores out, softmax in and out, product in; a dropout adds a pass, a cap too."""
    return op.square(step) * (4 + 2 * bool(op.dropout) + 2 * len(_capped(op, step)))


@implementation("position_bias", "none", "korthikanti-2022")
def _position_bias(op: PositionBias, wire: str, step: Step) -> Items:
    return ()  # added to the scores, which are not kept


@implementation("position_bias", "square", "flash-attention")
def _position_bias_square(op: PositionBias, wire: str, step: Step) -> Items:
    return (wire,)  # read again where the kernel computes the scores again


def _matrix_peak(op: AttentionCore, step: Step) -> Peak:
    """Forward the scores before the softmax; backward the gradients of the softmax and of the scores."""
    scores = Extra("scores", "activation", op.square(step))
    return (scores,), (scores, scores)


@implementation("attention", "matrix", "korthikanti-2022", scratch=_square_traffic, peak=_matrix_peak)
def _attention_matrix(op: AttentionCore, wire: str, step: Step) -> Items:
    softmax = Extra("softmax", "activation", op.square(step))
    if not op.dropout:
        return (*op.reads, *_capped(op, step), softmax)
    dropped = (Extra("mask", "mask", op.square(step)), Extra("dropped", "activation", op.square(step)))
    return (*op.reads, *_capped(op, step), softmax, *dropped)


def _flash_peak(op: AttentionCore, step: Step) -> Peak:
    """Backward: gradients of Q summed in FP32, the row sums of output · gradient, and with grouped keys the gradients of K and V of
    every query head before they are added up (csrc/flash_attn/flash_api.cpp, mha_bwd)."""
    queries, keys = op.tokens(step) * op.heads, step.sequences * op.keys(step) * op.heads
    grouped = at_most(op.heads - op.kv_heads, 1)
    return (), (
        Extra("dq", "statistics", queries * op.head_dim),
        Extra("rows", "statistics", queries),
        Extra("dkv", "activation", grouped * keys * (op.head_dim + op.v_dim)),
    )


@implementation("attention", "flash-2", "flash-attention", rerun=AttentionCore.score_flops, skips_masked=True, peak=_flash_peak)
@implementation("attention", "flash", "flash-attention", rerun=AttentionCore.score_flops, skips_masked=True, peak=_flash_peak)
def _attention_flash(op: AttentionCore, wire: str, step: Step) -> Items:
    swapped = (Extra("swapped", "activation", op.swapped(step)),) if isinstance(op, HeadAttention) else ()
    return (*op.reads, wire, Extra("logsumexp", "statistics", op.heads * op.tokens(step)), *swapped)


def _eager_peak(op: AttentionCore, step: Step) -> Peak:
    """Forward the scores before the softmax. Backward the gradient of the softmax and that of the scores, in its dtype; the rounded
    weights are gone by then."""
    square = op.square(step)
    wide, narrow = Extra("fp32", "upcast", square), Extra("scores", "activation", square)
    return (narrow,), (*((wide, narrow) if op.upcast else (narrow, narrow)), *_before_the_scores(op, step))


def _eager_peak_wide(op: AttentionCore, step: Step) -> Peak:
    scores = Extra("scores", "activation", op.square(step))
    return (scores,), (scores, scores, *_before_the_scores(op, step))


def _before_the_scores(op: AttentionCore, step: Step) -> tuple[Extra, ...]:
    """While the softmax is differentiated, the gradient of the output and the repeated values are gone, that of the values is there
    for every query head, and those of Q and K are yet to come: twice as wide where autocast casts these from FP32."""
    wide = op.cast.reads if op.cast else ()
    q, k = op.head_dim * (1 + (op.q in wide)), op.head_dim * (1 + (op.k in wide))
    queries, keys = op.tokens(step) * op.heads, step.sequences * op.keys(step)
    there = keys * op.heads * op.v_dim - keys * op.kv_heads * op.v_dim
    gone = queries * op.v_dim + keys * op.heads * op.v_dim + queries * q + keys * op.kv_heads * k
    return (Extra("operands", "activation", there - gone),)


@implementation("attention", "eager", "transformers", scratch=_square_traffic, peak=_eager_peak)
def _attention_eager(op: AttentionCore, wire: str, step: Step) -> Items:
    return _eager(op, step, "upcast" if op.upcast else "activation")


@implementation("attention", "eager-fp32", "transformers", scratch=_square_traffic, peak=_eager_peak_wide)
def _attention_eager_wide(op: AttentionCore, wire: str, step: Step) -> Items:
    return _eager(op, step, "activation")


@implementation("attention", "eager-sinks", "transformers", scratch=_square_traffic)
def _attention_eager_sinks(op: AttentionCore, wire: str, step: Step) -> Items:
    """A column of learned logits beside the scores, the softmax in the working dtype over scores less their largest, whose places
    are kept; the product with V reads the softmax without that column, a view."""
    rows = step.sequences * op.heads * step.queries
    softmax = (Extra("largest", "index", rows), Extra("softmax", "activation", op.square(step) + rows))
    if not op.dropout:
        return (*_operands(op, step), *softmax)
    dropped = (Extra("mask", "mask", op.square(step)), Extra("dropped", "activation", op.square(step)))
    return (*_operands(op, step), *softmax, *dropped)


@implementation("attention", "efficient", "pytorch", rerun=AttentionCore.score_flops, skips_masked=True)
def _attention_efficient(op: AttentionCore, wire: str, step: Step) -> Items:
    """torch's memory-efficient kernel, which CUDA takes where Q and V differ in width (flash wants one width): what flash keeps,
    the log-sum of a sequence's rows filled up to a multiple of 32."""
    rows = step.sequences * op.heads * 32 * ceil_div(step.queries, 32)
    return (op.q, op.k, op.v, wire, Extra("logsumexp", "statistics", rows))


@implementation("attention", "efficient-masked", "pytorch", rerun=AttentionCore.score_flops, skips_masked=True)
def _attention_efficient_masked(op: AttentionCore, wire: str, step: Step) -> Items:
    """The same with a mask, which is kept as a bias in the working dtype, its rows filled up to a multiple of 8."""
    bias = step.sequences * step.queries * 8 * ceil_div(op.keys(step), 8)
    return (*_attention_efficient(op, wire, step), Extra("bias", "activation", bias))


@implementation("distance_keys", "plain", "transformer-xl")
def _distance_keys(op: DistanceKeys, wire: str, step: Step) -> Items:
    return (Extra("sinusoids", "activation", op.tokens(step) * op.d_in, shared=True),)


@implementation("relative_attention", "matrix", "transformer-xl", scratch=_square_traffic)
def _relative_attention(op: RelativeAttention, wire: str, step: Step) -> Items:
    queries = op.tokens(step) * op.heads * op.head_dim  # q + u and q + v are what the two products read
    biased = Extra("content", "activation", queries), Extra("distance", "activation", queries)
    return (*biased, *(item for item in _attention_matrix(op, wire, step) if item != op.q))


def _rotary_peak(op: Rotary, step: Step) -> Peak:
    """Forward both products before they are added; backward the rotated half put into zeros, twice."""
    made = Extra("halves", "activation", op.made(step))
    return (made, made), (made, made)


@implementation("rotary", "cos-sin", "transformers", peak=_rotary_peak)
def _rotary_cos_sin(op: Rotary, wire: str, step: Step) -> Items:
    return (Extra(f"rotary{op.rotated}{op.base}", "activation", 2 * step.queries * op.rotated, shared=True),)


@implementation("rotary", "cos-sin-half", "transformers")
def _rotary_half(op: Rotary, wire: str, step: Step) -> Items:
    """One cos and one sin for each pair of elements."""
    return (Extra(f"rotary{op.rotated}{op.base}", "activation", step.queries * op.rotated, shared=True),)


@implementation("rotary", "complex", "transformers")
def _rotary_complex(op: Rotary, wire: str, step: Step) -> Items:
    """One complex number of two FP32 for each pair of elements."""
    return () if op.fixed else (Extra(f"rotary{op.rotated}{op.base}", "statistics", step.queries * op.rotated, shared=True),)


@implementation("rotary", "repeated-wide", "transformers")
def _rotary_repeated(op: Rotary, wire: str, step: Step) -> Items:
    """Every layer repeats cos and sin in FP32 for the pairs of its heads: one of each for Q and K together, entered by halves."""
    return (Extra("repeated", "statistics", step.queries * op.rotated),)


@implementation("rotary", "plain", "roformer")
def _rotary(op: Rotary, wire: str, step: Step) -> Items:
    return ()  # a rotation is undone by the opposite angle; the textbook recomputes its tables


@implementation("rotary", "tables", "transformer-engine")
def _rotary_tables(op: Rotary, wire: str, step: Step) -> Items:
    return (Extra(f"rotary{op.rotated}{op.base}", "statistics", step.queries * op.rotated, shared=True),)


@implementation("index", "scores", "deepseek-v3.2", skips_masked=True)
def _index(op: Index, wire: str, step: Step) -> Items:
    return ()  # no gradient passes through a choice; the core keeps it


@implementation("softcap", "tanh", "gemma2")
def _softcap(op: SoftCap, wire: str, step: Step) -> Items:
    return (Extra("tanh", "logits", op.made(step)),)
