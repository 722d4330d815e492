"""What bounds an operation on a device at its peaks: products or memory (the roofline of Williams et al. 2009).

`machines/roofline.py` has the rates that kernels achieve; here are the ceilings themselves.
"""

from __future__ import annotations

from typing import NamedTuple

from bursar.dims import Dim, at_least, at_most
from bursar.formula import formula


@formula("ridge point of a device", "FLOP/byte", "roofline")
def ridge(peak: Dim, bandwidth: Dim) -> Dim:
    """The intensity from which on products, not memory, set the time."""
    return peak / bandwidth


@formula("share of the peak that an intensity allows", "1", "roofline")
def ceiling(intensity: Dim, ridge: Dim) -> Dim:
    """At most 1; below the ridge point as much as memory can feed."""
    return at_most(intensity / ridge, 1)


class Bound(NamedTuple):
    """Seconds that an operation takes at least, for its products and for its traffic."""

    compute: Dim
    memory: Dim

    @property
    def seconds(self) -> Dim:
        return at_least(self.compute, self.memory)


@formula("seconds of an operation at the peaks", "s", "roofline")
def bound(flops: Dim, moved: Dim, peak: Dim, bandwidth: Dim) -> Bound:
    """Products and traffic go on beside each other."""
    return Bound(flops / peak, moved / bandwidth)
