"""A second use of weights that another layer holds and counts (Zamba, arXiv:2405.16712, section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bursar.dims import Dim
from bursar.ops.elementwise import RMSNorm
from bursar.ops.linear import Linear


@dataclass(frozen=True)
class SharedLinear(Linear):
    """A product with a weight that another layer counts."""

    slot: ClassVar[str] = "linear"

    def shapes(self) -> dict[str, tuple[Dim, ...]]:
        return {}


@dataclass(frozen=True)
class SharedNorm(RMSNorm):
    """A norm with a weight that another layer counts."""

    def shapes(self) -> dict[str, tuple[Dim, ...]]:
        return {}
