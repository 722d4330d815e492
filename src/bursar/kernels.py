"""Which tensors each implementation of an operator keeps for its backward pass.

A wire name means the tensor of that wire; an `Extra` is a tensor of the implementation's own. A profile names one
implementation per operator; `Kernels.named("fused,attention=matrix")` mixes them.

textbook  arXiv:2205.05198, section 4: every tensor that a plain implementation keeps, norm statistics neglected.
fused     what Megatron-Core with Transformer Engine keeps: flash attention, fused norm, SwiGLU and cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeVar

from bursar.dims import Dim
from bursar.errors import PlanError, UnknownNameError
from bursar.ops.attention import AttentionCore
from bursar.ops.elementwise import Activation, Dropout, Gated, RMSNorm, Rotary
from bursar.ops.linear import Embedding, Linear, Loss, Router
from bursar.ops.moe import Experts
from bursar.step import Step
from bursar.tree import Extra, Op

Items = tuple[str | Extra, ...]


class Implementation(NamedTuple):
    """One way to compute an operator: what it keeps, what it moves beyond the operator's own operands, and the FLOPs that its
    backward pass spends on computing again what it did not keep (they are no model FLOPs)."""

    name: str
    slot: str
    keeps: Callable[[Any, str, Step], Items]
    source: str
    scratch: Callable[[Any, Step], Dim] | None = None
    rerun: Callable[[Any, Step], Dim] | None = None
    skips_masked: bool = False


IMPLEMENTATIONS: dict[tuple[str, str], Implementation] = {}

F = TypeVar("F", bound=Callable[..., Any])


def implementation(slot: str, name: str, source: str, **facts: Any) -> Callable[[F], F]:
    """Register the function that lists what this implementation keeps."""

    def register(keeps: F) -> F:
        IMPLEMENTATIONS[slot, name] = Implementation(name, slot, keeps, source, **facts)
        return keeps

    return register


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


def _square_traffic(op: AttentionCore, step: Step) -> Dim:
    """Elements of score-sized tensors: scores out, softmax in and out, product in; a dropout adds a pass."""
    return op.square(step) * (6 if op.dropout else 4)


@implementation("attention", "matrix", "korthikanti-2022", scratch=_square_traffic)
def _attention_matrix(op: AttentionCore, wire: str, step: Step) -> Items:
    softmax = Extra("softmax", "activation", op.square(step))
    if not op.dropout:
        return (*op.reads, softmax)
    return (*op.reads, softmax, Extra("mask", "mask", op.square(step)), Extra("dropped", "activation", op.square(step)))


@implementation("attention", "flash", "flash-attention", rerun=AttentionCore.score_flops, skips_masked=True)
def _attention_flash(op: AttentionCore, wire: str, step: Step) -> Items:
    return (*op.reads, wire, Extra("logsumexp", "statistics", op.heads * op.tokens(step)))


@implementation("rotary", "plain", "roformer")
def _rotary(op: Rotary, wire: str, step: Step) -> Items:
    return ()  # a rotation is undone by the opposite angle; the textbook recomputes its tables


@implementation("rotary", "tables", "transformer-engine")
def _rotary_tables(op: Rotary, wire: str, step: Step) -> Items:
    return (Extra(f"rotary{op.rotated}", "statistics", step.queries * op.rotated, shared=True),)


@implementation("activation", "input", "korthikanti-2022")
def _activation(op: Activation, wire: str, step: Step) -> Items:
    return op.reads


@implementation("gated", "composed", "glu-variants")
def _gated(op: Gated, wire: str, step: Step) -> Items:
    return (*op.reads, Extra(op.function, "activation", op.made(step)))  # φ(gate) is a factor of the product


@implementation("gated", "fused", "transformer-engine")
def _gated_fused(op: Gated, wire: str, step: Step) -> Items:
    return op.reads  # φ(gate) is computed again in the backward kernel


@implementation("dropout", "mask", "korthikanti-2022")
def _dropout(op: Dropout, wire: str, step: Step) -> Items:
    return (Extra("mask", "mask", op.made(step)),) if op.p else ()


@implementation("router", "scores", "sparsely-gated")
def _router(op: Router, wire: str, step: Step) -> Items:
    return (*op.reads, Extra("scores", "statistics", op.made(step)))


@implementation("experts", "weighted-output", "sparsely-gated")
def _experts(op: Experts, wire: str, step: Step) -> Items:
    copies = op.inner(step).tokens  # the outputs and their weights, both factors of the weighted sum
    return Extra("outputs", "activation", copies * op.size), Extra("weights", "statistics", copies)


@implementation("experts", "weighted-activation", "megatron-core")
def _experts_fused(op: Experts, wire: str, step: Step) -> Items:
    return (Extra("weights", "statistics", op.inner(step).tokens),)  # the weight is folded into the expert's activation


@implementation("loss", "fp32", "korthikanti-2022")
def _loss(op: Loss, wire: str, step: Step) -> Items:
    return (Extra("logits_fp32", "fp32", op.tokens(step) * op.vocab),)


@implementation("loss", "in-place", "transformer-engine")
def _loss_fused(op: Loss, wire: str, step: Step) -> Items:
    return op.reads  # the gradient is written over the logits during forward


PROFILES: dict[str, dict[str, str]] = {
    "textbook": {
        "nothing": "plain", "linear": "plain", "embedding": "plain", "norm": "input", "attention": "matrix", "rotary": "plain",
        "activation": "input", "gated": "composed", "dropout": "mask", "router": "scores", "experts": "weighted-output",
        "loss": "fp32",
    },
    "fused": {
        "nothing": "plain", "linear": "plain", "embedding": "ids", "norm": "fused", "attention": "flash", "rotary": "tables",
        "activation": "input", "gated": "fused", "dropout": "mask", "router": "scores", "experts": "weighted-activation",
        "loss": "in-place",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Kernels:
    """One implementation for every operator."""

    name: str

    @classmethod
    @lru_cache(maxsize=64)
    def named(cls, name: str) -> Kernels:
        """A profile, with `,slot=implementation` for each departure from it."""
        kernels = cls(name)
        _ = kernels.table
        return kernels

    @cached_property
    def slots(self) -> dict[str, str]:
        profile, *changes = [part.strip() for part in self.name.split(",")]
        if profile not in PROFILES:
            raise UnknownNameError("kernels", profile, PROFILES)
        chosen = dict(PROFILES[profile])
        for change in changes:
            slot, _, name = change.partition("=")
            if (slot, name) not in IMPLEMENTATIONS:
                valid = [f"{s}={n}" for s, n in IMPLEMENTATIONS if s in (slot, *([] if slot in chosen else chosen))]
                raise PlanError(f"no implementation {change!r}", field="kernels", value=change, valid=valid)
            chosen[slot] = name
        return chosen

    @cached_property
    def table(self) -> dict[str, Implementation]:
        return {slot: IMPLEMENTATIONS[slot, name] for slot, name in self.slots.items()}

    def of(self, op: Op) -> Implementation:
        """The implementation of an operator; an operator that the profile does not know is an error."""
        try:
            return self.table[op.slot]
        except KeyError:
            raise PlanError(f"kernels {self.name!r} do not say what {type(op).__name__} keeps", field="kernels") from None

    def keeps(self, op: Op, wire: str, step: Step) -> Items:
        return self.of(op).keeps(op, wire, step)
