"""Proves that forward and training FLOPs equal what PyTorch's FlopCounterMode counts of transformers' models, exactly: for small
models of every family at two lengths and two batch sizes, by kind of product, and for published models at full size.

Attention is counted over the whole square of query-key pairs (`mask="full"`), because that is what the products there compute;
`mask="causal"` is held against the pairs that have a weight in a real forward pass.

The backward pass is exactly twice the forward pass. Every product Y = X W has two gradients, dX = dY Wᵀ and dW = Xᵀ dY, of the
same three sizes, and so has each of the two products of the attention core. dX of the very first product is no exception,
although nothing before it is a product: X is the output of a norm with a weight, over an embedding with a weight, and both need
dX. `test_first_input_gradient` takes the two away and sees exactly those products go.
"""

from __future__ import annotations

from typing import Any

import pytest

from bursar import catalog, families
from bursar.model import Flops, load

from . import reference
from .families import spec
from .small import SMALL
from .values import Values

SHAPES = [(7, 1), (7, 3), (20, 1), (20, 3)]  # (length, sequences); sliding windows of the small configs are 5
FULL = [name for name in catalog.names() if not name.startswith("gpt2-")]


def ours(values: Values | str, seq: int, batch: int = 1) -> Flops:
    return load(values).flops(seq, batch, mask="full")


def without_zeros(by_kind: dict[str, Any]) -> dict[str, Any]:
    return {kind: value for kind, value in by_kind.items() if value}


@pytest.mark.parametrize("name", SMALL)
def test_small(name: str) -> None:
    """Forward, by kind, backward, and both together; the model is built once for all shapes."""
    model = reference.build(SMALL[name])
    for seq, batch in SHAPES:
        found, expected = ours(SMALL[name], seq, batch), reference.count_training(model, seq, batch, SMALL[name])
        assert (found.forward, found.backward) == (expected.forward, expected.backward), (seq, batch)
        assert without_zeros(found.by_kind) == expected.by_kind, (seq, batch)
        useless = reference.without_gradient(SMALL[name], seq, batch)
        assert found.train == expected.forward + expected.backward == 3 * expected.forward - useless


# the families whose attention can be written out and whose experts can be looped over on the CPU
PLAIN = [name for name, values in SMALL.items() if spec(values["model_type"]) is None]


@pytest.mark.parametrize("name", PLAIN)
def test_small_with_values(name: str) -> None:
    """The same from real tensors on the CPU, attention written out and experts called one by one with the tokens routed to
    them: the settings that the meta device needs do not make the count."""
    model = reference.build(SMALL[name], device="cpu", attention="eager", experts="eager")
    found, expected = ours(SMALL[name], 11, 2), reference.count_training(model, 11, 2, SMALL[name], device="cpu")
    assert (found.forward, found.backward) == (expected.forward, expected.backward)


@pytest.mark.parametrize("seq", [4, 11])
@pytest.mark.parametrize("name", PLAIN)
def test_causal_counts_the_attended_pairs(name: str, seq: int) -> None:
    """`mask="causal"` counts the pairs whose weight is above zero in a real forward pass, sliding windows included: 2 FLOPs
    for each of the head's dimensions in QKᵀ, and again in PV."""
    values = SMALL[name]
    heads = values.get("num_attention_heads") or values["n_head"]
    width = values.get("head_dim") or values.get("hidden_size", values.get("n_embd", 0)) // heads
    key, value = values.get("qk_nope_head_dim", width) + values.get("qk_rope_head_dim", 0), values.get("v_head_dim", width)
    pairs = reference.attended_pairs(reference.build(values, device="cpu", attention="eager", experts="eager"), seq, 2)
    assert load(values).flops(seq, 2, mask="causal").by_kind["attention"] == pairs * 2 * (key + value)


def test_every_family_is_counted() -> None:
    read = {families.file_of(values["model_type"]) for values in SMALL.values()}
    assert sorted(read) == families.names(), "add a config to small.py"


def test_first_input_gradient() -> None:
    """With the embedding frozen, the first norm's weight still needs dX of the first layer's Q, K and V; with that norm frozen
    too, nothing does, and these three products are what the count loses."""
    values = SMALL["llama"]
    h, kv, seq = 60, 2 * 10, 7  # 6 heads of 10, 2 of them for keys and values
    whole = ours(values, seq).backward
    model = reference.build(values)
    model.model.embed_tokens.weight.requires_grad_(False)
    assert reference.count_training(model, seq, 1, values).backward == whole
    model.model.layers[0].input_layernorm.weight.requires_grad_(False)
    assert reference.count_training(model, seq, 1, values).backward == whole - 2 * seq * h * (h + kv + kv)


# Products of one token with every weight that is multiplied: layers · (attention + feed-forward) + head; 2 FLOPs for each
# weight. Then QKᵀ and PV, 2 · s² · (heads · head_dim) each, in every layer.
LLAMA_3_8B = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336) + 4096 * 128256
LLAMA_3_70B = 80 * (2 * 8192 * 8192 + 2 * 8192 * 1024 + 3 * 8192 * 28672) + 8192 * 128256
MIXTRAL_8X7B = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 4096 * 8 + 2 * 3 * 4096 * 14336) + 4096 * 32000  # router of 8, 2 experts
BY_HAND = [
    ("llama-3-8b", 8192, 158_140_695_838_720, 2 * 8192 * LLAMA_3_8B + 32 * 2 * 2 * 8192**2 * 4096),
    ("llama-3-70b", 8192, 1_314_637_949_698_048, 2 * 8192 * LLAMA_3_70B + 80 * 2 * 2 * 8192**2 * 8192),
    ("mixtral-8x7b", 4096, 113_232_517_791_744, 2 * 4096 * MIXTRAL_8X7B + 32 * 2 * 2 * 4096**2 * 4096),
]


@pytest.mark.parametrize(("name", "seq", "forward", "by_hand"), BY_HAND, ids=[case[0] for case in BY_HAND])
def test_full_size_by_hand(name: str, seq: int, forward: int, by_hand: int) -> None:
    """Three ways to one number: ours, the counter's, and the arithmetic above."""
    values = catalog.entry(name).values
    found, expected = ours(name, seq), reference.count_training(reference.build(values), seq, 1, values)
    assert found.forward == expected.forward == by_hand == forward
    assert without_zeros(found.by_kind) == expected.by_kind
    assert found.train == expected.forward + expected.backward == 3 * forward


def test_llama_3_8b_training() -> None:
    assert ours("llama-3-8b", 8192).train == 474_422_087_516_160  # 3 · 158,140,695,838,720


@pytest.mark.parametrize("name", FULL)
def test_catalog(name: str) -> None:
    """Every published model as it is, at a short length; GPT-2's larger siblings differ from it in sizes alone."""
    values = catalog.entry(name).values
    expected = reference.count_forward(reference.build(values), 48, 1, values)
    found = ours(name, 48)
    assert found.forward == expected.forward
    assert without_zeros(found.by_kind) == expected.by_kind
