"""Block formats: elements of few bits that share a scale.

x ≈ scale · element. A scale of MX is a power of two, 2^(⌊log₂ max|x|⌋ − e) with e the exponent of the element format's largest
number, and larger elements saturate (OCP MX 1.0, section 6.3). Other scales put the block's largest magnitude on the format's
largest number; NVFP4's are E4M3, relative to one FP32 scale of the tensor. Int4 of GPTQ has a zero point beside its scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from bursar.dims import ceil_div
from bursar.errors import UnknownNameError
from bursar.formats import FORMATS, Format, Integer, named
from bursar.theory.rounding import Array, quantize

ABSMAX, POWER, TWO_LEVELS, ZERO_POINT = "absmax", "power of two", "two levels", "zero point"


class Parts(NamedTuple):
    """Elements and the scale of each, whose product is what is kept."""

    elements: Array
    scales: Array


@dataclass(frozen=True)
class Blocks:
    """A block format: the format of its elements, how many elements (rows × columns) share a scale, its format, how it is found,
    and bits kept beside it (a zero point). None for a side stands for the whole of it."""

    name: str
    element: Format
    rows: int | None
    columns: int | None
    scale: Format
    rule: str
    source: str
    beside: int = 0

    @property
    def bits(self) -> Fraction:
        """Bits of an element with its share of the scale, without scales of whole rows and tensors."""
        if self.rows is None or self.columns is None:
            return Fraction(self.element.bits)
        return self.element.bits + Fraction(self.scale.bits + self.beside, self.rows * self.columns)

    def parts(self, x: Array) -> Parts:
        """A matrix (rows, columns) as the elements that the format keeps, less their zero point, and the scale of each."""
        if self.rule == TWO_LEVELS:
            whole = float(np.float32(np.max(np.abs(x)) / float(self.element.max * self.scale.max))) or 1.0
            elements, scales = self._in_blocks(x / whole)
            return Parts(elements, scales * whole)
        return self._in_blocks(x)

    def quantized(self, x: Array) -> Array:
        """A matrix as the format keeps it: elements times scales."""
        elements, scales = self.parts(x)
        return elements * scales

    def _in_blocks(self, x: Array) -> Parts:
        rows, columns = self.rows or x.shape[0], self.columns or x.shape[1]
        padded = np.pad(x, ((0, -x.shape[0] % rows), (0, -x.shape[1] % columns)))
        down, across = ceil_div(x.shape[0], rows), ceil_div(x.shape[1], columns)
        found = self._split(padded.reshape(down, rows, across, columns))
        return Parts(*[part.reshape(padded.shape)[: x.shape[0], : x.shape[1]] for part in found])

    def _split(self, blocks: Array) -> Parts:
        if self.rule == ZERO_POINT:
            return self._with_zero_point(blocks)
        scales = self.scales(np.max(np.abs(blocks), axis=(1, 3), keepdims=True))
        elements = quantize(blocks / scales, self.element, saturate=True)
        return Parts(elements, np.broadcast_to(scales, blocks.shape))

    def scales(self, largest: Array) -> Array:
        """The scale of blocks whose largest magnitudes are given; 1 for blocks of zeros."""
        if self.rule == POWER:
            top = np.frexp(float(self.element.max))[1] - 1
            exponent = np.frexp(largest)[1] - 1 - top
            return np.where(largest > 0, np.ldexp(1.0, np.clip(exponent, -127, 127)), 1.0)
        return self._kept(largest / float(self.element.max))

    def _with_zero_point(self, blocks: Array) -> Parts:
        low = np.minimum(np.min(blocks, axis=(1, 3), keepdims=True), 0)
        high = np.maximum(np.max(blocks, axis=(1, 3), keepdims=True), 0)
        steps = self.element.codes - 1
        scales = self._kept((high - low) / steps)
        zero = np.rint(-low / scales)
        elements = np.clip(np.rint(blocks / scales) + zero, 0, steps) - zero
        return Parts(elements, np.broadcast_to(scales, blocks.shape))

    def _kept(self, scales: Array) -> Array:
        """Scales in their format; one that is too small for it is 1."""
        kept = quantize(scales, self.scale, saturate=True)
        return np.where(kept > 0, kept, 1.0)


def _mx(name: str, element: str) -> Blocks:
    return Blocks(name, named(element), 1, 32, named("e8m0"), POWER, "ocp-mx")


BLOCKS: Mapping[str, Blocks] = MappingProxyType({
    found.name: found
    for found in (
        _mx("mxfp8", "fp8-e4m3"),
        _mx("mxfp8-e5m2", "fp8-e5m2"),
        _mx("mxfp6", "fp6-e2m3"),
        _mx("mxfp6-e3m2", "fp6-e3m2"),
        _mx("mxfp4", "fp4-e2m1"),
        Blocks("nvfp4", named("fp4-e2m1"), 1, 16, named("fp8-e4m3"), TWO_LEVELS, "nvfp4"),
        Blocks("fp8-1x128", named("fp8-e4m3"), 1, 128, named("fp32"), ABSMAX, "deepseek-v3"),
        Blocks("fp8-128x128", named("fp8-e4m3"), 128, 128, named("fp32"), ABSMAX, "deepseek-v3"),
        Blocks("int8-row", Integer("int8", 8, "llm-int8"), 1, None, named("fp32"), ABSMAX, "llm-int8"),
        Blocks("int4-128", named("int4"), 1, 128, named("fp16"), ZERO_POINT, "gptq", beside=4),
        Blocks("nf4-64", named("nf4"), 1, 64, named("fp32"), ABSMAX, "qlora"),
    )
})  # fmt: skip


def scaled(element: Format, rows: int | None, columns: int | None) -> Blocks:
    """An element format with FP32 scales for blocks of any size."""
    return Blocks(element.name, element, rows, columns, named("fp32"), ABSMAX, "definition")


def blocks(name: str) -> Blocks:
    """A block format by name."""
    plain = name.lower().replace("_", "-")
    plain = {"mxfp8-e4m3": "mxfp8", "mxfp6-e2m3": "mxfp6", "mxfp4-e2m1": "mxfp4"}.get(plain, plain)
    if plain not in BLOCKS:
        raise UnknownNameError("format", name, (*FORMATS, *BLOCKS))
    return BLOCKS[plain]
