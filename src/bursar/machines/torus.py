"""A torus: a group of ranks has the links of the axes that it spans, and an all-to-all goes on from neighbour to neighbour."""

from __future__ import annotations

from bursar.dims import Dim, choose
from bursar.formula import formula


@formula("axes of a torus that a group of ranks spans", "1", "scaling-book")
def spanned(ways: Dim, devices: Dim, axes: int) -> Dim:
    """Of `axes` equally long ones over all devices of a job. A group fills one before the next."""
    return 1 + sum([choose(ways**axes > devices**filled, 1, 0) for filled in range(1, axes)])


@formula("links that a byte of an all-to-all crosses", "1", "scaling-book")
def hops(ways: Dim, spans: Dim) -> Dim:
    """On the average: a quarter of a ring of the group's side along each axis that it spans."""
    side = ways ** (1 / spans)
    return spans * (side - 1 / side) / 4
