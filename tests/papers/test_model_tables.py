"""Proves that the sizes printed in the papers of models that were never released give the parameter counts printed beside them."""

from __future__ import annotations

import pytest

from bursar import catalog
from bursar.model import load

# arXiv:2112.11446, table 1: layers, heads, key and value size, width, and the count in its name
GOPHER = [
    (8, 16, 32, 512, "44M"),
    (12, 12, 64, 768, "117M"),
    (12, 12, 128, 1536, "417M"),
    (24, 16, 128, 2048, "1.4B"),
    (32, 32, 128, 4096, "7.1B"),
    (80, 128, 128, 16384, "280B"),
]
UNIT = {"M": 10**6, "B": 10**9}


@pytest.mark.parametrize(("layers", "heads", "width", "h", "printed"), GOPHER, ids=[row[-1] for row in GOPHER])
def test_gopher_table_1(layers: int, heads: int, width: int, h: int, printed: str) -> None:
    sizes = {"num_hidden_layers": layers, "num_attention_heads": heads, "head_dim": width, "hidden_size": h}
    ours = load({**catalog.entry("gopher-280b").values, **sizes, "intermediate_size": 4 * h}).params()
    by_hand = layers * (4 + 8 + 1) * h * h + 32000 * h  # Q, K, V, out; feed-forward; distances; the one table
    vectors = layers * 2 * h + h + 2 * h  # norms; u and v
    assert ours == by_hand + vectors
    number, unit = printed[:-1], UNIT[printed[-1]]
    assert abs(ours - float(number) * unit) <= 0.5 * unit * 10.0 ** -len(number.partition(".")[2])  # as rounded


# arXiv:2204.02311, table 1: layers, heads, width, and billions of parameters, cut to two digits
PALM = [("palm-8b", 32, 16, 4096, 863), ("palm-62b", 64, 32, 8192, 6250), ("palm-540b", 118, 48, 18432, 54035)]


@pytest.mark.parametrize(("name", "layers", "heads", "h", "hundredths"), PALM, ids=[row[0] for row in PALM])
def test_palm_table_1(name: str, layers: int, heads: int, h: int, hundredths: int) -> None:
    attention = 2 * h * heads * 256 + 2 * h * 256  # Q and out; one head of keys and one of values
    by_hand = layers * (attention + 3 * h * 4 * h + h) + h + 256000 * h  # SwiGLU of width 4h, one norm
    ours = load(name).params()
    assert ours == by_hand
    assert abs(ours - hundredths * 10**7) < 10**7  # cut or rounded


def test_mt_nlg_530b() -> None:
    """arXiv:2201.11990, section 3.1, by the count of arXiv:2104.04473: 12 L h² (1 + 13/(12 h) + (V + s)/(12 L h))."""
    layers, h, vocab, positions = 105, 20480, 50257, 2048
    assert load("mt-nlg-530b").params() == 12 * layers * h**2 + 13 * layers * h + (vocab + positions) * h + 2 * h
    assert round(load("mt-nlg-530b").params() / 1e9) == 530
