"""What transformers' mixtures of experts keep for backward: the router's scores and choice, and the copies of tokens in experts.

A router is named for the order of its steps. `-wide` says that its product is one of FP32 copies; what it hands to the experts is
one weight for every copy of a token, in FP32 or, named `-cast`, in the working dtype.
"""

from __future__ import annotations

from bursar.dims import at_least
from bursar.kernels.registry import Items, implementation
from bursar.ops.elementwise import Gated
from bursar.ops.linear import Linear, Router
from bursar.ops.llama4 import InputWeightedExperts, Tempered
from bursar.ops.moe import Experts
from bursar.step import Step
from bursar.tree import Extra


def _scores(op: Router, step: Step) -> Extra:
    """What softmax or σ made of the scores of every expert."""
    return Extra("scores", "statistics", op.made(step))


def _chosen(op: Router, step: Step, weights: str) -> Items:
    """Indices of the choice, its weights before they are divided by their sum and that sum, and the weight of every copy."""
    tokens, copies = op.tokens(step), op.tokens(step) * op.top_k
    normed = (Extra("unnormed", "statistics", copies), Extra("sums", "statistics", tokens)) if op.normed else ()
    return (Extra("chosen", "index", copies), *normed, Extra("weights", weights, copies))


def _wide(op: Router, step: Step) -> Items:
    """The factors of a product in FP32: copies of what it reads and of its weight."""
    return Extra("upcast", "upcast", op.tokens(step) * op.d_in), Extra("upcast_weight", "upcast", op.d_in * op.d_out)


@implementation("router", "softmax-topk", "transformers")
def _softmax_topk(op: Router, wire: str, step: Step) -> Items:
    return (*op.reads, _scores(op, step), *_chosen(op, step, "statistics"))


@implementation("router", "softmax-topk-cast-as-read", "transformers")  # to the format of what it reads, which autocast tells apart
@implementation("router", "softmax-topk-cast", "transformers")
def _softmax_topk_cast(op: Router, wire: str, step: Step) -> Items:
    return (*op.reads, _scores(op, step), *_chosen(op, step, "activation"))


@implementation("router", "topk-softmax-cast", "transformers")
def _topk_softmax_cast(op: Router, wire: str, step: Step) -> Items:
    """The softmax of the chosen scores alone, in FP32."""
    return (*op.reads, Extra("softmax", "statistics", op.tokens(step) * op.top_k), *_chosen(op, step, "activation"))


@implementation("router", "topk-softmax", "transformers")
def _topk_softmax(op: Router, wire: str, step: Step) -> Items:
    """The softmax of the chosen scores alone, in the working dtype."""
    return (*op.reads, Extra("softmax", "activation", op.tokens(step) * op.top_k), *_chosen(op, step, "activation"))


@implementation("router", "sigmoid-topk", "transformers")
def _sigmoid_topk(op: Router, wire: str, step: Step) -> Items:
    return (*op.reads, _scores(op, step), *_chosen(op, step, "statistics"))


@implementation("router", "sigmoid-topk-wide", "transformers")
def _sigmoid_topk_wide(op: Router, wire: str, step: Step) -> Items:
    return (*_wide(op, step), _scores(op, step), *_chosen(op, step, "statistics"))


@implementation("router", "softmax-topk-wide", "transformers")
def _softmax_topk_wide(op: Router, wire: str, step: Step) -> Items:
    return (*_wide(op, step), *_of_groups(op, step))


@implementation("router", "softmax-topk-groups", "transformers")
def _softmax_topk_groups(op: Router, wire: str, step: Step) -> Items:
    return (*op.reads, *_of_groups(op, step))


def _of_groups(op: Router, step: Step) -> Items:
    """Scores, of which those outside the best groups are masked before the choice."""
    masked = (Extra("outside", "mask", op.made(step)),) if op.grouped else ()
    return (_scores(op, step), *masked, *_chosen(op, step, "statistics"))


@implementation("router", "softmax-gather-wide-cast", "transformers")
def _softmax_gather_wide_cast(op: Router, wire: str, step: Step) -> Items:
    return (*_wide(op, step), *_clamped(op, step))


