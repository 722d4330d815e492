"""DeepSeek-V3 (arXiv:2412.19437): latent attention, shared and routed experts after dense first layers, router correction
biases, and multi-token-prediction modules (section 2.2) where they are asked for."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._deepseek import decoder, latent
from bursar.tree import Architecture


def build(c: Config) -> Architecture:
    c.expect("topk_method", "noaux_tc")
    return decoder(c, "deepseek_v3", latent(c), correction=True)
