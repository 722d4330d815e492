"""The gated activation of gpt-oss (arXiv:2508.10925, section 2.2): SwiGLU with clamped operands and a sum in its second factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bursar.ops.elementwise import Gated


@dataclass(frozen=True)
class ClampedGated(Gated):
    """g · σ(α g) · (u + 1) of g = min(gate, limit) and u = clamp(up, ±limit)."""

    slot: ClassVar[str] = "clamped_gated"
