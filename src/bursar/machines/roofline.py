"""Seconds of an operator on a device: the larger of its compute and its traffic (Williams et al. 2009), at achieved rates.

matmul     max(FLOP / (e·peak), bytes / (e_m·bandwidth)) + overhead of a kernel
attention  the same at a rate that rises with the length s and the head size d: e·peak·s / (s + s₀)·d / (d + d₀), lower for the
           products of its backward pass
vector     bytes / (e_m·bandwidth) + overhead

Under a quantised recipe the products with weights run at the rate of the narrow format, everything else at that of 16 bits, and
casting their operands is traffic (`cast`).
"""

from __future__ import annotations

from dataclasses import dataclass

from bursar.dims import Dim
from bursar.formula import formula
from bursar.machines.devices import Device, Rates, casts, rates_of
from bursar.precision import Recipe, bits_of, width_of

HEAD = 128  # head size at which attention's achieved rate is stated


@dataclass(frozen=True)
class Roofline:
    """The achieved rates of one device under one recipe, in base units."""

    matmul: float
    narrow: float  # products with weights that the recipe quantises
    grouped: float  # over dense, of products of many experts
    attention: float
    attention_length: float
    attention_head: float
    attention_backward: float  # over forward
    scan: float  # of recurrences in chunks
    attention_older: float  # of kernels made for the generation before, over those made for this one
    memory: float
    permute: float  # of rows that are gathered or scattered
    loss: float
    overhead: float
    cast_bytes: float = 0.0  # read and written for an element of an operand

    @formula("seconds of an operator's traffic", "s", "roofline")
    def traffic(self, elements: Dim, width: Dim) -> Dim:
        """`elements` of `width` bytes, read or written, by one kernel."""
        return elements * (width / self.memory) + self.overhead

    @formula("seconds of a kernel's traffic at a rate of its own", "s", "roofline")
    def moved(self, kind: str, elements: Dim, width: Dim) -> Dim:
        """The same for the rows of experts ("experts") and for logits ("loss")."""
        return elements * (width / (self.permute if kind == "experts" else self.loss)) + self.overhead

    @formula("seconds of an operator's products", "s", "roofline")
    def compute(self, flops: Dim, *, narrow: bool = False, grouped: bool = False, chunked: bool = False) -> Dim:
        """Matrix products, by one kernel; `narrow` ones in the recipe's narrow format, `grouped` ones of many experts, `chunked`
        ones of a recurrence."""
        rate = self.scan if chunked else self.narrow if narrow else self.matmul
        return flops / (rate * self.grouped if grouped else rate) + self.overhead

    @formula("seconds of an attention core's products", "s", "roofline")
    def attend(self, flops: Dim, length: Dim, head: Dim, ratio: Dim = 1) -> Dim:
        """Its products by one kernel, at `ratio` of the forward pass's rate."""
        full = self.attention * ratio * (HEAD + self.attention_head) / HEAD
        return flops * ((length + self.attention_length) * (head + self.attention_head)) / (full * length * head) + self.overhead

    @formula("seconds of casting the operands of a product", "s", "transformer-engine")
    def cast(self, elements: Dim) -> Dim:
        """`elements` of what a product reads, in one kernel that writes all their narrow copies."""
        return elements * (self.cast_bytes / self.memory) + self.overhead


def roofline(device: Device, recipe: Recipe, achieved: Rates | None = None) -> Roofline:
    """The roofline of a device under a recipe, at the rates that are known for it or at those given."""
    found = achieved or rates_of(device)
    quantised = recipe.operand is not None
    wide = device.peak(recipe.activation if quantised else recipe.compute).si * found.matmul.si
    memory = device.memory_bandwidth.si
    return Roofline(
        matmul=wide,
        narrow=wide * (_narrower(found, recipe) if quantised else 1),
        grouped=found.grouped.si,
        attention=wide / found.matmul.si * found.attention.si,
        attention_length=found.attention_length.si,
        attention_head=found.attention_head.si,
        attention_backward=found.attention_backward.si,
        scan=wide / found.matmul.si * found.scan.si,
        attention_older=found.attention_older.si,
        memory=memory * found.memory.si,
        permute=memory * found.permute.si,
        loss=memory * found.loss.si,
        overhead=found.overhead.si,
        cast_bytes=_cast_bytes(recipe) if quantised else 0.0,
    )


def _narrower(found: Rates, recipe: Recipe) -> float:
    """Products of a quantised recipe over those of 16 bits. Four bits always have block scales."""
    blocks = recipe.compute == "fp8" and recipe.operand is not None and width_of(recipe.operand).scales
    return float(getattr(found, recipe.compute).si * (found.blocks.si if blocks else 1))


def _cast_bytes(recipe: Recipe) -> float:
    """Bytes of an element that is cast: read as often as the recipe needs (for its maximum, for each layout), written by rows and
    by columns."""
    narrow = 2 * bits_of(recipe.operand or recipe.activation) / 8
    return casts(recipe.name).si * bits_of(recipe.activation) / 8 + narrow
