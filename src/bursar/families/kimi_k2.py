"""Kimi K2 (arXiv:2507.20534): DeepSeek-V3's structure with half the heads and half as many experts again."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._deepseek import decoder, latent
from bursar.tree import Architecture


def build(c: Config) -> Architecture:
    c.expect("topk_method", "noaux_tc")
    return decoder(c, "kimi_k2", latent(c), correction=True)
