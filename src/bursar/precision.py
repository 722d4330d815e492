"""Kinds of tensors to bytes: the only place that knows how wide a number is.

A recipe says, for every kind of tensor that a training step holds, the bits of one element. Bits are ints or Fractions, so
that block formats such as 4.25 bits stay exact. FP32 master weights exist if and only if the working weights are narrower.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType

from bursar.dims import Dim, scaled
from bursar.errors import UnknownNameError

BITS: Mapping[str, int | Fraction] = MappingProxyType({
    "fp32": 32, "tf32": 32, "bf16": 16, "fp16": 16, "fp8": 8, "int8": 8, "int4": 4,
})  # fmt: skip


def bits_of(dtype: str) -> int | Fraction:
    """Bits of one element of a number format."""
    try:
        return BITS[dtype]
    except KeyError:
        raise UnknownNameError("dtype", dtype, BITS) from None


def bytes_of(bits: int | Fraction) -> int | Fraction:
    """Bits as bytes, an int where it comes out whole."""
    rate = Fraction(bits) / 8
    return int(rate) if rate.denominator == 1 else rate


@dataclass(frozen=True)
class Recipe:
    """A precision recipe. `compute` is the dtype whose peak the matrix products run at."""

    name: str
    weight: str
    gradient: str
    activation: str
    compute: str
    source: str
    master: bool

    def bytes_per(self, kind: str) -> int | Fraction:
        """Bytes of one element of a kind of tensor."""
        return bytes_of(self._bits(kind))

    def _bits(self, kind: str) -> int | Fraction:
        if kind in ("weight", "gradient", "activation"):
            return bits_of(getattr(self, kind))
        if kind == "logits":
            return bits_of(self.activation)
        return KIND_BITS[kind] if kind != "master" else 32 * self.master

    @cached_property
    def rate(self) -> dict[str, int | Fraction]:
        """Bytes per element of every kind."""
        return {kind: self.bytes_per(kind) for kind in ("weight", "gradient", "master", "activation", "logits", *KIND_BITS)}


# kinds whose width no recipe changes: dropout masks are bools, statistics and losses FP32, token ids 64-bit integers
KIND_BITS: Mapping[str, int] = MappingProxyType({"mask": 8, "statistics": 32, "upcast": 32, "fp32": 32, "loss": 32, "index": 64})


def size(elements: Dim, rate: int | Fraction) -> Dim:
    """Bytes of so many elements at so many bytes each, whole."""
    return scaled(elements, rate)


RECIPES: Mapping[str, Recipe] = MappingProxyType({
    recipe.name: recipe
    for recipe in (
        Recipe("fp32", "fp32", "fp32", "fp32", "fp32", "definition", master=False),
        Recipe("tf32", "fp32", "fp32", "fp32", "tf32", "tf32", master=False),
        Recipe("fp16", "fp16", "fp16", "fp16", "fp16", "mixed-precision", master=True),
        Recipe("bf16", "bf16", "bf16", "bf16", "bf16", "bf16-training", master=True),
        Recipe("bf16-pure", "bf16", "bf16", "bf16", "bf16", "definition", master=False),
    )
})  # fmt: skip


def recipe(name: str, gradient: str | None = None) -> Recipe:
    """A recipe by name, with another gradient dtype if one is given."""
    if name not in RECIPES:
        raise UnknownNameError("precision", name, RECIPES)
    chosen = RECIPES[name]
    if gradient is None:
        return chosen
    bits_of(gradient)
    return replace(chosen, gradient=gradient)
