"""BERT: an encoder with the masked-language-model head. The other heads are compared in test_encoders.py."""

from __future__ import annotations

from random import Random

from ..values import Values, maybe

LAYER = r"^bert\.encoder\.layer\.\d+\."
COMPONENTS = {
    "bert.embeddings.word_embeddings": "embedding",
    "bert.embeddings.position_embeddings": "positions",
    "bert.embeddings.token_type_embeddings": "types",
    "bert.embeddings.LayerNorm": "embed.norm",
    "attention.self.query": "attn.q",
    "attention.self.key": "attn.k",
    "attention.self.value": "attn.v",
    "attention.output.dense": "attn.out",
    "attention.output.LayerNorm": "attn.post_norm",
    "intermediate.dense": "mlp.up",
    "output.dense": "mlp.down",
    "output.LayerNorm": "mlp.post_norm",
    "cls.predictions.transform.dense": "transform",
    "cls.predictions.transform.LayerNorm": "norm",
    "cls.predictions": "head",  # its bias; the decoder's weight is the table's
}
KINDS = [(r"\.predictions\.decoder$", "logits"), (r"\.\d+\.attention$", "attention")]

_BERT: Values = {
    "model_type": "bert", "vocab_size": 101, "hidden_size": 60, "num_hidden_layers": 3, "num_attention_heads": 6,
    "intermediate_size": 77, "max_position_embeddings": 37, "type_vocab_size": 2, "hidden_act": "gelu",
}  # fmt: skip
SMALL: dict[str, Values] = {
    "bert": _BERT,
    "bert-types": {**_BERT, "type_vocab_size": 5, "num_attention_heads": 4, "hidden_act": "relu", "tie_word_embeddings": True},
}


def random(pick: Random) -> Values:
    heads = pick.randint(1, 5)
    return {
        "vocab_size": pick.randint(11, 130),
        "hidden_size": heads * pick.randint(1, 12),
        "num_hidden_layers": pick.randint(1, 4),
        "num_attention_heads": heads,
        "intermediate_size": pick.randint(1, 90),
        "max_position_embeddings": pick.randint(20, 40),
        **maybe(pick, type_vocab_size=pick.randint(1, 4), hidden_act="gelu_new", hidden_dropout_prob=0.0),
    }
