"""RWKV-4. A model that attends with another width than its hidden size cannot be run with transformers' cached state, so the state
is left out."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe

_BASE: Values = {
    "model_type": "rwkv", "vocab_size": 101, "context_length": 64, "hidden_size": 30, "attention_hidden_size": 42,
    "intermediate_size": 77, "num_hidden_layers": 3, "rescale_every": 6, "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "rwkv": _BASE,
    "rwkv-default-widths-tied": {**_BASE, "attention_hidden_size": None, "intermediate_size": None, "tie_word_embeddings": True},
}
LAYER = r"^rwkv\.blocks\.\d+\."
COMPONENTS = {
    "rwkv.embeddings": "embedding", "rwkv.ln_out": "norm", "head": "head", "pre_ln": "embed.norm", "ln1": "mixer.norm",
    "ln2": "mlp.norm", "attention.time_decay": "mixer.wkv", "attention.time_first": "mixer.wkv",
    "attention.time_mix_key": "mixer.k_mix", "attention.time_mix_value": "mixer.v_mix",
    "attention.time_mix_receptance": "mixer.r_mix", "attention.key": "mixer.k", "attention.value": "mixer.v",
    "attention.receptance": "mixer.r", "attention.output": "mixer.out", "feed_forward.time_mix_key": "mlp.k_mix",
    "feed_forward.time_mix_receptance": "mlp.r_mix", "feed_forward.key": "mlp.up", "feed_forward.receptance": "mlp.r",
    "feed_forward.value": "mlp.down",
}  # fmt: skip
KINDS = [(r"^RwkvForCausalLM\.head$", "logits")]


def random(pick: Random) -> Values:
    return {
        "vocab_size": pick.randint(11, 130),
        "hidden_size": pick.randint(3, 60),
        "num_hidden_layers": pick.randint(1, 5),
        **maybe(pick, attention_hidden_size=pick.randint(1, 60), intermediate_size=pick.randint(1, 90)),
        **maybe(pick, tie_word_embeddings=pick.random() < 0.5, context_length=512, rescale_every=0),
    }
