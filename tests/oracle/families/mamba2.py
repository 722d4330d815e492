"""Mamba 2."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe

_BASE: Values = {
    "model_type": "mamba2", "vocab_size": 101, "hidden_size": 36, "num_hidden_layers": 3, "num_heads": 6, "head_dim": 12,
    "state_size": 7, "expand": 2, "n_groups": 3, "conv_kernel": 4, "chunk_size": 5, "use_bias": False, "use_conv_bias": True,
    "hidden_act": "silu", "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "mamba2": _BASE,
    "mamba2-biases-tied": {**_BASE, "use_bias": True, "use_conv_bias": False, "tie_word_embeddings": True, "conv_kernel": 3},
    "mamba2-one-group": {**_BASE, "n_groups": 1, "chunk_size": 64, "num_heads": 12, "head_dim": 6},
}
LAYER = r"^backbone\.layers\.\d+\."
COMPONENTS = {
    "backbone.embeddings": "embedding", "backbone.norm_f": "norm", "norm": "mixer.norm", "mixer.in_proj": "mixer.in",
    "mixer.conv1d": "mixer.conv", "mixer.A_log": "mixer.scan", "mixer.D": "mixer.scan", "mixer.dt_bias": "mixer.scan",
    "mixer.norm": "mixer.gated_norm", "mixer.out_proj": "mixer.out",
}  # fmt: skip


def random(pick: Random) -> Values:
    groups, per_group, head_dim, expand = pick.randint(1, 3), pick.randint(1, 3), pick.randint(1, 9), pick.randint(1, 3)
    heads = groups * per_group * expand
    return {
        "vocab_size": pick.randint(11, 130),
        "hidden_size": heads * head_dim // expand,
        "expand": expand,
        "num_hidden_layers": pick.randint(1, 4),
        "num_heads": heads,
        "head_dim": head_dim,
        "n_groups": groups,
        "state_size": pick.randint(1, 20),
        "chunk_size": pick.choice([3, 8, 256]),
        **maybe(pick, conv_kernel=pick.randint(2, 6), use_bias=pick.random() < 0.5, use_conv_bias=pick.random() < 0.5),
        **maybe(pick, tie_word_embeddings=pick.random() < 0.5),
    }
