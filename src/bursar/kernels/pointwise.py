"""What products, norms, element-wise operators and the loss keep for backward."""

from __future__ import annotations

from bursar.dims import at_least
from bursar.kernels.registry import Items, implementation
from bursar.ops.clamped import ClampedGated
from bursar.ops.contrast import Similarity
from bursar.ops.elementwise import Activation, Concat, Dropout, Gated, LayerNorm, RMSNorm
from bursar.ops.linear import Embedding, Linear, Loss, PositionEmbedding
from bursar.ops.scaled import Scaled
from bursar.step import Step
from bursar.tree import Extra, Op


@implementation("nothing", "plain", "korthikanti-2022")
def _nothing(op: Op, wire: str, step: Step) -> Items:
    return ()


@implementation("linear", "plain", "korthikanti-2022")
def _linear(op: Linear, wire: str, step: Step) -> Items:
    return op.reads  # the weight gradient is Gᵀ x


@implementation("embedding", "plain", "korthikanti-2022")
def _embedding(op: Embedding, wire: str, step: Step) -> Items:
    return ()  # the paper neglects the ids


@implementation("embedding", "ids", "pytorch")
def _embedding_ids(op: Embedding, wire: str, step: Step) -> Items:
    return op.reads


@implementation("norm", "input", "korthikanti-2022")
def _norm(op: RMSNorm, wire: str, step: Step) -> Items:
    return op.reads


@implementation("norm", "fused", "transformer-engine")
def _norm_fused(op: RMSNorm, wire: str, step: Step) -> Items:
    rows = op.tokens(step) * op.rows
    return (*op.reads, Extra("statistics", "statistics", op.statistics * rows))


@implementation("norm", "module", "transformers")
def _norm_module(op: RMSNorm, wire: str, step: Step) -> Items:
    rows = op.tokens(step) * op.rows
    if isinstance(op, LayerNorm):  # one fused kernel
        return (*op.reads, Extra("statistics", "statistics", op.statistics * rows))
    return (
        Extra("upcast", "upcast", op.made(step)),
        Extra("normed", "activation", op.made(step)),
        Extra("rsqrt", "statistics", rows),
    )


@implementation("norm", "module-fp32", "transformers")
def _norm_module_wide(op: RMSNorm, wire: str, step: Step) -> Items:
    if isinstance(op, LayerNorm):
        return _norm_module(op, wire, step)
    return (*op.reads, *_norm_module(op, wire, step)[1:])


@implementation("activation", "input", "korthikanti-2022")
def _activation(op: Activation, wire: str, step: Step) -> Items:
    return op.reads


@implementation("activation", "composed", "transformers")
def _activation_composed(op: Activation, wire: str, step: Step) -> Items:
    if op.function == "gelu_new":  # ½x(1 + tanh(…)): the input, tanh's result, and both factors of the last product
        return (*op.reads, *[Extra(name, "activation", op.made(step)) for name in ("tanh", "half", "one_plus_tanh")])
    return (wire,) if op.function == "relu" else op.reads


@implementation("gated", "composed", "glu-variants")
def _gated(op: Gated, wire: str, step: Step) -> Items:
    return (*op.reads, Extra(op.function, "activation", op.made(step)))  # φ(gate) is a factor of the product


@implementation("gated", "fused", "transformer-engine")
def _gated_fused(op: Gated, wire: str, step: Step) -> Items:
    return op.reads  # φ(gate) is computed again in the backward kernel


@implementation("clamped_gated", "composed", "gpt-oss")
def _clamped_gated(op: ClampedGated, wire: str, step: Step) -> Items:
    parts = ("clamped_gate", "sigmoid", "swish", "shifted_up")  # the factors of both products; σ keeps what it made
    return (*op.reads, *[Extra(part, "activation", op.made(step)) for part in parts])


@implementation("clamped_gated", "fused", "gpt-oss")
def _clamped_gated_fused(op: ClampedGated, wire: str, step: Step) -> Items:
    return op.reads  # computed again in the backward kernel


@implementation("dropout", "mask", "korthikanti-2022")
def _dropout(op: Dropout, wire: str, step: Step) -> Items:
    return (Extra("mask", "mask", op.made(step)),) if op.p else ()


@implementation("scaled", "plain", "qwen2")
def _scaled(op: Scaled, wire: str, step: Step) -> Items:
    return (op.read, Extra("sigmoid", "activation", op.tokens(step)))  # the factors of the product; σ keeps what it made


@implementation("loss", "fp32", "korthikanti-2022")
def _loss(op: Loss, wire: str, step: Step) -> Items:
    return (Extra("logits_fp32", "fp32", op.tokens(step) * op.vocab),)


@implementation("loss", "log-softmax", "transformers")
def _loss_log_softmax(op: Loss, wire: str, step: Step) -> Items:
    return (
        Extra("log_softmax", "fp32", op.tokens(step) * op.vocab),
        # shifted by one: of one sequence a view of the padded labels, of more a contiguous copy
        Extra("labels", "index", step.tokens + at_least(2 - step.sequences, 0)),
        Extra("total_weight", "statistics", 1),
    )


@implementation("similarity", "sigmoid", "siglip")
def _similarity(op: Similarity, wire: str, step: Step) -> Items:
    return (*op.reads, Extra("cosines", "logits", op.made(step)), Extra("shifted", "fp32", op.made(step)))  # t's factor; σ's input


@implementation("positions", "none", "korthikanti-2022")
def _positions(op: PositionEmbedding, wire: str, step: Step) -> Items:
    return ()


@implementation("positions", "ids", "pytorch")
def _positions_ids(op: PositionEmbedding, wire: str, step: Step) -> Items:
    return (Extra("ids", "index", step.queries),)


@implementation("concat", "plain", "korthikanti-2022")
def _concat(op: Concat, wire: str, step: Step) -> Items:
    return ()


@implementation("loss", "in-place", "transformer-engine")
def _loss_fused(op: Loss, wire: str, step: Step) -> Items:
    return op.reads  # the gradient is written over the logits during forward
