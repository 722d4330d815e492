"""Mamba."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe

_BASE: Values = {
    "model_type": "mamba", "vocab_size": 101, "hidden_size": 30, "state_size": 7, "num_hidden_layers": 3, "expand": 2,
    "conv_kernel": 4, "use_bias": False, "use_conv_bias": True, "hidden_act": "silu", "time_step_rank": 5,
    "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "mamba": _BASE,
    "mamba-auto-rank-tied": {**_BASE, "time_step_rank": "auto", "tie_word_embeddings": True, "intermediate_size": 60},
    "mamba-biases": {**_BASE, "use_bias": True, "use_conv_bias": False, "expand": 3, "conv_kernel": 3},
}
LAYER = r"^backbone\.layers\.\d+\."
COMPONENTS = {
    "backbone.embeddings": "embedding", "backbone.norm_f": "norm", "norm": "mixer.norm", "mixer.in_proj": "mixer.in",
    "mixer.conv1d": "mixer.conv", "mixer.x_proj": "mixer.select", "mixer.dt_proj": "mixer.delta", "mixer.A_log": "mixer.scan",
    "mixer.D": "mixer.scan", "mixer.out_proj": "mixer.out",
}  # fmt: skip


def random(pick: Random) -> Values:
    return {
        "vocab_size": pick.randint(11, 130),
        "hidden_size": pick.randint(3, 60),
        "num_hidden_layers": pick.randint(1, 5),
        **maybe(pick, state_size=pick.randint(1, 20), expand=pick.randint(1, 4), conv_kernel=pick.randint(2, 6)),
        **maybe(pick, use_bias=pick.random() < 0.5, use_conv_bias=pick.random() < 0.5),
        **maybe(pick, time_step_rank=pick.choice(["auto", pick.randint(1, 9)]), tie_word_embeddings=pick.random() < 0.5),
    }
