"""GPT-Neo: layers of two kinds, listed or as groups; its attention is written out."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe

_BASE: Values = {
    "model_type": "gpt_neo", "vocab_size": 101, "hidden_size": 60, "num_layers": 4, "num_heads": 5, "intermediate_size": None,
    "max_position_embeddings": 37, "attention_types": [[["global", "local"], 2]], "window_size": 5, "tie_word_embeddings": True,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "gpt_neo": _BASE,
    "gpt_neo-wide-untied": {**_BASE, "intermediate_size": 77, "tie_word_embeddings": False, "resid_dropout": 0.1},
    "gpt_neo-groups": {**_BASE, "attention_types": [[["global"], 1], [["local"], 3]], "attention_dropout": 0.1},
    "gpt_neo-listed": {**_BASE, "attention_layers": ["global", "local", "global", "local"], "embed_dropout": 0.1},
}
COMPONENTS = {
    "attn.attention.q_proj": "attn.q",
    "attn.attention.k_proj": "attn.k",
    "attn.attention.v_proj": "attn.v",
    "attn.attention.out_proj": "attn.out",
}
KINDS = [(r"\.lm_head$", "logits"), (r"\.\d+\.attn$", "attention")]


def random(pick: Random) -> Values:
    heads, groups = pick.randint(1, 5), [[pick.choices(["global", "local"], k=pick.randint(1, 2)), pick.randint(1, 2)]]
    return {
        "vocab_size": pick.randint(11, 130),
        "hidden_size": heads * pick.randint(1, 12),
        pick.choice(["num_layers", "num_hidden_layers"]): len(groups[0][0]) * groups[0][1],
        pick.choice(["num_heads", "num_attention_heads"]): heads,
        "max_position_embeddings": pick.randint(20, 40),
        "attention_types": groups,
        **maybe(pick, window_size=pick.choice([1, 3, 64]), tie_word_embeddings=pick.random() < 0.5),
        **maybe(pick, intermediate_size=pick.choice([None, pick.randint(1, 90)])),
    }
