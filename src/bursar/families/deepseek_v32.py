"""DeepSeek-V3.2 (arXiv:2512.02556): DeepSeek-V3 with a lightning indexer in every layer, which chooses the tokens a query sees."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._deepseek import decoder
from bursar.families._sparse import sparse_latent
from bursar.tree import Architecture


def build(c: Config) -> Architecture:
    return decoder(c, "deepseek_v32", sparse_latent(c), correction=True)
