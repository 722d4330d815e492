"""Operations with their backward formulas, on tensors by name.

Each forward function puts every tensor on the table that it meets: inputs, intermediates, the result `y`. The backward function
takes from that table what its formula contains, and nothing is hidden: what it takes is what must be kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np

from bursar.theory.functions import FUNCTIONS, sigmoid
from bursar.theory.values import Array

Tensors: TypeAlias = Mapping[str, Array]
P = 0.1  # the share that dropout zeroes in these examples
EPS = 1e-5
SAMPLE = 20261121  # seed of the random tensors


class Operation(NamedTuple):
    """An operation: how it and its gradients are written, its inputs by random numbers, what is given beside them and takes no
    gradient (masks, labels), all tensors of its forward pass, and its gradients by input."""

    name: str
    text: str
    gradient_text: tuple[str, ...]
    inputs: Mapping[str, tuple[int, ...]]
    forward: Callable[[Tensors], dict[str, Array]]
    backward: Callable[[Array, Tensors], dict[str, Array]]
    given: Mapping[str, Callable[[np.random.Generator], Array]] = MappingProxyType({})
    source: str = "definition"


def _pointwise(name: str) -> Operation:
    """y = σ(x), from σ's own table."""
    act = FUNCTIONS[name]
    return Operation(
        name, f"y = {act.text}", (f"dL/dx = G ⊙ ({act.derivative_text})",), {"x": (5, 4)},
        lambda t: {**t, "y": act.value(t["x"])}, lambda g, t: {"x": g * act.derivative(t[act.of])},
    )  # fmt: skip


def _gated_backward(g: Array, t: Tensors) -> dict[str, Array]:
    silu, gate = FUNCTIONS["silu"], t["gate"]
    return {"gate": g * t["up"] * silu.derivative(gate), "up": g * silu.value(gate)}


def softmax(x: Array) -> Array:
    """Over the last axis, the largest entry taken off first."""
    shifted = np.exp(x - x.max(axis=-1, keepdims=True))
    found: Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return found


def _softmax_backward(g: Array, p: Array) -> Array:
    found: Array = p * (g - (g * p).sum(axis=-1, keepdims=True))
    return found


def _norm(t: Tensors, *, centred: bool) -> dict[str, Array]:
    mean = t["x"].mean(axis=-1, keepdims=True) if centred else np.zeros((1, 1))
    rstd = 1 / np.sqrt(((t["x"] - mean) ** 2).mean(axis=-1, keepdims=True) + EPS)
    normed = (t["x"] - mean) * rstd
    y = normed * t["γ"] + (t["β"] if centred else 0)
    return {**t, **({"μ": mean} if centred else {}), "r": rstd, "x̂": normed, "y": y}


def _layernorm_backward(g: Array, t: Tensors) -> dict[str, Array]:
    r = t["r"]
    normed, inner = (t["x"] - t["μ"]) * r, g * t["γ"]
    x = r * (inner - inner.mean(axis=-1, keepdims=True) - normed * (inner * normed).mean(axis=-1, keepdims=True))
    return {"x": x, "γ": (g * normed).sum(axis=0), "β": g.sum(axis=0)}


def _rmsnorm_backward(g: Array, t: Tensors) -> dict[str, Array]:
    r = t["r"]
    normed, inner = t["x"] * r, g * t["γ"]
    return {"x": r * (inner - normed * (inner * normed).mean(axis=-1, keepdims=True)), "γ": (g * normed).sum(axis=0)}


def _t(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)


def _attention(t: Tensors) -> dict[str, Array]:
    scores = t["Q"] @ _t(t["K"]) / math.sqrt(t["Q"].shape[-1])
    weights = softmax(scores)
    if "mask" not in t:
        return {**t, "S": scores, "P": weights, "y": weights @ t["V"]}
    dropped = weights * t["mask"] / (1 - P)
    return {**t, "S": scores, "P": weights, "A": dropped, "y": dropped @ t["V"]}


