"""Proves that parameter counts equal transformers' to the last digit, for every model of the catalog and small models of every
family: in total and for every component, so that no two errors can cancel.

The only difference there may be is named: DeepSeek-V3's router correction biases, which transformers keeps as buffers. A key
that a config leaves out, or sets to null, either means what it means to transformers or is refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from bursar import catalog, families
from bursar.errors import BursarError
from bursar.model import load

from . import reference
from .small import SMALL
from .values import Values

TABLES = ("embedding", "positions", "types")  # of tokens, of positions, of segments


def check(values: Values, model: Any) -> None:
    """Component by component and in total; what is explained by name is the whole difference."""
    ours = load(values).parameters()
    explained = reference.causes.biases(model)
    expected = reference.parameters_by_component(model, values)
    if explained:
        expected["router"] += sum(explained.values())
    assert reference.our_components(ours.components) == expected
    assert ours.total == reference.parameters(model) + sum(explained.values())
    assert ours.embedding == sum(value for name, value in expected.items() if name.split(".")[-1] in TABLES)
    assert ours.head == expected.get("head", 0)  # 0 where the head shares the table's weight


@pytest.mark.parametrize("name", catalog.names())
def test_catalog(name: str) -> None:
    values = catalog.entry(name).values
    check(values, reference.build(values))


@pytest.mark.parametrize("name", SMALL)
def test_small(name: str) -> None:
    check(SMALL[name], reference.build(SMALL[name]))


def test_every_family_has_a_small_config() -> None:
    read = {families.file_of(values["model_type"]) for values in SMALL.values()}
    assert sorted(read) == families.names(), "add a config to small.py"


def test_deepseek_v3_differs_by_its_correction_biases() -> None:
    model = reference.build(catalog.entry("deepseek-v3").values)
    corrections = reference.causes.biases(model)
    moe_layers = range(3, 61)  # 61 layers, the first 3 dense
    assert corrections == {f"model.layers.{i}.mlp.gate.e_score_correction_bias": 256 for i in moe_layers}  # one per expert
    assert load("deepseek-v3").params() - reference.parameters(model) == 58 * 256 == 14_848


@pytest.mark.parametrize("name", SMALL)
def test_active_leaves_out_the_experts_that_a_token_does_not_use(name: str) -> None:
    """transformers stacks all experts of a layer in two tensors: each token uses top_k slices of the first dimension."""
    ours = load(SMALL[name]).parameters()
    stacks = [tensor for path, tensor in reference.build(SMALL[name]).named_parameters() if ".experts." in path]
    top_k = SMALL[name].get("text_config", SMALL[name]).get("num_experts_per_tok", 0)
    assert ours.total - ours.active == sum((tensor.shape[0] - top_k) * tensor[0].numel() for tensor in stacks)


def test_tied_tensors_are_one_tensor() -> None:
    """The head of a tied model is the embedding table itself, so the count above cannot have listed it twice."""
    model = reference.build(catalog.entry("llama-3.2-1b").values)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert load("llama-3.2-1b").parameters().head == 0


BASES = ["gpt2", "llama-head_dim", "mistral-window", "mixtral", "qwen2-windows-tied", "qwen3", "qwen3_moe-both", "deepseek_v3"]
CASES = [(name, key) for name in BASES for key in SMALL[name] if key not in ("model_type", "vocab_size")]


def compared(values: Values) -> bool:
    """Whether both sides read the config, in which case the counts must be equal. A refusal by either side is no other count."""
    try:
        load(values)
    except BursarError:
        return False
    try:
        model = reference.build(values)
    except Exception:  # transformers has no value to build with, in whatever way it fails
        return False
    check(values, model)
    return True


def without(name: str, key: str) -> Values:
    return {given: value for given, value in SMALL[name].items() if given != key}


@pytest.mark.parametrize(("name", "key"), CASES)
def test_a_key_left_out(name: str, key: str) -> None:
    compared(without(name, key))


@pytest.mark.parametrize(("name", "key"), CASES)
def test_a_key_that_is_null(name: str, key: str) -> None:
    compared({**SMALL[name], key: None})


def test_left_out_keys_are_not_all_refused() -> None:
    """Published configs leave these out, so here the two tests above must have compared numbers."""
    for key in ("n_inner", "n_positions", "tie_word_embeddings"):
        assert compared(without("gpt2", key))
    for key in ("attention_bias", "mlp_bias", "num_key_value_heads", "head_dim", "tie_word_embeddings", "max_position_embeddings"):
        assert compared(without("llama-head_dim", key))
    for key in ("decoder_sparse_step", "mlp_only_layers", "attention_bias"):
        assert compared(without("qwen3_moe-both", key))
