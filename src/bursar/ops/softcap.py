"""Soft-capping: c · tanh(x / c) keeps logits within ±c (Gemma 2, arXiv:2408.00118, section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bursar.ops.elementwise import Pointwise


@dataclass(frozen=True)
class SoftCap(Pointwise):
    """c · tanh(x / c) of every logit."""

    slot: ClassVar[str] = "softcap"
    makes: ClassVar[str] = "logits"
