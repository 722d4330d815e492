"""Gemma 3 with its vision tower (arXiv:2503.19786): SigLIP, whose patches are pooled to a square of soft tokens, normed and
projected to the text part's width. The soft tokens are tokens of the sequence."""

from __future__ import annotations

from dataclasses import replace
from math import isqrt

from bursar.config import Config
from bursar.errors import ConfigError
from bursar.families import gemma3_text
from bursar.families._siglip import vision_tower
from bursar.ops.elementwise import RMSNorm
from bursar.ops.encoder import pictures
from bursar.ops.linear import Linear
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    inner = c.inside("text_config")
    text = gemma3_text.build(inner)
    towers, width, side = vision_tower(c.inside("vision_config", symbols=False))
    asked = isqrt(c.count("mm_tokens_per_image", default=256, low=1, high=10**6))
    if asked > side:
        raise ConfigError(f"mm_tokens_per_image={asked**2} of {side**2} patches", field="mm_tokens_per_image", where=c.where)
    pooled = side // (side // asked)  # a window of side // asked, without overlap
    c.expect("tie_word_embeddings", True)
    inner.expect("tie_word_embeddings", True)
    c.ignore("token ids", "boi_token_index", "eoi_token_index", "image_token_index")

    projector = Block({
        "x": Input(width),  # the means of the windows
        "norm": RMSNorm("x", width),
        "linear": Linear("norm", width, inner.dim("hidden_size"), "replicated"),
    }, "projector", pictures(pooled**2))  # fmt: skip
    return replace(text, family="gemma3", towers=(*towers, Repeat(1, projector)))
