"""Proves that no combination of sizes and switches breaks a count: random small configs of every family, with keys left out,
set to null or under another of their names, have transformers' parameters and FlopCounterMode's forward FLOPs.

The generator is seeded by family and number, so a failure repeats; its config is in the message.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from bursar import families
from bursar.model import load

from . import reference
from .families import SPECS
from .families._latent import free_sizes
from .values import Values, maybe, trunk


def window(pick: Random) -> int | None:
    return pick.choice([None, 1, 3, 64])


GPT2_NAMES = ("n_embd", "n_head", "n_layer", "n_positions")
OTHER_NAMES = ("hidden_size", "num_attention_heads", "num_hidden_layers", "max_position_embeddings")


def gpt2(pick: Random) -> Values:
    heads = pick.randint(1, 5)
    names = pick.choice([GPT2_NAMES, OTHER_NAMES])
    sizes = (heads * pick.randint(1, 15), heads, pick.randint(1, 4), pick.randint(20, 40))
    switches = maybe(pick, n_inner=pick.choice([None, pick.randint(1, 90)]), tie_word_embeddings=pick.random() < 0.5)
    return {"vocab_size": pick.randint(11, 130), **dict(zip(names, sizes, strict=True)), **switches}


def llama(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=pick.random() < 0.5)
    if "head_dim" in values:
        values["hidden_size"] = values["num_attention_heads"] * pick.randint(1, 12)  # transformers asks for a multiple even then
    if pick.random() < 0.3:
        values["num_key_value_heads"] = None  # as many as heads
    return {**values, **maybe(pick, attention_bias=pick.random() < 0.7, mlp_bias=pick.random() < 0.7)}


def mistral(pick: Random) -> Values:
    return {**trunk(pick, explicit_head_dim=pick.random() < 0.5), "sliding_window": window(pick)}


def mixtral(pick: Random) -> Values:
    experts = pick.randint(1, 6)
    return {
        **trunk(pick, explicit_head_dim=pick.random() < 0.5),
        pick.choice(["num_local_experts", "num_experts"]): experts,
        "num_experts_per_tok": pick.randint(1, experts),
        **maybe(pick, sliding_window=window(pick)),
    }


def windows(pick: Random, values: Values) -> Values:
    """Qwen's windows: off, from a layer on, or listed by layer."""
    layers = values["num_hidden_layers"]
    off: Values = {"use_sliding_window": False, "sliding_window": window(pick), "max_window_layers": layers}
    late: Values = {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": pick.randint(0, layers)}
    listed = {**late, "layer_types": pick.choices(["full_attention", "sliding_attention"], k=layers)}
    return pick.choice([off, late, listed])


def qwen2(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=False)
    return {**values, **windows(pick, values)}


def qwen3(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=True)
    return {**values, **windows(pick, values), **maybe(pick, attention_bias=pick.random() < 0.7)}


def qwen3_moe(pick: Random) -> Values:
    values, experts = trunk(pick, explicit_head_dim=True), pick.randint(1, 9)
    layers = range(values["num_hidden_layers"])
    return {
        **values,
        "moe_intermediate_size": pick.randint(1, 40),
        pick.choice(["num_experts", "num_local_experts"]): experts,
        "num_experts_per_tok": pick.randint(1, experts),
        **maybe(pick, attention_bias=pick.random() < 0.7, decoder_sparse_step=pick.randint(1, 4)),
        **maybe(pick, mlp_only_layers=pick.sample(layers, pick.randint(0, len(layers)))),
    }


MAKERS: dict[str, Callable[[Random], Values]] = (
    {maker.__name__: maker for maker in (gpt2, llama, mistral, mixtral, qwen2, qwen3, qwen3_moe)}
    | {"deepseek_v3": free_sizes}
    | {name: spec.random for name, spec in SPECS.items()}
)
EACH = max(2, 200 // len(MAKERS))  # configs of a family: about 200 in all


def test_every_family_has_a_generator() -> None:
    assert sorted(MAKERS) == families.names(), "add a generator"


@pytest.mark.parametrize("number", range(EACH))
@pytest.mark.parametrize("family", MAKERS)
def test_random(family: str, number: int) -> None:
    pick = Random(f"{family} {number}")
    values = {"model_type": family, **MAKERS[family](pick)}
    seq, batch = pick.randint(1, 20), pick.randint(1, 4)
    model, ours = reference.build(values), load(values)
    explained = sum(reference.causes.biases(model).values())
    assert ours.params() == reference.parameters(model) + explained, values
    expected, found = reference.count_forward(model, seq, batch, values), ours.flops(seq, batch, mask="full")
    assert found.forward == expected.forward, (values, seq, batch)
    assert {kind: value for kind, value in found.by_kind.items() if value} == expected.by_kind, (values, seq, batch)
