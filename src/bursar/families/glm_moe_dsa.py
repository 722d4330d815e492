"""GLM-5 (arXiv:2602.15763): DeepSeek-V3.2's structure, with wider heads. An indexer whose choice later layers share
(arXiv:2603.12201) is refused."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._deepseek import decoder
from bursar.families._sparse import sparse_latent
from bursar.tree import Architecture


def build(c: Config) -> Architecture:
    c.expect("indexer_types", None, ["full"] * c.count("num_hidden_layers"))
    c.expect("index_topk_freq", 1)
    c.expect("index_topk_pattern", None)
    c.ignore("the order of pairs in a rotation", "indexer_rope_interleave")
    c.ignore("where sharing begins, without which it has no meaning", "index_skip_topk_offset")
    return decoder(c, "glm_moe_dsa", sparse_latent(c), correction=True)
