"""Proves for the mixture-of-experts decoders that the settings the meta device needs do not make the count: real tensors on the
CPU, attention written out and experts looped over, give the same FLOPs; the causal pairs are those with a weight above zero.

A multi-token-prediction module has the parameters that transformers gives one when it appends it to the model.
"""

from __future__ import annotations

import pytest

from bursar import catalog
from bursar.model import load

from . import reference
from .small import SMALL

FAMILIES = ("qwen2_moe", "olmoe", "phimoe", "granitemoe", "ernie4_5_moe", "glm4_moe", "minimax_m2", "hunyuan_v1_moe")
NAMES = [name for name, values in SMALL.items() if values["model_type"] in FAMILIES]
SEQ, BATCH = 11, 2


@pytest.mark.parametrize("name", NAMES)
def test_with_values(name: str) -> None:
    values = SMALL[name]
    model = reference.build(values, device="cpu", attention="eager", experts="eager")
    found, expected = load(values).flops(SEQ, BATCH), reference.count_training(model, SEQ, BATCH, values, device="cpu")
    assert (found.forward, found.backward) == (expected.forward, expected.backward)


@pytest.mark.parametrize("name", NAMES)
def test_causal_counts_the_attended_pairs(name: str) -> None:
    values = SMALL[name]
    width = values.get("head_dim") or values["hidden_size"] // values["num_attention_heads"]
    pairs = reference.attended_pairs(reference.build(values, device="cpu", attention="eager", experts="eager"), SEQ, BATCH)
    assert load(values).flops(SEQ, BATCH, mask="causal").by_kind["attention"] == pairs * 2 * (width + width)


@pytest.mark.parametrize("name", [name for name in SMALL if name.startswith("glm4_moe")] + ["glm-4.5", "glm-4.5-air"])
def test_a_multi_token_prediction_module(name: str) -> None:
    """What it has beside the embedding and the head of the model, which it shares; the router's correction bias is a buffer."""
    from transformers.modeling_layers import MtpModel

    values = SMALL[name] if name in SMALL else catalog.entry(name).values
    model = reference.build(values)
    with reference.torch.device("meta"):
        module = MtpModel(model, 1)
    shared = {id(tensor) for tensor in model.parameters()}
    own = sum(tensor.numel() for tensor in module.parameters() if id(tensor) not in shared)
    own += sum(tensor.numel() for path, tensor in module.named_buffers() if path.endswith("e_score_correction_bias"))
    asked = {**values, "num_nextn_predict_layers": 1}
    assert load(asked, mtp=True).params() - load(asked).params() == own
