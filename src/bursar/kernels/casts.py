"""torch.autocast over FP32 weights: what operators keep, and in which format.

Every product casts what it reads for itself; its weight is cast once for all passes of a context, and autograd keeps the copy until
the backward pass. An operator that is given FP32 keeps what it keeps where all is FP32 (`kernels.WIDE`), one that is given the
narrow format what it keeps there. `FORMATS` says which tensors of an implementation have another format than that. Scans with
products inside have implementations of their own (`cast_scans.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bursar.dims import at_most, product
from bursar.kernels import frozen
from bursar.kernels.autocast import POWERS, TABLES_AS_READ, WITH_WEIGHTS, works_wide
from bursar.kernels.cores import _masked as masked
from bursar.kernels.registry import Implementation, Items
from bursar.ops.adapters import Adapter
from bursar.ops.attention import AttentionCore
from bursar.ops.contrast import Similarity
from bursar.ops.conv import ShortConv
from bursar.ops.elementwise import Activation, Gated, LayerNorm, Rotary
from bursar.ops.linear import Linear
from bursar.ops.patches import Conv
from bursar.ops.pooled import OneToken
from bursar.ops.scan import BlockDiagonal, SelectiveScan
from bursar.ops.shared import SharedLinear
from bursar.step import Step
from bursar.tree import Cast, Extra, Op

WEIGHT_CAST = "weight_cast"
_NONE = ""  # no tensor of its own
# cores whose softmax is one of the working dtype, which autocast makes FP32
_ONE_SOFTMAX = (("attention", "eager-sinks"), ("attention", "eager-narrow"), ("pooled_attention", "module"))
# (slot, implementation) → tensor → its format: what a product made is narrow, what is made of a softmax, a softplus, a norm or an
# exponential FP32; weights that are cast to the format of an FP32 input are as wide
FORMATS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("router", "topk-softmax-cast"): {"weights": "upcast"},
    ("router", "softmax-gather-wide-cast"): {"weights": "upcast"},
    ("router", "softmax-topk-cast-as-read"): {"weights": "upcast"},
    ("router", "sigmoid-topk-wide"): {"scores": "activation", "unnormed": "activation", "weights": "activation"},
    ("router", "sparsemixer"): {"noise": "upcast", "scores": "upcast", "multipliers": "upcast", "weights": "upcast"},
    ("input_weighted_experts", "all-tokens"): {"weights": "activation", "unrouted": "activation"},
    **{core: {"softmax": "upcast"} for core in _ONE_SOFTMAX},
    ("norm", "length"): {"length": "upcast"},
    ("similarity", "log-sigmoid"): {"scale": "statistics"},
    ("selective_scan", "by-token"): {"delta_biased": "upcast", "delta": "upcast", "skip_wide": _NONE},
    ("wkv", "by-token"): {"rates": "upcast"},
    ("loss", "unshifted"): {"log_softmax": "fp32", "total_weight": "statistics"},
    ("lightning", "module"): {"decays": "upcast"},
    ("magnitude", "composed"): {"norms": "upcast", "less_one": "upcast", "scale": "upcast", "unbiased": "upcast"},
}


def kept(op: Op, wire: str, kernel: Implementation, named: str, step: Step) -> Items:
    """What an operator keeps under autocast; `named`: what the profile calls its implementation."""
    cast = op.cast
    assert cast is not None
    if isinstance(op, AttentionCore) and op.v in cast.reads:
        op = replace(op, v_span=None)  # a cast is no slice of a wider tensor
    items = kernel.keeps(op, wire, step)
    if op.without or not op.trainable:
        items = frozen.needed(op, kernel, items)
    formats = FORMATS.get((kernel.slot, named), {})
    found = [_in_format(item, formats) for item in _kept(op, cast, kernel, items, step)]
    return tuple([item for item in found if isinstance(item, str) or item.kind])


def _in_format(item: str | Extra, formats: Mapping[str, str]) -> str | Extra:
    return item._replace(kind=formats[item.name]) if isinstance(item, Extra) and item.name in formats else item


def _kept(op: Op, cast: Cast, kernel: Implementation, items: Items, step: Step) -> Items:
    if cast.narrows:
        return _of_a_product(op, cast, kernel, items, step)
    if not items:
        return items
    if works_wide(op) or (isinstance(op, Rotary) and kernel.name not in TABLES_AS_READ):
        return tuple([_widened(item) for item in items])
    if isinstance(op, OneToken):
        return ()  # products read a copy of the one token
    if isinstance(op, SelectiveScan):
        return tuple([_of_a_scan(op, cast, item, step) for item in items])
    if kernel.name == "length":
        return (*items, Extra("upcast", "upcast", op.made(step)))
    if isinstance(op, LayerNorm):
        copy = Extra("upcast", "upcast", op.made(step))
        return tuple([copy if item == op.read else item for item in items if not _is_gain(item)])
    if isinstance(op, Activation) and op.function in POWERS:
        return _power(op, step)
    if isinstance(op, Gated) and op.function in POWERS:
        return (*_power(op, step), op.up, Extra(op.function, "upcast", op.made(step)))
    return items


def _of_a_product(op: Op, cast: Cast, kernel: Implementation, items: Items, step: Step) -> Items:
    """What an operator of autocast's list of products keeps."""
    if isinstance(op, Similarity):
        return tuple([_copied(item, cast) for item in items])
    if isinstance(op, AttentionCore):
        rounds = (kernel.slot, kernel.name) in _ONE_SOFTMAX and not op.dropout
        rounded = (Extra("weights", "activation", op.square(step)),) if rounds else ()
        return (*[_of_the_core(op, cast, kernel, item, step) for item in items], *rounded)
    assert isinstance(op, WITH_WEIGHTS)
    if op.slot == "nothing":  # no gradient passes through it
        return items
    copies = ("upcast", "upcast_weight", op.read)  # in FP32 they are the tensors themselves
    others = [item for item in items if (item.name if isinstance(item, Extra) else item) not in copies]
    joined = isinstance(op, ShortConv) and op.read not in items  # which is among the others
    operand = (_operand(op, cast, kernel, step),) if op.trainable and not joined else ()
    return (*operand, *((weight_cast(op, step),) if op.passes else ()), *others)


