"""What attention cores and what belongs to them keep for backward: scores, positions, choices."""

from __future__ import annotations

from bursar.dims import Dim
from bursar.kernels.registry import Items, implementation
from bursar.ops.attention import Attention, AttentionCore
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
    queries, keys = step.sequences * step.queries * op.heads, step.sequences * op.keys(step) * op.heads
    return (
        Extra("queries", "activation", queries * op.head_dim),
        Extra("keys", "activation", keys * op.head_dim),
        Extra("values", "activation", keys * op.v_dim),
    )


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


@implementation("attention", "matrix", "korthikanti-2022", scratch=_square_traffic)
def _attention_matrix(op: AttentionCore, wire: str, step: Step) -> Items:
    softmax = Extra("softmax", "activation", op.square(step))
    if not op.dropout:
        return (*op.reads, *_capped(op, step), softmax)
    dropped = (Extra("mask", "mask", op.square(step)), Extra("dropped", "activation", op.square(step)))
    return (*op.reads, *_capped(op, step), softmax, *dropped)


@implementation("attention", "flash", "flash-attention", rerun=AttentionCore.score_flops, skips_masked=True)
def _attention_flash(op: AttentionCore, wire: str, step: Step) -> Items:
    return (*op.reads, wire, Extra("logsumexp", "statistics", op.heads * op.tokens(step)))


@implementation("attention", "eager", "transformers", scratch=_square_traffic)
def _attention_eager(op: AttentionCore, wire: str, step: Step) -> Items:
    return _eager(op, step, "upcast" if op.upcast else "activation")


@implementation("attention", "eager-fp32", "transformers", scratch=_square_traffic)
def _attention_eager_wide(op: AttentionCore, wire: str, step: Step) -> Items:
    return _eager(op, step, "activation")


@implementation("distance_keys", "plain", "transformer-xl")
def _distance_keys(op: DistanceKeys, wire: str, step: Step) -> Items:
    return (Extra("sinusoids", "activation", op.tokens(step) * op.d_in, shared=True),)


@implementation("relative_attention", "matrix", "transformer-xl", scratch=_square_traffic)
def _relative_attention(op: RelativeAttention, wire: str, step: Step) -> Items:
    queries = op.tokens(step) * op.heads * op.head_dim  # q + u and q + v are what the two products read
    biased = Extra("content", "activation", queries), Extra("distance", "activation", queries)
    return (*biased, *(item for item in _attention_matrix(op, wire, step) if item != op.q))


@implementation("rotary", "cos-sin", "transformers")
def _rotary_cos_sin(op: Rotary, wire: str, step: Step) -> Items:
    return (Extra(f"rotary{op.rotated}{op.base}", "activation", 2 * step.queries * op.rotated, shared=True),)


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
