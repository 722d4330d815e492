"""Zamba2: Mamba 2 as in its own file; shared blocks whose weights are one tensor in transformers too, which lists them at their
first use, with the adapters of all uses."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from tests.oracle.values import Values, maybe

_BASE: Values = {
    "model_type": "zamba2", "vocab_size": 101, "hidden_size": 36, "intermediate_size": 23, "num_hidden_layers": 6,
    "num_attention_heads": 6, "num_key_value_heads": 6, "mamba_d_state": 7, "mamba_d_conv": 4, "mamba_expand": 2,
    "mamba_ngroups": 2, "n_mamba_heads": 8, "chunk_size": 5, "num_mem_blocks": 2, "adapter_rank": 5, "use_mem_rope": True,
    "use_shared_attention_adapter": False, "add_bias_linear": False, "hidden_act": "gelu", "tie_word_embeddings": True,
    "layers_block_type": ["mamba", "hybrid", "hybrid", "mamba", "hybrid", "hybrid"],
}  # fmt: skip
SMALL: dict[str, Values] = {
    "zamba2": _BASE,
    "zamba2-one-block": {**_BASE, "num_mem_blocks": 1, "use_mem_rope": False, "add_bias_linear": True},
    "zamba2-grouped": {**_BASE, "num_key_value_heads": 3, "mamba_ngroups": 1},
}
LAYER = r"^model\.layers\.\d+\.(mamba_decoder\.(?=mamba)|shared_transformer\.(?!input_layernorm))?"
KINDS = [(r"\.lm_head$", "logits"), (r"\.shared_transformer\.self_attn$", "attention")]
_MAMBA = {
    "in_proj": "in", "conv1d": "conv", "A_log": "scan", "D": "scan", "dt_bias": "scan", "norm": "gated_norm", "out_proj": "out",
}  # fmt: skip
COMPONENTS = {
    "model.final_layernorm": "norm", "input_layernorm": "mixer.norm", "mamba_decoder.input_layernorm": "mixer.norm",
    "shared_transformer.input_layernorm": "attn.norm", "pre_ff_layernorm": "mlp.norm", "linear": "mlp.link",
    "feed_forward.gate_up_proj": "mlp.gate_up", "feed_forward.down_proj": "mlp.down",
    **{f"mamba.{name}": f"mixer.{ours}" for name, ours in _MAMBA.items()},
}  # fmt: skip


def parts(module: str, tensor: Any, values: Values) -> dict[str, int] | None:
    """An adapter is listed by its use and its two products."""
    found = re.search(r"gate_up_proj_adapter_list\.\d+\.([01])$", module)
    return {f"mlp.adapter_{('down', 'up')[int(found.group(1))]}": tensor.numel()} if found else None


def random(pick: Random) -> Values:
    groups, per_group, heads, d = pick.randint(1, 3), pick.randint(1, 3), pick.randint(1, 4), 2 * pick.randint(1, 5)
    layers = pick.randint(1, 6)
    mamba_heads = groups * per_group
    return {
        "vocab_size": pick.randint(11, 130),
        "hidden_size": heads * d * mamba_heads,
        "intermediate_size": pick.randint(1, 50),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "layers_block_type": ["hybrid", *pick.choices(["mamba", "hybrid"], k=layers - 1)],
        "n_mamba_heads": mamba_heads,
        "mamba_ngroups": groups,
        "num_mem_blocks": pick.randint(1, 3),
        "adapter_rank": pick.randint(1, 9),
        **maybe(pick, mamba_d_state=pick.randint(1, 20), mamba_d_conv=pick.randint(2, 6), chunk_size=pick.choice([3, 8])),
        **maybe(pick, use_mem_rope=pick.random() < 0.5, add_bias_linear=pick.random() < 0.5, tie_word_embeddings=True),
    }
