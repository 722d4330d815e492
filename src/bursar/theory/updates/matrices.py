"""Rules that look at a weight as a matrix: Adafactor's rows and columns, Muon's orthogonal updates, the square factors of Shampoo
and SOAP. Weights of more dimensions are matrices of their first one and the others; vectors have rules of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from bursar.optimizers.states import BLOCK, ITERATIONS, LARGEST
from bursar.theory.updates import adaptive
from bursar.theory.updates.rule import Array, State, Stepped, norm

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Jordan's coefficients of X ← aX + (bA + cA²)X with A = XXᵀ
Factors: TypeAlias = tuple[Array, ...]


def start_adafactor(theta: Array) -> State:
    """A row and a column in place of each matrix; a vector whole."""
    if theta.ndim < 2:
        return {"factors": (np.zeros_like(theta),)}
    rows, columns = (*theta.shape[:-1], 1), (*theta.shape[:-2], 1, theta.shape[-1])
    return {"factors": (np.zeros(rows), np.zeros(columns))}


def adafactor(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.01, decay: float = -0.8, eps: float = 2.0**-52,
    eps_rms: float = 1e-3, clip: float = 1.0, weight_decay: float = 0.0,
) -> Stepped:  # fmt: skip
    """R, C ← averages of the row and column means of g² with 1 − β₂ = t^decay; u ← g/√(RC/mean R), clipped to an RMS of `clip`;
    θ ← (1−ηλ)θ − min(η, 1/√t)·max(ε₂, RMS(θ))·u (arXiv:1804.04235, algorithm 4, in torch.optim's form, whose ε₁ bounds the
    denominators from below)."""
    fresh = t**decay
    size = max(eps_rms, norm(theta) / math.sqrt(theta.size)) * min(lr, 1 / math.sqrt(t))
    square = gradient * gradient
    if theta.ndim < 2:
        factors: Factors = (_mixed(state["factors"][0], square, fresh),)
        variance = factors[0]
    else:
        rows = _mixed(state["factors"][0], square.mean(axis=-1, keepdims=True), fresh)
        columns = _mixed(state["factors"][1], square.mean(axis=-2, keepdims=True), fresh)
        factors, variance = (rows, columns), rows * columns / np.maximum(rows.mean(axis=-2, keepdims=True), eps)
    update = gradient / np.sqrt(np.maximum(variance, eps * eps))
    update = update / max(1.0, norm(update) / (math.sqrt(update.size) * clip))
    return Stepped((1 - lr * weight_decay) * theta - size * update, {"factors": factors}, {"update": update, "step_size": size})


def _mixed(old: Array, fresh: Array, share: float) -> Array:
    return old + share * (fresh - old)


def start_muon(theta: Array) -> State:
    """A momentum for a hidden matrix; AdamW's moments for what is none."""
    none, whole = np.zeros(0), np.zeros_like(theta)
    return {"momentum": whole, "exp_avg": none, "exp_avg_sq": none} if theta.ndim == 2 else {
        "momentum": none, "exp_avg": whole, "exp_avg_sq": whole.copy()
    }  # fmt: skip


def muon(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.001, momentum: float = 0.95, weight_decay: float = 0.1,
    eps: float = 1e-7,
) -> Stepped:  # fmt: skip
    """Hidden matrices: B ← μB + G; θ ← (1−ηλ)θ − η·√max(1, m/n)·NewtonSchulz₅(G + μB); others: AdamW with the same η and λ
    (Jordan et al. 2024; torch.optim iterates in BF16, this in float64)."""
    if theta.ndim != 2:
        found = adaptive.adamw(theta, gradient, state, t, lr=lr, weight_decay=weight_decay)
        return found._replace(state={**state, **found.state})
    buffer = momentum * state["momentum"] + gradient
    update = math.sqrt(max(1.0, theta.shape[0] / theta.shape[1])) * newton_schulz(gradient + momentum * buffer, eps)
    return Stepped((1 - lr * weight_decay) * theta - lr * update, {**state, "momentum": buffer}, {"update": update})


def newton_schulz(x: Array, eps: float = 1e-7) -> Array:
    """A matrix whose singular values are all near 1, with the singular vectors of `x`."""
    a, b, c = NEWTON_SCHULZ
    wide = x.T if x.shape[0] > x.shape[1] else x
    wide = wide / max(norm(wide), eps)
    for _ in range(ITERATIONS):
        gram = wide @ wide.T
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    return wide.T if x.shape[0] > x.shape[1] else wide


def start_shampoo(theta: Array) -> State:
    """For each side of each block a square of zeros, and its inverse root."""
    squares = [np.zeros((side, side)) for block in _blocks(_matrix(theta)) for side in block.shape[: min(theta.ndim, 2)]]
    return {"exp_avg": np.zeros_like(theta), "factors": tuple(squares), "inverse_roots": tuple(s.copy() for s in squares)}