def _scores_backward(g_scores: Array, t: Tensors) -> dict[str, Array]:
    q, k = t["Q"], t["K"]
    scale = 1 / math.sqrt(q.shape[-1])
    return {"Q": g_scores @ k * scale, "K": _t(g_scores) @ q * scale}


def _attention_backward(g: Array, t: Tensors) -> dict[str, Array]:
    p = t["P"]
    return {**_scores_backward(_softmax_backward(g @ _t(t["V"]), p), t), "V": _t(p) @ g}


def _dropped_attention_backward(g: Array, t: Tensors) -> dict[str, Array]:
    g_p = g @ _t(t["V"]) * t["mask"] / (1 - P)
    return {**_scores_backward(_softmax_backward(g_p, t["P"]), t), "V": _t(t["A"]) @ g}


def _flash(t: Tensors) -> dict[str, Array]:
    found = _attention(t)
    top = found["S"].max(axis=-1, keepdims=True)
    return {**found, "lse": top + np.log(np.exp(found["S"] - top).sum(axis=-1, keepdims=True))}


def _flash_backward(g: Array, t: Tensors) -> dict[str, Array]:
    scores = t["Q"] @ _t(t["K"]) / math.sqrt(t["Q"].shape[-1])
    p = np.exp(scores - t["lse"])  # computed again
    g_scores = p * (g @ _t(t["V"]) - (g * t["y"]).sum(axis=-1, keepdims=True))  # rowsum(dP ⊙ P) = rowsum(G ⊙ O)
    return {**_scores_backward(g_scores, t), "V": _t(p) @ g}


def _cross_entropy(t: Tensors) -> dict[str, Array]:
    z = t["z"] - t["z"].max(axis=-1, keepdims=True)
    logs = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return {**t, "log p": logs, "y": -np.take_along_axis(logs, t["labels"], axis=-1)}


def _cross_entropy_backward(g: Array, t: Tensors) -> dict[str, Array]:
    logs = t["log p"]
    hit = np.zeros_like(logs)
    np.put_along_axis(hit, t["labels"], 1.0, axis=-1)
    return {"z": g * (np.exp(logs) - hit)}


def _embedding_backward(g: Array, t: Tensors) -> dict[str, Array]:
    table = np.zeros((7, g.shape[-1]))
    np.add.at(table, t["ids"], g)
    return {"table": table}


def _mask(*shape: int) -> Callable[[np.random.Generator], Array]:
    return lambda random: (random.random(shape) >= P).astype(float)


def _draw(high: int, *shape: int) -> Callable[[np.random.Generator], Array]:
    return lambda random: random.integers(0, high, shape)


CORE = {"Q": (2, 5, 4), "K": (2, 6, 4), "V": (2, 6, 3)}  # heads, length, width of a head
CORE_TEXT = "S = Q·Kᵀ/√d, P = softmax(S)"
SCORES_TEXT = ("dL/dQ = dS·K/√d", "dL/dK = dSᵀ·Q/√d")
NORM_TEXT = "dL/dx = r·(ĝ − mean(ĝ) − x̂·mean(ĝ ⊙ x̂)), ĝ = γ ⊙ G, x̂ = (x − μ)·r"

