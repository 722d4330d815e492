"""FLOPs of every PyTorch operator that multiplies matrices: one formula each, `counts` adds one.

One multiply-add is two. A model's FLOPs are those of its products and their gradients. A fused attention kernel computes its
scores once more in the backward pass: that is executed, and no model FLOP. Where there is no formula here and PyTorch's own counter
has one (torch.utils.flop_counter), it is that one.
"""

from __future__ import annotations

from bursar.measure.flops import attention, convolutions, matrices, recurrent  # which register their formulas
from bursar.measure.flops.registry import FORMULAS, Flops, counts, flops_of, has_formula

__all__ = ["FORMULAS", "Flops", "attention", "convolutions", "counts", "flops_of", "has_formula", "matrices", "recurrent"]
