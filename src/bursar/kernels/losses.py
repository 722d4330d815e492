"""Losses that take the output layer in, so that the logits are never whole.

fused-linear  Liger: the forward pass takes chunks of tokens through output layer, loss and gradient at once. It leaves the
              gradient of the hidden states and that of the output weight; the backward pass only scales them.
chunked       chunks of a fixed number of tokens; the backward pass computes the logits of every chunk again.

`included` names the implementation of the output layer that belongs to a loss.
"""

from __future__ import annotations

from bursar.dims import Dim, at_most, ceil_div, power_of_two
from bursar.facts import table
from bursar.kernels.registry import Items, Peak, implementation
from bursar.ops.linear import Head, Loss
from bursar.ops.softcap import SoftCap
from bursar.step import Step
from bursar.tree import Extra


def _chunk() -> int:
    """Tokens of a chunk of the chunked loss."""
    return int(table("kernels.toml")["chunked_loss"]["chunk"].si)


def _no_logits(op: Head, step: Step) -> Dim:
    return 0


def _one(op: Loss, step: Step) -> Dim:
    return 1


def _liger_peak(op: Head, step: Step) -> Peak:
    """The logits of a chunk, over which their gradient is written. With c = ⌈V/h⌉ a chunk has ⌈tokens/c⌉ tokens, rounded up to a
    power of two, so that it takes about as much as the hidden states."""
    tokens = op.tokens(step)
    chunk = at_most(power_of_two(ceil_div(tokens, ceil_div(op.d_out, op.d_in))), tokens)
    return (Extra("chunk", "activation", chunk * op.d_out), Extra("losses", "statistics", tokens)), ()


@implementation("linear", "fused-linear", "liger", peak=_liger_peak, result=_no_logits, overwrites=True)
def _head_fused_linear(op: Head, wire: str, step: Step) -> Items:
    gradients = Extra("input_gradient", "activation", op.tokens(step) * op.d_in)
    return gradients, Extra("weight_gradient", "weight", op.d_in * op.d_out)


@implementation("loss", "fused-linear", "liger", result=_one, included="fused-linear")
def _loss_fused_linear(op: Loss, wire: str, step: Step) -> Items:
    return ()


def _chunked_peak(op: Head, step: Step) -> Peak:
    """The logits of a chunk and their FP32 copy; backward its gradient as well, in FP32 and rounded."""
    logits = at_most(op.tokens(step), _chunk()) * op.d_out
    narrow, wide = Extra("chunk", "activation", logits), Extra("fp32", "upcast", logits)
    return (narrow, wide), (narrow, wide, wide, narrow)


@implementation("linear", "chunked", "automodel", peak=_chunked_peak, result=_no_logits, rerun=Head.flops)
def _head_chunked(op: Head, wire: str, step: Step) -> Items:
    return op.reads


@implementation("loss", "chunked", "automodel", result=_one, included="chunked")
def _loss_chunked(op: Loss, wire: str, step: Step) -> Items:
    return (Extra("labels", "index", op.tokens(step)),)


@implementation("softcap", "included", "liger", result=_no_logits)
def _softcap_included(op: SoftCap, wire: str, step: Step) -> Items:
    return ()  # of a chunk, as the logits are
