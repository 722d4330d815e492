"""Which tensors each implementation of an operator keeps for its backward pass.

A wire name means the tensor of that wire; an `Extra` is a tensor of the implementation's own. A profile names one
implementation per operator; `Kernels.named("fused,attention=matrix")` mixes them.

textbook  arXiv:2205.05198, section 4: every tensor that a plain implementation keeps, norm statistics neglected.
fused     what Megatron-Core with Transformer Engine keeps: flash attention, fused norm, SwiGLU and cross-entropy.
eager     what transformers' modules keep on a CUDA device with attn_implementation="eager": norms and softmax upcast to FP32,
          keys and values repeated to all heads, composed activations, the loss in FP32.
sdpa      the same with torch's scaled_dot_product_attention (flash, no mask).

eager and sdpa are for the families whose modules were traced (`TRACED`). Where the working dtype is FP32 an upcast is
no tensor of its own: `WIDE` says what takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeVar

from bursar.dims import Dim, at_least
from bursar.errors import PlanError, UnknownNameError
from bursar.ops.attention import Attention, AttentionCore
from bursar.ops.clamped import ClampedGated
from bursar.ops.contrast import Similarity
from bursar.ops.conv import ShortConv
from bursar.ops.delta import DeltaRule
from bursar.ops.elementwise import Activation, Concat, Dropout, Gated, LayerNorm, RMSNorm, Rotary
from bursar.ops.learned import PositionBias
from bursar.ops.lightning import LightningAttention
from bursar.ops.linear import Embedding, Linear, Loss, PositionEmbedding, Router
from bursar.ops.llama4 import InputWeightedExperts
from bursar.ops.moe import Experts
from bursar.ops.relative import DistanceKeys, RelativeAttention
from bursar.ops.scaled import Scaled
from bursar.ops.scan import WKV, LinearRecurrence, SelectiveScan, ShiftMix, StateSpaceDual
from bursar.ops.softcap import SoftCap
from bursar.ops.sparse import Index
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
    """Elements of score-sized tensors: scores out, softmax in and out, product in; a dropout adds a pass, a cap too."""
    return op.square(step) * (4 + 2 * bool(op.dropout) + 2 * len(_capped(op, step)))


def _capped(op: AttentionCore, step: Step) -> Items:
    """What tanh made of capped scores."""
    return (Extra("tanh", "activation", op.square(step)),) if isinstance(op, Attention) and op.softcap else ()


@implementation("position_bias", "none", "korthikanti-2022")
def _position_bias(op: PositionBias, wire: str, step: Step) -> Items:
    return ()  # added to the scores, which are not kept


@implementation("position_bias", "square", "flash-attention")
def _position_bias_square(op: PositionBias, wire: str, step: Step) -> Items:
    return (wire,)  # read again where the kernel computes the scores again


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


def _operands(op: AttentionCore, step: Step) -> Items:
    """Q, K and V as the two products take them: contiguous, keys and values repeated to all heads."""
    queries, keys = step.sequences * step.queries * op.heads, step.sequences * op.keys(step) * op.heads
    return (
        Extra("queries", "activation", queries * op.head_dim),
        Extra("keys", "activation", keys * op.head_dim),
        Extra("values", "activation", keys * op.v_dim),
    )


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


@implementation("router", "scores", "sparsely-gated")
def _router(op: Router, wire: str, step: Step) -> Items:
    return (*op.reads, Extra("scores", "statistics", op.made(step)))


@implementation("scaled", "plain", "qwen2")
def _scaled(op: Scaled, wire: str, step: Step) -> Items:
    return (op.read, Extra("sigmoid", "activation", op.tokens(step)))  # the factors of the product; σ keeps what it made


@implementation("experts", "weighted-output", "sparsely-gated")
def _experts(op: Experts, wire: str, step: Step) -> Items:
    copies = op.inner(step).tokens  # the outputs and their weights, both factors of the weighted sum
    return Extra("outputs", "activation", copies * op.size), Extra("weights", "statistics", copies)


@implementation("experts", "weighted-activation", "megatron-core")
def _experts_fused(op: Experts, wire: str, step: Step) -> Items:
    return (Extra("weights", "statistics", op.inner(step).tokens),)  # the weight is folded into the expert's activation


@implementation("input_weighted_experts", "scores", "llama4")
def _input_weighted_experts(op: InputWeightedExperts, wire: str, step: Step) -> Items:
    return (op.read, Extra("weights", "statistics", op.inner(step).tokens))  # the factors of the experts' input


@implementation("index", "scores", "deepseek-v3.2", skips_masked=True)
def _index(op: Index, wire: str, step: Step) -> Items:
    return ()  # no gradient passes through a choice; the core keeps it


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


@implementation("softcap", "tanh", "gemma2")
def _softcap(op: SoftCap, wire: str, step: Step) -> Items:
    return (Extra("tanh", "logits", op.made(step)),)


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


_TRANSFORMERS = {
    "nothing": "plain", "linear": "plain", "embedding": "ids", "positions": "ids", "norm": "module", "rotary": "cos-sin",
    "activation": "composed", "gated": "composed", "dropout": "mask", "loss": "log-softmax",
}  # fmt: skip

PROFILES: dict[str, dict[str, str]] = {
    "eager": {**_TRANSFORMERS, "attention": "eager"},
    "sdpa": {**_TRANSFORMERS, "attention": "flash"},
    "textbook": {
        "selective_scan": "states", "state_space_dual": "chunked", "linear_recurrence": "composed", "wkv": "fused", "mix": "plain",
        "nothing": "plain", "concat": "plain", "linear": "plain", "embedding": "plain", "positions": "none", "norm": "input",
        "attention": "matrix", "position_bias": "none", "rotary": "plain",
        "distance_keys": "plain", "relative_attention": "matrix",
        "activation": "input", "gated": "composed", "dropout": "mask", "router": "scores", "experts": "weighted-output",
        "conv": "composed", "lightning": "chunked", "delta": "chunked",
        "scaled": "plain",
        "loss": "fp32", "softcap": "tanh", "similarity": "sigmoid",
        "clamped_gated": "composed", "input_weighted_experts": "scores", "index": "scores",
    },
    "fused": {
        "selective_scan": "fused", "state_space_dual": "fused", "linear_recurrence": "fused", "wkv": "fused", "mix": "plain",
        "nothing": "plain", "concat": "plain", "linear": "plain", "embedding": "ids", "positions": "none", "norm": "fused",
        "attention": "flash", "position_bias": "square", "rotary": "tables",
        "distance_keys": "plain", "relative_attention": "matrix",
        "activation": "input", "gated": "fused", "dropout": "mask", "router": "scores", "experts": "weighted-activation",
        "conv": "fused", "lightning": "fused", "delta": "fused",
        "scaled": "plain",
        "loss": "in-place", "softcap": "tanh", "similarity": "sigmoid",
        "clamped_gated": "fused", "input_weighted_experts": "scores", "index": "scores",
    },
}  # fmt: skip


# families whose transformers modules were traced, by profile
_FAMILIES = ("gpt2", "llama", "mistral", "qwen2", "qwen3")
TRACED: dict[str, tuple[str, ...]] = {"eager": _FAMILIES, "sdpa": _FAMILIES}

# what takes the place of an implementation that upcasts, where the working dtype is FP32 already
WIDE: dict[tuple[str, str], str] = {("norm", "module"): "module-fp32", ("attention", "eager"): "eager-fp32"}


@dataclass(frozen=True)
class Kernels:
    """One implementation for every operator; `wide` says that the working dtype is FP32."""

    name: str
    wide: bool = False

    @classmethod
    @lru_cache(maxsize=64)
    def named(cls, name: str, *, wide: bool = False) -> Kernels:
        """A profile, with `,slot=implementation` for each departure from it."""
        kernels = cls(name, wide)
        _ = kernels.table
        return kernels

    @property
    def profile(self) -> str:
        return self.name.split(",")[0].strip()

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
        names = {slot: WIDE.get((slot, name), name) if self.wide else name for slot, name in self.slots.items()}
        return {slot: IMPLEMENTATIONS[slot, name] for slot, name in names.items()}

    def of(self, op: Op) -> Implementation:
        """The implementation of an operator; an operator that the profile does not know is an error."""
        try:
            return self.table[op.slot]
        except KeyError:
            raise PlanError(f"kernels {self.name!r} do not say what {type(op).__name__} keeps", field="kernels") from None

    def keeps(self, op: Op, wire: str, step: Step) -> Items:
        return self.of(op).keeps(op, wire, step)
