"""GPT-J: its attention is written out, with no fused kernel to choose."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe

_BASE: Values = {
    "model_type": "gptj", "vocab_size": 101, "n_positions": 37, "n_embd": 60, "n_layer": 3, "n_head": 5, "n_inner": None,
    "rotary_dim": 4, "activation_function": "gelu_new", "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "gptj": _BASE,
    "gptj-wide-tied": {**_BASE, "n_inner": 77, "tie_word_embeddings": True, "resid_pdrop": 0.1, "attn_pdrop": 0.1},
    "gptj-embedding-dropout": {**_BASE, "embd_pdrop": 0.1, "n_head": 3, "rotary_dim": 8},
}
COMPONENTS = {
    "attn.q_proj": "attn.q",
    "attn.k_proj": "attn.k",
    "attn.v_proj": "attn.v",
    "attn.out_proj": "attn.out",
    "mlp.fc_in": "mlp.up",
    "mlp.fc_out": "mlp.down",
}


def random(pick: Random) -> Values:
    heads = pick.randint(1, 5)
    return {
        "vocab_size": pick.randint(11, 130),
        "n_embd": heads * 2 * pick.randint(2, 7),
        "n_layer": pick.randint(1, 4),
        "n_head": heads,
        "n_positions": pick.randint(20, 40),
        "rotary_dim": pick.choice([2, 4]),
        **maybe(pick, n_inner=pick.choice([None, pick.randint(1, 90)]), tie_word_embeddings=pick.random() < 0.5),
    }
