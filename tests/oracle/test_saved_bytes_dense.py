"""Proves that the `eager` and `sdpa` kernels of the dense decoders keep, to the byte, what autograd saves of transformers' modules
with the loss in: the whole model of every small config, in FP32 and in pure BF16, of one sequence and of several, below and beyond
the window, with dropout where the config has it, and of random configs.

The trace is one of real CPU tensors, with CUDA's kernels where they keep something else (`saved.py`).
"""

from __future__ import annotations

from random import Random

import pytest

from bursar.kernels import MODULES

from .families import spec
from .saved import DTYPES, compare
from .small import SMALL
from .values import Values

FAMILIES = (
    "bloom", "cohere", "cohere2", "ernie4_5", "falcon", "gemma", "gemma2", "gemma3", "gemma3_text", "glm", "glm4", "gpt_neo",
    "gpt_neox", "gptj", "granite", "hunyuan_v1_dense", "nemotron", "olmo", "olmo2", "opt", "phi", "phi3", "stablelm", "starcoder2",
)  # fmt: skip
NAMES = [name for name, values in SMALL.items() if values["model_type"] in FAMILIES]
WINDOWED = ("mistral-window", "qwen2-windows-tied", "qwen3-listed-windows")
POSITIONS = ("max_position_embeddings", "n_positions")  # beyond the lengths here


# both profiles at both lengths and in both precisions, in half as many traces
CASES = [("eager", "fp32", 4, 2), ("eager", "bf16-pure", 20, 1), ("sdpa", "fp32", 20, 1), ("sdpa", "bf16-pure", 4, 2)]


@pytest.mark.parametrize(("kernels", "precision", "seq", "batch"), CASES)
@pytest.mark.parametrize("name", [*NAMES, *WINDOWED])
def test_what_autograd_saves(name: str, kernels: str, precision: str, seq: int, batch: int) -> None:
    compare(SMALL[name], kernels, precision, seq, batch)


# as many sequences as tokens would tell nothing apart; lengths on both sides of the rows that kernels fill up
SHAPES = [(seq, batch) for seq in (3, 7, 24, 31, 32) for batch in (1, 2, 3) if seq != batch]


@pytest.mark.parametrize("family", FAMILIES)
def test_random_configs(family: str) -> None:
    pick = Random(family)
    for _ in range(3):
        values = {"model_type": family, **spec(family).random(pick)}  # type: ignore[union-attr]
        values |= {key: 64 for key in POSITIONS if key in values}
        seq, batch = pick.choice(SHAPES)
        compare(values, pick.choice(["eager", "sdpa"]), pick.choice(list(DTYPES)), seq, batch)


def test_every_dense_decoder_has_a_row() -> None:
    assert set(FAMILIES) <= set(MODULES)


# dropout of attention where one head of keys serves all queries, and where a kernel of CUDA's takes it
DROPPED = [{**SMALL["falcon"], "alibi": True, "attention_dropout": 0.1}, {**SMALL["falcon-rw"], "attention_dropout": 0.1}]


@pytest.mark.parametrize("values", DROPPED, ids=["alibi", "every-head"])
def test_dropout_of_attention(values: Values) -> None:
    for kernels, precision, seq, batch in CASES:
        compare(values, kernels, precision, seq, batch)