@implementation("router", "softmax-gather-cast", "transformers")
def _softmax_gather_cast(op: Router, wire: str, step: Step) -> Items:
    return (*op.reads, *_clamped(op, step))


def _clamped(op: Router, step: Step) -> Items:
    """Scores and a choice whose sum is clamped before it divides: the sum is kept before and after."""
    return (_scores(op, step), *_chosen(op, step, "activation"), Extra("clamped", "statistics", op.tokens(step)))


@implementation("router", "sparsemixer", "transformers")
def _sparsemixer(op: Router, wire: str, step: Step) -> Items:
    """One expert after the other (arXiv:2409.12136): of each the mask of experts far below the best, the softmax of the others, the
    choice and its multiplier. The noise on what is read is multiplied twice, by the layer and by the router."""
    tokens, copies = op.tokens(step), op.tokens(step) * op.top_k
    noise = (Extra("noise", "activation", 2 * tokens * op.d_in),) if op.jitter else ()
    return (
        *op.reads,
        *noise,
        Extra("outside", "mask", copies * op.d_out),
        Extra("scores", "activation", copies * op.d_out),
        Extra("chosen", "index", copies),
        Extra("multipliers", "activation", copies),
        Extra("weights", "activation", copies),
    )


@implementation("router", "topk-sigmoid", "transformers")
def _topk_sigmoid(op: Router, wire: str, step: Step) -> Items:
    """σ, in FP32, of the chosen scores among −∞."""
    return (*op.reads, Extra("chosen", "index", op.tokens(step) * op.top_k), _scores(op, step))


@implementation("experts", "grouped", "transformers")
def _grouped(op: Experts, wire: str, step: Step) -> Items:
    """One grouped product over the copies of tokens, sorted by expert: transformers' default (`grouped_mm`) on a CUDA device of
    compute capability 8.0 and later. What it keeps does not depend on the routing.

    Beside what the block inside keeps: where each copy comes from (its token, its place before and after sorting, and its expert
    where biases are looked up), the end of every expert's rows, and the outputs that the weights multiply.
    """
    copies = op.inner(step).tokens
    biased = any(line.bias and line.trainable for line in op.block.lines.values() if isinstance(line, Linear))
    indices = ("sources", "order", "inverse", *(("experts",) if biased else ()))
    return (
        *[Extra(name, "index", copies) for name in indices],
        Extra("offsets", "offset", op.experts),
        Extra("outputs", "activation", copies * op.size),
    )


@implementation("experts", "eager-loop", "transformers")
def _eager_loop(op: Experts, wire: str, step: Step) -> Items:
    """One expert after the other (`experts_implementation="eager"`): of every copy its token and its rank among the token's
    choices, and the outputs before and after the weights multiply them."""
    copies = op.inner(step).tokens
    outputs = [Extra(name, "activation", copies * op.size) for name in ("outputs", "weighted")]
    return (Extra("places", "index", 2 * copies), *outputs)


@implementation("input_weighted_experts", "all-tokens", "transformers")
def _all_tokens(op: InputWeightedExperts, wire: str, step: Step) -> Items:
    """Every expert works on every token, with a weight of zero where it is not routed (`Llama4TextMoe.forward`): a repeated input
    with its weights, and what the block inside keeps of the tokens beyond those that are routed."""
    tokens, inside = op.tokens(step), op.block.lines
    read = {wire for line in inside.values() if isinstance(line, (Linear, Gated)) for wire in line.reads}
    widths = sum([inside[wire].width for wire in read]) + sum([line.size for line in inside.values() if isinstance(line, Gated)])
    return (
        Extra("weights", "activation", tokens * op.experts),
        Extra("repeated", "activation", tokens * op.experts * op.size),
        Extra("unrouted", "activation", tokens * at_least(op.experts - op.top_k, 0) * widths),
    )


@implementation("tempered", "plain", "llama4")
def _tempered(op: Tempered, wire: str, step: Step) -> Items:
    return ()  # a function of the position


@implementation("tempered", "scales", "transformers")
def _tempered_scales(op: Tempered, wire: str, step: Step) -> Items:
    return (Extra("scales", "statistics", step.queries),)
