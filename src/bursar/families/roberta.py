"""RoBERTa (arXiv:1907.11692): BERT's encoder without next-sentence prediction, and with one kind of segment.

Positions are counted from the padding token's id on, so that the first rows of their table are never a token's.
"""

from __future__ import annotations

from bursar.config import Config
from bursar.families._bert import encoder, masked_head
from bursar.tree import Architecture


def build(c: Config) -> Architecture:
    positions = c.dim("max_position_embeddings", default=512)
    padding = c.count("pad_token_id", default=1)
    c.expect("architectures", ["RobertaForMaskedLM"])
    head = masked_head(c.dim("hidden_size"), c.dim("vocab_size"), "gelu")  # whatever the layers have
    return encoder(c, "roberta", positions, positions - padding - 1, (head,))
