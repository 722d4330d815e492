"""Falcon Mamba (arXiv:2410.05355): Mamba with an RMSNorm without weights after each of Δ, B and C."""

from __future__ import annotations

from bursar.config import Config
from bursar.families.mamba import mamba_model
from bursar.ops.norms import PlainRMSNorm
from bursar.tree import Architecture


def build(c: Config) -> Architecture:
    c.ignore("a constant inside the norms of Δ, B and C", "mixer_rms_eps")
    return mamba_model(c, "falcon_mamba", tied=True, norm=PlainRMSNorm)
