"""Proves that `mask="causal"` counts the pairs that have a weight above zero in a real forward pass, for windows, chunks, sinks and
chosen tokens: 2 FLOPs for each of the head's dimensions in QKᵀ, and again in PV. An indexer scores every earlier token."""

from __future__ import annotations

import pytest

from bursar.model import load

from . import reference
from .small import SMALL
from .values import Values

FAMILIES = ("gpt_oss", "llama4_text", "deepseek_v2", "deepseek_v32", "glm_moe_dsa", "kimi_k2")
NAMES = [name for name, values in SMALL.items() if values["model_type"] in FAMILIES]


def indexer(values: Values, seq: int, batch: int) -> int:
    """Products of the indexer with itself and every earlier token, and the weighted sum over its heads."""
    pairs = batch * seq * (seq + 1) // 2
    return int(values["num_hidden_layers"] * 2 * pairs * values["index_n_heads"] * (values["index_head_dim"] + 1))


@pytest.mark.parametrize("seq", [4, 11])
@pytest.mark.parametrize("name", NAMES)
def test_causal_counts_the_attended_pairs(name: str, seq: int) -> None:
    values = SMALL[name]
    model = reference.build(values, device="cpu", attention="eager", experts="eager")
    with reference.torch.no_grad():
        for tensor in model.parameters():
            tensor.normal_(std=0.05)  # sinks and stacked experts are made without values
    key = values["qk_nope_head_dim"] + values["qk_rope_head_dim"] if "qk_nope_head_dim" in values else values["head_dim"]
    core = reference.attended_pairs(model, seq, 2) * 2 * (key + values.get("v_head_dim", key))
    index = indexer(values, seq, 2) if "index_topk" in values else 0
    assert load(values).flops(seq, 2, mask="causal").by_kind["attention"] == core + index
