"""Which tensors each implementation of an operator keeps for its backward pass.

A wire name means the tensor of that wire; an `Extra` is a tensor of the implementation's own. A profile names one
implementation per operator; `Kernels.named("fused,attention=matrix")` mixes them.

textbook  arXiv:2205.05198, section 4: every tensor that a plain implementation keeps, norm statistics neglected.
fused     what Megatron-Core with Transformer Engine keeps: flash attention, fused norm, SwiGLU and cross-entropy.
eager     what transformers' modules keep on a CUDA device with attn_implementation="eager": norms and softmax upcast to FP32,
          keys and values repeated to all heads, composed activations, the loss in FP32; experts are one grouped product
          (`experts=eager-loop`: one after the other).
sdpa      the same with torch's scaled_dot_product_attention (flash; with a window's mask memory-efficient attention).

eager and sdpa are for the families whose modules were traced: a row of `modules.py` says how they differ from the profile.
Where the working dtype is FP32 an upcast is no tensor of its own: `WIDE` says what takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from bursar.errors import PlanError, UnknownNameError
from bursar.kernels import (
    adapters,
    attention,
    autocast,
    cast_scans,
    casts,
    cores,
    decoders,
    encoders,
    experts,
    frozen,
    held,
    lightning,
    losses,
    main_grad,
    mixtures,
    narrow_losses,
    pointwise,
    recurrent,
    scans,
    sharded_losses,
    token_loops,
)
from bursar.kernels.modules import MODULES, departures
from bursar.kernels.registry import IMPLEMENTATIONS, Implementation, Items
from bursar.ops.linear import Head
from bursar.ops.softcap import SoftCap
from bursar.step import Step
from bursar.tree import Op

__all__ = ["CAST", "IMPLEMENTATIONS", "MODULES", "PROFILES", "TRACED", "WIDE", "Implementation", "Items", "Kernels"]
# importing them fills the table
ROOMS = (
    adapters, attention, cast_scans, cores, decoders, encoders, experts, held, lightning, losses, main_grad, mixtures,
    narrow_losses, pointwise, recurrent, scans, sharded_losses, token_loops,
)  # fmt: skip

_TRANSFORMERS = {
    "nothing": "plain", "linear": "plain", "embedding": "ids", "positions": "ids", "norm": "module", "rotary": "cos-sin",
    "activation": "composed", "gated": "module", "dropout": "mask", "loss": "log-softmax",
    "concat": "plain", "scaled": "plain", "clamped_gated": "composed", "router": "softmax-topk-cast", "experts": "grouped",
    "input_weighted_experts": "all-tokens", "tempered": "scales", "index": "scores",
    "scan_gate": "wide", "one_token": "view", "pooled_attention": "module", "pixels": "picture", "magnitude": "composed",
    "softcap": "tanh",
}  # fmt: skip


_TEXTBOOK = {
    "selective_scan": "states", "state_space_dual": "chunked", "linear_recurrence": "composed", "wkv": "fused", "mix": "plain",
    "nothing": "plain", "concat": "plain", "linear": "plain", "embedding": "plain", "positions": "none", "norm": "input",
    "magnitude": "composed",
    "attention": "matrix", "position_bias": "none", "rotary": "plain",
    "distance_keys": "plain", "relative_attention": "matrix", "one_token": "copy", "pooled_attention": "matrix",
    "pixels": "patches", "scan_gate": "composed",
    "activation": "input", "gated": "composed", "dropout": "mask", "router": "scores", "experts": "weighted-output",
    "conv": "composed", "lightning": "chunked", "delta": "chunked",
    "scaled": "plain",
    "loss": "fp32", "softcap": "tanh", "similarity": "sigmoid",
    "clamped_gated": "composed", "input_weighted_experts": "scores", "index": "scores",
    "tempered": "plain",
}  # fmt: skip


PROFILES: dict[str, dict[str, str]] = {
    "eager": {**_TRANSFORMERS, "attention": "eager"},
    "sdpa": {**_TRANSFORMERS, "attention": "sdpa"},
    "textbook": _TEXTBOOK,
    "fused": {
        **_TEXTBOOK,
        "selective_scan": "fused", "state_space_dual": "fused", "linear_recurrence": "fused", "embedding": "ids",
        "norm": "fused", "attention": "flash", "position_bias": "square", "rotary": "tables", "pooled_attention":
        "flash", "scan_gate": "fused", "gated": "fused", "experts": "weighted-activation", "conv": "fused", "lightning":
        "fused", "delta": "fused", "loss": "in-place", "clamped_gated": "fused",
    },
}  # fmt: skip


# profiles of transformers' modules, which differ from family to family
TRACED = ("eager", "sdpa")


# what takes the place of an implementation that upcasts, where the working dtype is FP32 already
WIDE: dict[tuple[str, str], str] = {
    ("norm", "module"): "module-fp32",
    ("attention", "eager"): "eager-fp32",
    ("loss", "log-softmax"): "log-softmax-fp32",
    ("norm", "module-and-input"): "module-fp32",
    ("selective_scan", "by-token"): "by-token-fp32",
    ("state_space_dual", "padded-chunks"): "padded-chunks-fp32",
    ("norm", "upcast-weight-beside-groups"): "module-fp32",
    ("norm", "upcast-weight-beside-scans"): "upcast-weight-beside-scans-fp32",
    ("scan_gate", "gate-wide"): "gate-of-delta",
    ("delta", "padded-chunks"): "padded-chunks-fp32",
    ("linear_recurrence", "by-token"): "by-token-fp32",
    ("wkv", "by-token"): "by-token-fp32",
    ("scan_gate", "all-wide"): "all-wide-fp32",
    ("norm", "upcast-product"): "module-fp32",
    ("norm", "upcast-weight"): "upcast-weight-fp32",
    ("norm", "centred"): "centred-fp32",
    ("norm", "upcast"): "module",
    ("attention", "eager-packed"): "eager-packed-fp32",
    ("attention", "eager-upcast"): "eager-fp32",
    ("router", "sigmoid-topk-wide"): "sigmoid-topk",
    ("router", "softmax-topk-wide"): "softmax-topk-groups",
    ("router", "softmax-gather-wide-cast"): "softmax-gather-cast",
}


# what takes the place of an implementation under autocast, where the casts are its own
CAST: dict[tuple[str, str], str] = {
    ("state_space_dual", "padded-chunks"): "padded-chunks-cast",
    ("linear_recurrence", "by-token"): "by-token-cast",
    ("delta", "padded-chunks"): "padded-chunks-cast",
}


@dataclass(frozen=True)
class Kernels:
    """One implementation for every operator of a family; `wide` says that the working dtype is FP32, `quantised` that products with
    weights keep what they read in a narrower format."""

    name: str
    family: str = ""
    wide: bool = False
    quantised: bool = False

    @classmethod
    @lru_cache(maxsize=64)
    def named(cls, name: str, family: str = "", *, wide: bool = False, quantised: bool = False) -> Kernels:
        """A profile, with `,slot=implementation` for each departure from it."""
        kernels = cls(name, family, wide, quantised)
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
        chosen = {**PROFILES[profile], **(departures(self.family, profile) if profile in TRACED else {})}
        for change in changes:
            slot, _, name = change.partition("=")
            if (slot, name) not in IMPLEMENTATIONS:
                valid = [f"{s}={n}" for s, n in IMPLEMENTATIONS if s in (slot, *([] if slot in chosen else chosen))]
                raise PlanError(f"no implementation {change!r}", field="kernels", value=change, valid=valid)
            chosen[slot] = name
        return chosen

    @cached_property
    def table(self) -> dict[str, Implementation]:
        slots = {**self.slots, **({"linear": "quantised"} if self.quantised else {})}
        names = {slot: WIDE.get((slot, name), name) if self.wide else name for slot, name in slots.items()}
        return {slot: IMPLEMENTATIONS[slot, name] for slot, name in names.items()}

    @cached_property
    def widened(self) -> Kernels:
        """The same where the working dtype is FP32."""
        return Kernels.named(self.name, self.family, wide=True)

    @cached_property
    def narrowed(self) -> dict[str, Implementation]:
        """The same where autocast casts what products read."""
        return {slot: IMPLEMENTATIONS[slot, CAST.get((slot, kernel.name), kernel.name)] for slot, kernel in self.table.items()}

    @cached_property
    def included(self) -> Mapping[type[Op], Implementation] | None:
        """What the loss takes in: the output layer, and a cap of the logits."""
        output = self.table["loss"].included
        return {Head: IMPLEMENTATIONS["linear", output], SoftCap: IMPLEMENTATIONS["softcap", "included"]} if output else None

    def of(self, op: Op) -> Implementation:
        """The implementation of an operator; an operator that the profile does not know is an error."""
        if op.cast is not None:
            return self.widened.table[op.slot] if autocast.works_wide(op) else self.narrowed[op.slot]
        try:
            return self.table[op.slot] if self.included is None else self.included.get(type(op), self.table[op.slot])
        except KeyError:
            raise PlanError(f"kernels {self.name!r} do not say what {type(op).__name__} keeps", field="kernels") from None

    def keeps(self, op: Op, wire: str, step: Step) -> Items:
        kernel = self.of(op)
        if op.cast is not None:
            return casts.kept(op, wire, kernel, self.table[op.slot].name, step)
        items = kernel.keeps(op, wire, step)
        return items if op.trainable and not op.without else frozen.needed(op, kernel, items)
