"""RoBERTa: BERT's encoder, of which the positions begin behind the padding token's id."""

from __future__ import annotations

from random import Random

from ..values import Values, maybe
from . import bert

LAYER = r"^roberta\.encoder\.layer\.\d+\."
COMPONENTS = {
    **{name.replace("bert.", "roberta."): ours for name, ours in bert.COMPONENTS.items() if not name.startswith("cls.")},
    "lm_head.dense": "transform",
    "lm_head.layer_norm": "norm",
    "lm_head": "head",  # its bias; the decoder's weight is the table's
}
KINDS = [(r"\.lm_head\.decoder$", "logits"), (r"\.\d+\.attention$", "attention")]
SMALL: dict[str, Values] = {
    "roberta": {**bert.SMALL["bert"], "model_type": "roberta", "type_vocab_size": 1},
    "roberta-padding": {**bert.SMALL["bert-types"], "model_type": "roberta", "pad_token_id": 3},
}


def random(pick: Random) -> Values:
    return {**bert.random(pick), **maybe(pick, pad_token_id=pick.randint(0, 3)), "max_position_embeddings": pick.randint(24, 40)}
