"""What transformers' encoders, poolers and their losses keep for backward where they differ from decoders.

A loss over unshifted labels takes its logits as they are, in the working dtype (`BertForMaskedLM`, `ViTForImageClassification`,
`T5ForConditionalGeneration`, `WhisperForConditionalGeneration`).
"""

from __future__ import annotations

from bursar.dims import at_least, at_most, ceil_div, floor_div
from bursar.kernels.attention import (
    _attention_eager_wide,
    _attention_efficient,
    _attention_flash,
    _attention_matrix,
    _square_traffic,
)
from bursar.kernels.pointwise import _norm_module
from bursar.kernels.registry import Items, implementation
from bursar.ops.attention import Attention, AttentionCore, CrossAttention
from bursar.ops.contrast import Similarity
from bursar.ops.elementwise import LayerNorm, RMSNorm, Rotary
from bursar.ops.learned import PositionBias
from bursar.ops.linear import Loss, PositionEmbedding
from bursar.ops.patches import Pixels
from bursar.ops.pooled import OneToken, PooledAttention
from bursar.step import Step
from bursar.tree import Extra


@implementation("one_token", "copy", "korthikanti-2022")
def _one_token(op: OneToken, wire: str, step: Step) -> Items:
    return ()


@implementation("one_token", "view", "transformers")
def _one_token_view(op: OneToken, wire: str, step: Step) -> Items:
    return (Extra("others", "activation", step.sequences * (step.sources - 1) * op.size),)  # a view holds the whole storage


@implementation("pixels", "patches", "definition")
def _pixels(op: Pixels, wire: str, step: Step) -> Items:
    return ()


@implementation("pixels", "picture", "transformers")
def _pixels_of_the_picture(op: Pixels, wire: str, step: Step) -> Items:
    return (Extra("beyond", "activation", step.sequences * op.beyond),)  # the convolution keeps the whole picture


@implementation("pooled_attention", "matrix", "korthikanti-2022", scratch=_square_traffic)
def _pooled_matrix(op: PooledAttention, wire: str, step: Step) -> Items:
    return _attention_matrix(op, wire, step)


@implementation("pooled_attention", "flash", "flash-attention", rerun=PooledAttention.score_flops)
def _pooled_flash(op: PooledAttention, wire: str, step: Step) -> Items:
    return _attention_flash(op, wire, step)


@implementation("pooled_attention", "module", "pytorch", scratch=_square_traffic)
def _pooled_module(op: PooledAttention, wire: str, step: Step) -> Items:
    """torch.nn.MultiheadAttention with its weights asked for: the softmax in the working dtype, Q scaled and K and V as made."""
    return _attention_eager_wide(op, wire, step)


@implementation("attention", "flash-by-heads", "flash-attention", rerun=AttentionCore.score_flops, skips_masked=True)
def _flash_by_heads(op: AttentionCore, wire: str, step: Step) -> Items:
    """Q is handed over in memory head by head, and so is the result, of which the next product takes a copy token by token
    (`WhisperAttention.forward`); of one token, or of one head, a view."""
    views = at_most(at_least(2 - step.queries, 0) + at_least(2 - op.heads, 0), 1)
    return (*_attention_flash(op, wire, step), Extra("by_heads", "activation", op.tokens(step) * op.width * (1 - views)))


BIAS_ALIGNED = 8  # PyTorch's memory-efficient kernel takes a bias whose rows are so many elements apart, or a multiple


@implementation("attention", "efficient-biased", "pytorch", rerun=AttentionCore.score_flops)
def _efficient_biased(op: AttentionCore, wire: str, step: Step) -> Items:
    """The memory-efficient kernel, which is the one that takes a bias of the scores (`create_position_bias_mask` of transformers,
    `preprocess_mask` and `_efficient_attention_forward` of PyTorch). A bias of one's own per layer, under a causal mask chosen by
    a bool square; in attention to a source zeros, one square for all layers unless its rows must be padded."""
    keys = op.keys(step)
    rounded = ceil_div(keys, BIAS_ALIGNED) * BIAS_ALIGNED
    rows = op.heads * step.queries
    whole_rows = 1 - ceil_div(keys, BIAS_ALIGNED) + floor_div(keys, BIAS_ALIGNED)
    kept = _attention_efficient(op, wire, step)
    if isinstance(op, CrossAttention):
        zeros = Extra("zeros", "activation", rows * keys * whole_rows, shared=True)
        return (*kept, zeros, Extra("padded_zeros", "activation", rows * rounded * (1 - whole_rows)))
    square = (Extra("causal", "mask", step.queries * keys),) if isinstance(op, Attention) and op.causal else ()
    return (*kept, Extra("bias", "activation", rows * rounded), *square)


@implementation("positions", "ids-per-token", "transformers")
def _positions_per_token(op: PositionEmbedding, wire: str, step: Step) -> Items:
    """A row of ids for every sequence; a whole table is added without a look-up."""
    return () if op.whole else (Extra("ids", "index", step.tokens),)


@implementation("position_bias", "bucket-ids", "transformers")
def _position_bias_ids(op: PositionBias, wire: str, step: Step) -> Items:
    return (Extra("buckets", "index", step.queries * step.keys),)  # the ids that the table was read at


@implementation("norm", "module-and-input", "transformers")
def _norm_and_input(op: RMSNorm, wire: str, step: Step) -> Items:
    """The sum of squares reads an FP32 copy, the product the input itself (`T5LayerNorm.forward`)."""
    return (*op.reads, *_norm_module(op, wire, step))


@implementation("norm", "length", "transformers")
def _norm_length(op: RMSNorm, wire: str, step: Step) -> Items:
    """A LayerNorm's module, and x / |x| of an embedding (`SiglipModel.forward`)."""
    if isinstance(op, LayerNorm):
        return _norm_module(op, wire, step)
    return (*op.reads, Extra("length", "activation", op.tokens(step) * op.rows))


@implementation("loss", "unshifted", "transformers")
def _loss_unshifted(op: Loss, wire: str, step: Step) -> Items:
    return (
        Extra("log_softmax", "logits", op.tokens(step) * op.vocab),
        Extra("labels", "index", step.tokens),
        Extra("total_weight", "logits", 1),
    )


@implementation("similarity", "log-sigmoid", "transformers")
def _similarity_log_sigmoid(op: Similarity, wire: str, step: Step) -> Items:
    """Both embeddings, e^t and the cosines it scales, the FP32 signs of all pairs, and what the log-sigmoid of them read
    (`SiglipModel.forward`)."""
    pairs = op.made(step)
    return (
        *op.reads,
        Extra("scale", "logits", 1),
        Extra("cosines", "logits", pairs),
        Extra("signs", "fp32", pairs),
        Extra("signed", "fp32", pairs),
    )


@implementation("rotary", "cos-sin-per-token", "transformers")
def _rotary_per_token(op: Rotary, wire: str, step: Step) -> Items:
    """Positions are data, of three axes (`Qwen2VLTextModel.forward`): cos and sin of every sequence, one for all layers."""
    return (Extra(f"rotary{op.rotated}{op.base}", "activation", 2 * step.tokens * op.rotated, shared=True),)
