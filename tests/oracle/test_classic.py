"""Proves what the shared tests do not ask of the classic decoders: which pairs a window attends to, what a token leaves in the KV
cache, and that GPT-Neo's two ways to list its layers say the same or are refused."""

from __future__ import annotations

import pytest

from bursar.errors import ConfigError
from bursar.model import load

from . import reference
from .small import SMALL

WRITTEN_OUT = ("gpt_neox", "gptj", "opt", "bloom", "phi", "starcoder2", "nemotron", "stablelm", "gpt_neo")


@pytest.mark.parametrize("seq", [4, 11])
@pytest.mark.parametrize("name", [name for name, values in SMALL.items() if values["model_type"] in WRITTEN_OUT])
def test_causal_counts_the_attended_pairs(name: str, seq: int) -> None:
    """Pairs with a weight above zero in a real forward pass, GPT-Neo's and StarCoder2's windows included; 2 FLOPs for each of the
    head's dimensions in QKᵀ, and again in PV."""
    values = SMALL[name]
    heads = next(values[key] for key in ("num_attention_heads", "num_heads", "n_head") if key in values)
    width = values.get("head_dim") or (values.get("hidden_size") or values["n_embd"]) // heads
    pairs = reference.attended_pairs(reference.build(values, device="cpu", attention="eager"), seq, 2)
    assert load(values).flops(seq, 2, mask="causal").by_kind["attention"] == pairs * 2 * 2 * width


CACHED = [
    ("gpt-neox-20b", 44 * 2 * 6144),  # keys and values of every head
    ("falcon-7b", 32 * 2 * 64),  # one head of keys and values for 71 queries
    ("falcon-40b", 60 * 2 * 8 * 64),
    ("starcoder2-15b", 40 * 2 * 4 * 128),
    ("nemotron-4-340b", 96 * 2 * 8 * 192),
]


@pytest.mark.parametrize(("name", "elements"), CACHED)
def test_a_token_leaves_its_keys_and_values(name: str, elements: int) -> None:
    assert load(name).kv(2048).elements_per_token == elements


def test_gpt_neo_keeps_a_window_in_every_second_layer() -> None:
    assert load("gpt-neo-2.7b").kv(2048).bytes == 2 * 2 * 2560 * (16 * 2048 + 16 * 256)  # bf16


@pytest.mark.parametrize(
    "types",
    [None, "global", [["global", 4]], [[["global"], 3]], [[["all"], 4]], [[["global"], -4]], [[[], 4]], [[["global"], 10**9]]],
)
def test_gpt_neo_refuses_layers_that_are_not_listed(types: object) -> None:
    with pytest.raises(ConfigError, match="attention_types"):
        load({**SMALL["gpt_neo"], "attention_types": types})


def test_gpt_neo_refuses_two_lists_that_differ() -> None:
    with pytest.raises(ConfigError, match="attention_layers"):
        load({**SMALL["gpt_neo"], "attention_layers": ["global"] * 4})


@pytest.mark.parametrize(
    "wrong", [{"new_decoder_architecture": True, "parallel_attn": False}, {"num_ln_in_parallel_attn": 2},
              {"multi_query": False, "num_kv_heads": 2}],
)  # fmt: skip
def test_falcon_refuses_what_its_code_cannot_run(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        load({**SMALL["falcon"], **wrong})