def _operand(op: Linear | Conv | ShortConv | BlockDiagonal, cast: Cast, kernel: Implementation, step: Step) -> str | Extra:
    """What it read, cast where that is FP32; adapters have it cast to FP32 before."""
    if isinstance(op, Adapter) and ".lora_a" not in op.read:
        return Extra("input", "activation", op.tokens(step) * op.d_in)
    if isinstance(op, ShortConv) and kernel.name == "padded":  # which is cast to the format of the weight before
        return Extra("input", "activation", op.tokens(step) * op.channels)
    if not cast.reads:
        return op.read
    if cast.together or not isinstance(op, Linear):
        return Extra("input", "activation", 0, of=op.read)
    return Extra("input", "activation", op.tokens(step) * op.d_in)


def weight_cast(op: Op, step: Step) -> Extra:
    """The copy of the weight of a product; nothing where there is no sequence (no picture)."""
    assert isinstance(op, WITH_WEIGHTS) and op.cast is not None
    if isinstance(op, SharedLinear) and op.trainable:
        return Extra(WEIGHT_CAST, "activation", 0)  # the layer that counts the weight has the copy; frozen ones are cast each time
    elements = op.d_in * op.d_out if isinstance(op, Linear) else product(op.shapes()["weight"])
    return Extra(WEIGHT_CAST, "activation", op.cast.matrices * elements * at_most(step.sequences, 1))


def _of_a_scan(op: SelectiveScan, cast: Cast, item: str | Extra, step: Step) -> str | Extra:
    """An FP32 B is taken as it is; every token casts its own part of an FP32 C for a product."""
    if item == op.c and op.c in cast.reads:
        return Extra("narrow_c", "activation", op.tokens(step) * op.states)
    return op.b if isinstance(item, Extra) and item.name == "b_wide" and op.b in cast.reads else item


def _copied(item: str | Extra, cast: Cast) -> str | Extra:
    """A wire as a product reads it: narrow."""
    return Extra("cast", "activation", 0, of=item) if isinstance(item, str) and item in cast.reads else item


def _of_the_core(op: AttentionCore, cast: Cast, kernel: Implementation, item: str | Extra, step: Step) -> str | Extra:
    """Q, K and V are narrow in the core, and a mask is cast for every call. One head that is repeated as a view is cast head by
    head, unless the product itself repeats it."""
    if not isinstance(item, Extra):
        return _copied(item, cast)
    if item.name == "alibi":
        return item._replace(shared=False)
    if item.name not in ("queries", "keys") or (kernel.name == "sdpa-masked" and op.picked == "shared"):  # which is one of FP32
        return item
    narrow = item._replace(kind="activation")
    if item.name == "queries":
        return narrow._replace(elements=op.tokens(step) * op.heads * op.head_dim)
    if op.picked or op.k not in cast.reads:
        return narrow
    repeated = 1 if kernel.scratch else masked(op, step)
    heads = op.kv_heads + (op.heads - op.kv_heads) * repeated
    return narrow._replace(elements=step.sequences * op.keys(step) * heads * op.head_dim)


def _is_gain(item: str | Extra) -> bool:
    """An FP32 copy of weights, which are FP32."""
    return isinstance(item, Extra) and item.name == "gain" and item.kind == "upcast"


def _widened(item: str | Extra) -> str | Extra:
    return item._replace(kind="upcast") if isinstance(item, Extra) and item.kind == "activation" else item


def _power(op: Activation | Gated, step: Step) -> Items:
    return tuple([Extra(part, kind, op.made(step)) for part, kind in POWERS[op.function].items()])
