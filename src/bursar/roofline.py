"""Seconds of an operator on a device: the larger of its compute and its traffic (Williams et al. 2009), at achieved rates.

matmul     max(FLOP / (e·peak), bytes / (e_m·bandwidth)) + overhead of a kernel
attention  the same at a rate that rises with the length s: e·peak·s / (s + s₀)
vector     bytes / (e_m·bandwidth) + overhead
"""

from __future__ import annotations

from dataclasses import dataclass

from bursar.devices import Device, rates
from bursar.dims import Dim
from bursar.formula import formula


@dataclass(frozen=True)
class Roofline:
    """The achieved rates of one device in one dtype, in base units."""

    matmul: float
    grouped: float
    attention: float
    attention_length: float
    memory: float
    overhead: float

    @formula("seconds of an operator's traffic", "s", "roofline")
    def traffic(self, elements: Dim, width: Dim) -> Dim:
        """`elements` of `width` bytes, read or written, by one kernel."""
        return elements * (width / self.memory) + self.overhead

    @formula("seconds of an operator's products", "s", "roofline")
    def compute(self, engine: str, flops: Dim, length: Dim) -> Dim:
        """Matrix products on an engine, by one kernel."""
        if engine == "attention":
            return flops * ((length + self.attention_length) / (self.attention * length)) + self.overhead
        return flops / (self.grouped if engine == "grouped" else self.matmul) + self.overhead


def roofline(device: Device, dtype: str) -> Roofline:
    """The roofline of a device in a dtype."""
    peak, achieved = device.peak(dtype).si, rates(device.id)
    return Roofline(
        matmul=peak * achieved.matmul.si,
        grouped=peak * achieved.grouped.si,
        attention=peak * achieved.attention.si,
        attention_length=achieved.attention_length.si,
        memory=device.memory_bandwidth.si * achieved.memory.si,
        overhead=achieved.overhead.si,
    )
