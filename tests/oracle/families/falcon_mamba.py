"""Falcon Mamba: Mamba with norms of Δ, B and C that have no weights. transformers gives the norm of Δ the width of the mixer, which
no weight depends on."""

from __future__ import annotations

from . import mamba
from .mamba import COMPONENTS, LAYER, random

__all__ = ["COMPONENTS", "LAYER", "SMALL", "random"]

SMALL = {name.replace("mamba", "falcon_mamba"): {**values, "model_type": "falcon_mamba"} for name, values in mamba.SMALL.items()}