OPERATIONS: Mapping[str, Operation] = MappingProxyType({
    operation.name: operation
    for operation in (
        Operation(
            "product", "y = x·w", ("dL/dx = G·wᵀ", "dL/dw = xᵀ·G"), {"x": (5, 4), "w": (4, 3)},
            lambda t: {**t, "y": t["x"] @ t["w"]}, lambda g, t: {"x": g @ t["w"].T, "w": t["x"].T @ g},
        ),
        Operation(
            "bias", "y = x + b", ("dL/dx = G", "dL/db = 1ᵀ·G"), {"x": (5, 4), "b": (4,)},
            lambda t: {**t, "y": t["x"] + t["b"]}, lambda g, t: {"x": g, "b": g.sum(axis=0)},
        ),
        Operation(
            "residual", "y = x + f", ("dL/dx = G", "dL/df = G"), {"x": (5, 4), "f": (5, 4)},
            lambda t: {**t, "y": t["x"] + t["f"]}, lambda g, t: {"x": g, "f": g},
        ),
        *[_pointwise(name) for name in ("relu", "tanh", "sigmoid", "gelu", "silu")],
        Operation(
            "swiglu", "y = silu(gate) ⊙ up", ("dL/dgate = G ⊙ up ⊙ silu′(gate)", "dL/dup = G ⊙ silu(gate)"),
            {"gate": (5, 4), "up": (5, 4)},
            lambda t: {**t, "silu(gate)": t["gate"] * sigmoid(t["gate"]), "y": t["gate"] * sigmoid(t["gate"]) * t["up"]},
            _gated_backward, source="glu-variants",
        ),
        Operation(
            "softmax", "y = exp(x)/Σ exp(x)", ("dL/dx = y ⊙ (G − rowsum(G ⊙ y))",), {"x": (5, 4)},
            lambda t: {**t, "y": softmax(t["x"])}, lambda g, t: {"x": _softmax_backward(g, t["y"])},
        ),
        Operation(
            "dropout", "y = x ⊙ mask/(1 − p)", ("dL/dx = G ⊙ mask/(1 − p)",), {"x": (5, 4)},
            lambda t: {**t, "y": t["x"] * t["mask"] / (1 - P)}, lambda g, t: {"x": g * t["mask"] / (1 - P)}, {"mask": _mask(5, 4)},
        ),
        Operation(
            "layernorm", "y = γ ⊙ x̂ + β, x̂ = (x − μ)·r, r = 1/√(σ² + ε)",
            (NORM_TEXT, "dL/dγ = Σ G ⊙ x̂", "dL/dβ = Σ G"), {"x": (5, 4), "γ": (4,), "β": (4,)},
            lambda t: _norm(t, centred=True), _layernorm_backward, source="layer-norm",
        ),
        Operation(
            "rmsnorm", "y = γ ⊙ x̂, x̂ = x·r, r = 1/√(mean(x²) + ε)",
            ("dL/dx = r·(ĝ − x̂·mean(ĝ ⊙ x̂)), ĝ = γ ⊙ G, x̂ = x·r", "dL/dγ = Σ G ⊙ x̂"), {"x": (5, 4), "γ": (4,)},
            lambda t: _norm(t, centred=False), _rmsnorm_backward, source="rms-norm",
        ),
        Operation(
            "attention", f"{CORE_TEXT}, y = P·V",
            ("dL/dV = Pᵀ·G", "dP = G·Vᵀ", "dS = P ⊙ (dP − rowsum(dP ⊙ P))", *SCORES_TEXT), CORE,
            _attention, _attention_backward, source="transformer",
        ),
        Operation(
            "attention-dropout", f"{CORE_TEXT}, A = P ⊙ mask/(1 − p), y = A·V",
            ("dL/dV = Aᵀ·G", "dP = (G·Vᵀ) ⊙ mask/(1 − p)", "dS = P ⊙ (dP − rowsum(dP ⊙ P))", *SCORES_TEXT), CORE,
            _attention, _dropped_attention_backward, {"mask": _mask(2, 5, 6)}, "korthikanti-2022",
        ),
        Operation(
            "flash-attention", f"{CORE_TEXT}, y = P·V, lse = log Σ exp(S)",
            ("P = exp(Q·Kᵀ/√d − lse)", "dL/dV = Pᵀ·G", "dS = P ⊙ (G·Vᵀ − rowsum(G ⊙ y))", *SCORES_TEXT), CORE,
            _flash, _flash_backward, source="flash-attention",
        ),
        Operation(
            "cross-entropy", "y = −log p[label], p = softmax(z)", ("dL/dz = G ⊙ (p − onehot(label))",), {"z": (5, 4)},
            _cross_entropy, _cross_entropy_backward, {"labels": _draw(4, 5, 1)},
        ),
        Operation(
            "embedding", "y = table[ids]", ("dL/dtable[i] = Σ_{t: ids[t] = i} G[t]",), {"table": (7, 4)},
            lambda t: {**t, "y": t["table"][t["ids"]]}, _embedding_backward, {"ids": _draw(7, 5)},
        ),
    )
})  # fmt: skip