def shampoo(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.01, beta1: float = 0.9, eps: float = 1e-6, every: int = 1
) -> Stepped:
    """Per block: L ← L + GGᵀ; R ← R + GᵀG; θ ← θ − η·(L+εI)^(−1/4)·M·(R+εI)^(−1/4), with M the moving average of gradients, its
    bias taken off; a vector has one factor, to the power −1/2 (arXiv:1802.09568, algorithm 1; β₁ = 0 is the paper's). Roots are
    computed in the first step and every `every` steps."""
    average = beta1 * state["exp_avg"] + (1 - beta1) * gradient
    sides = min(theta.ndim, 2)
    pairs = list(zip(_blocks(_matrix(gradient)), _blocks(_matrix(average / (1 - beta1**t))), strict=True))
    grams = [gram for block, _ in pairs for gram in (block @ block.T, block.T @ block)[:sides]]
    factors = tuple(old + new for old, new in zip(state["factors"], grams, strict=True))
    fresh = t == 1 or t % every == 0
    roots = tuple(inverse_root(factor, 2 * sides, eps) for factor in factors) if fresh else state["inverse_roots"]
    moved = []
    for place, (_, block) in enumerate(pairs):
        left = roots[place * sides] @ block
        moved.append(left @ roots[place * sides + 1] if sides == 2 else left)
    update = _joined(moved, _matrix(theta).shape).reshape(theta.shape)
    return Stepped(
        theta - lr * update, {"exp_avg": average, "factors": factors, "inverse_roots": roots}, {"update": update}
    )  # fmt: skip


def inverse_root(square: Array, order: int, eps: float) -> Array:
    """(A + εI)^(−1/order) of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(square)
    found: Array = (vectors * (np.maximum(values, 0) + eps) ** (-1 / order)) @ vectors.T
    return found


def _matrix(x: Array) -> Array:
    """A weight as a matrix of its first dimension and the others together."""
    return x.reshape(x.shape[0], -1)


def _blocks(x: Array) -> list[Array]:
    return [x[i : i + BLOCK, j : j + BLOCK] for i in range(0, x.shape[0], BLOCK) for j in range(0, x.shape[1], BLOCK)]


def _joined(blocks: Sequence[Array], shape: tuple[int, ...]) -> Array:
    across = -(-shape[1] // BLOCK)
    return np.block([list(blocks[i : i + across]) for i in range(0, len(blocks), across)])


def start_soap(theta: Array) -> State:
    """Squares for the sides of a matrix that are not too long, and their eigenbases; none for a vector."""
    sides = [side if theta.ndim > 1 and side <= LARGEST else 0 for side in _matrix(theta).shape]
    squares = tuple(np.zeros((side, side)) for side in sides)
    whole = np.zeros_like(theta)
    return {"exp_avg": whole, "exp_avg_sq": whole.copy(), "factors": squares, "eigenbasis": tuple(s.copy() for s in squares)}


def soap(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.003, beta1: float = 0.95, beta2: float = 0.95,
    eps: float = 1e-8, weight_decay: float = 0.01, every: int = 10,
) -> Stepped:  # fmt: skip
    """Adam in the eigenbasis of Shampoo's factors: L, R ← averages of GGᵀ and GᵀG with eigenvectors Q; v of QₗᵀGQᵣ;
    θ ← (1−ηλ)(θ − η·Qₗ(QₗᵀmQᵣ/√v)Qᵣᵀ) with Adam's bias correction (arXiv:2409.11321, algorithm 3, and the authors' code).

    The first gradient sets the factors up and moves nothing. Eigenvectors are refined by a step of power iteration and a QR
    decomposition every `every` steps. A side without a factor is not turned: a vector is Adam's."""
    g, bases = _matrix(gradient), state["eigenbasis"]
    factors = _averaged(state["factors"], g, beta2)
    if t == 1:
        bases = tuple(np.linalg.eigh(factor)[1][:, ::-1] for factor in factors)
        return Stepped(theta, {**state, "factors": factors, "eigenbasis": bases}, {"update": np.zeros_like(theta)})
    turned = _rotated(g, bases)
    m = beta1 * state["exp_avg"] + (1 - beta1) * gradient
    v = beta2 * _matrix(state["exp_avg_sq"]) + (1 - beta2) * turned * turned
    scale = math.sqrt(1 - beta2 ** (t - 1)) / (1 - beta1 ** (t - 1))
    update = scale * _rotated(_rotated(_matrix(m), bases) / (np.sqrt(v) + eps), tuple(q.T for q in bases)).reshape(theta.shape)
    if (t - 1) % every == 0:
        bases, v = _refined(factors, bases, v)
    after = {"exp_avg": m, "exp_avg_sq": v.reshape(theta.shape), "factors": factors, "eigenbasis": bases}
    return Stepped((1 - lr * weight_decay) * (theta - lr * update), after, {"update": update})


def _averaged(factors: Factors, g: Array, decay: float) -> Factors:
    grams = (g @ g.T if factors[0].size else factors[0], g.T @ g if factors[1].size else factors[1])
    return tuple(decay * old + (1 - decay) * new for old, new in zip(factors, grams, strict=True))


def _rotated(x: Array, bases: Factors) -> Array:
    """QₗᵀxQᵣ, a side without a basis as it is."""
    left, right = bases
    x = left.T @ x if left.size else x
    return x @ right if right.size else x


def _refined(factors: Factors, bases: Factors, v: Array) -> tuple[Factors, Array]:
    """Bases one power iteration on, in the order of their eigenvalues, and the second moment in that order."""
    refined = []
    for axis, (factor, basis) in enumerate(zip(factors, bases, strict=True)):
        if not basis.size:
            refined.append(basis)
            continue
        order = np.argsort(-np.sum(basis * (factor @ basis), axis=0), kind="stable")
        v = np.take(v, order, axis=axis)
        refined.append(np.linalg.qr(factor @ basis[:, order])[0])
    return tuple(refined), v
