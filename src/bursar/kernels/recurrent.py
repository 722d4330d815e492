"""What scans, linear attention and convolutions keep for backward."""

from __future__ import annotations

from bursar.kernels.registry import Items, implementation
from bursar.ops.conv import ShortConv
from bursar.ops.delta import DeltaRule
from bursar.ops.lightning import LightningAttention
from bursar.ops.scan import WKV, LinearRecurrence, SelectiveScan, ShiftMix, StateSpaceDual
from bursar.step import Step
from bursar.tree import Extra


@implementation("conv", "composed", "mamba")
def _conv(op: ShortConv, wire: str, step: Step) -> Items:
    return (*op.reads, Extra("sum", "activation", op.made(step))) if op.function else op.reads  # what the activation reads


@implementation("conv", "fused", "causal-conv1d")
def _conv_fused(op: ShortConv, wire: str, step: Step) -> Items:
    return op.reads  # the sum under the activation is computed again in the backward kernel


@implementation("lightning", "chunked", "lightning")
def _lightning(op: LightningAttention, wire: str, step: Step) -> Items:
    scores = Extra("scores", "activation", op.squares(step))
    return (*op.reads, scores, Extra("states", "activation", op.states(step)))


@implementation("lightning", "fused", "lightning", rerun=LightningAttention.rerun_flops)
def _lightning_fused(op: LightningAttention, wire: str, step: Step) -> Items:
    return op.reads  # scores and states are computed again


@implementation("delta", "chunked", "gated-deltanet")
def _delta(op: DeltaRule, wire: str, step: Step) -> Items:
    keys, values = step.tokens * op.heads * op.k_dim, step.tokens * op.heads * op.v_dim
    return (
        *op.reads,
        Extra("normed", "activation", 2 * step.tokens * op.key_heads * op.k_dim),
        Extra("system", "activation", op.squares(step)),
        Extra("scores", "activation", op.squares(step)),
        Extra("solved_keys", "activation", keys),
        Extra("solved_values", "activation", values),
        Extra("deltas", "activation", values),
        Extra("states", "activation", op.states(step)),
    )


@implementation("delta", "fused", "flash-linear-attention", rerun=DeltaRule.rerun_flops)
def _delta_fused(op: DeltaRule, wire: str, step: Step) -> Items:
    heads = step.tokens * op.key_heads
    return (
        *op.reads[2:],  # V, decay and β as they are; Q and K after their L2 norm, with what the norm divided by
        Extra("normed", "activation", 2 * heads * op.k_dim),
        Extra("norms", "statistics", 2 * heads),
        Extra("system", "activation", step.tokens * op.heads * op.chunk),  # the inverted triangle of every token's row
    )


@implementation("selective_scan", "states", "mamba")
def _selective_scan(op: SelectiveScan, wire: str, step: Step) -> Items:
    return (*op.reads, Extra("decays", "activation", op.history(step)), Extra("states", "activation", op.history(step)))


@implementation("selective_scan", "fused", "mamba-ssm", rerun=SelectiveScan.rerun_flops)
def _selective_scan_fused(op: SelectiveScan, wire: str, step: Step) -> Items:
    return op.reads  # decays and states are computed again (section 3.3.2)


@implementation("state_space_dual", "chunked", "mamba2")
def _state_space_dual(op: StateSpaceDual, wire: str, step: Step) -> Items:
    scores = Extra("scores", "activation", op.groups * op.squares(step))
    decays = Extra("decays", "activation", op.heads * op.squares(step))
    return (*op.reads, scores, decays, Extra("states", "activation", op.history(step)))


@implementation("state_space_dual", "fused", "mamba-ssm", rerun=StateSpaceDual.rerun_flops)
def _state_space_dual_fused(op: StateSpaceDual, wire: str, step: Step) -> Items:
    return op.reads  # scores and states are computed again


@implementation("linear_recurrence", "composed", "griffin")
def _linear_recurrence(op: LinearRecurrence, wire: str, step: Step) -> Items:
    made = op.made(step)
    sigmoids = Extra("sigmoids", "activation", 2 * made)
    return (*op.reads, sigmoids, Extra("decays", "activation", made), Extra("scales", "activation", made), wire)


@implementation("linear_recurrence", "fused", "griffin")
def _linear_recurrence_fused(op: LinearRecurrence, wire: str, step: Step) -> Items:
    return (*op.reads, wire)  # a and its root are computed again from the gates; h is a factor of the gradient of a


@implementation("wkv", "fused", "rwkv")
def _wkv(op: WKV, wire: str, step: Step) -> Items:
    return (*op.reads, wire)  # the kernel keeps K, V and the result, and runs the recurrence again


@implementation("mix", "plain", "rwkv")
def _mix(op: ShiftMix, wire: str, step: Step) -> Items:
    return op.reads  # the gradient of μ
