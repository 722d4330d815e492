"""AdamW with its moments in blocks of 8 bits (arXiv:2110.02861): a code per value and one FP32 maximum per block.

A code is the place of the nearest value in the dynamic map, whose leading zeros are a decimal exponent: values of 10^(−6) to 1 of
the block's maximum, denser the larger they are. Weights of few elements keep FP32 moments, as in bitsandbytes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bursar.optimizers.states import SMALL
from bursar.theory.updates import adaptive
from bursar.theory.updates.rule import Array, State, Stepped


class Blocked(NamedTuple):
    """A tensor in blocks of 8 bits: a code per value, and the largest magnitude of each block."""

    codes: NDArray[np.uint8]
    maxima: NDArray[np.float32]


@lru_cache(maxsize=2)
def dynamic_map(signed: bool) -> NDArray[np.float32]:
    """The 256 values of dynamic quantisation, ascending. A value is a decimal exponent, 0 to −6, given by leading zeros, and a
    linear fraction between 0.1 and 1 in the bits that are left; zero and one are exact."""
    values = [0.0, 1.0]
    for exponent in range(7):
        count = 2**exponent if signed else 2 ** (exponent + 1)
        edges = np.linspace(0.1, 1, count + 1)
        magnitudes = 10.0 ** (exponent - 6) * (edges[:-1] + edges[1:]) / 2
        values += [*magnitudes, *-magnitudes] if signed else [*magnitudes]
    return np.sort(np.array(values, np.float32))


def pack(x: Array, block: int, signed: bool) -> Blocked:
    """A tensor as codes and maxima."""
    flat = np.pad(x.ravel(), (0, -x.size % block)).reshape(-1, block)
    maxima = np.max(np.abs(flat), axis=1).astype(np.float32)
    book = dynamic_map(signed).astype(np.float64)
    shares = flat / np.where(maxima > 0, maxima, 1)[:, None]
    codes = np.searchsorted((book[:-1] + book[1:]) / 2, shares)
    return Blocked(codes.ravel()[: x.size].astype(np.uint8), maxima)


def unpack(held: Blocked, shape: tuple[int, ...], block: int, signed: bool) -> Array:
    """The tensor that codes and maxima stand for."""
    shares = dynamic_map(signed)[held.codes].astype(np.float64)
    found: Array = (shares * np.repeat(held.maxima, block)[: held.codes.size]).reshape(shape)
    return found


class EightBits(NamedTuple):
    """The rule for one size of block."""

    block: int

    def start(self, theta: Array) -> State:
        empty = np.zeros_like(theta)
        if theta.size < SMALL:
            return {"exp_avg": empty, "exp_avg_sq": empty.copy()}
        return {"exp_avg": pack(empty, self.block, True), "exp_avg_sq": pack(empty, self.block, False)}

    def step(
        self, theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999,
        eps: float = 1e-8, weight_decay: float = 0.01,
    ) -> Stepped:  # fmt: skip
        """AdamW, its moments read from their codes and written back as codes after the update."""
        small = isinstance(state["exp_avg"], np.ndarray)
        read = state if small else {
            "exp_avg": unpack(state["exp_avg"], theta.shape, self.block, True),
            "exp_avg_sq": unpack(state["exp_avg_sq"], theta.shape, self.block, False),
        }  # fmt: skip
        found = adaptive.adamw(theta, gradient, read, t, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)
        if small:
            return found
        m, v = found.state["exp_avg"], found.state["exp_avg_sq"]
        return found._replace(state={"exp_avg": pack(m, self.block, True), "exp_avg_sq": pack(v, self.block, False)})
