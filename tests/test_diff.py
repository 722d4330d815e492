"""Proves that differences are those of the verbs' own numbers, term by term and in total, and that every convention counts as its
source does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bursar import catalog, facts
from bursar.cli import main
from bursar.errors import PlanError, UnknownNameError
from bursar.machines.devices import device
from bursar.model import load
from bursar.plan import Plan
from bursar.questions.conventions import CONVENTIONS, PARTS, train_flops
from bursar.step import Step
from bursar.training import Training


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["diff", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def rows(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Quantities by name, each of whose terms add up to its totals."""
    for row in found["quantities"]:
        for side in ("a", "b", "difference"):
            assert sum(term[side] for term in row["terms"]) == pytest.approx(row[side], rel=1e-12)
        assert all(term["difference"] == term["b"] - term["a"] for term in row["terms"])
    return {row["quantity"]: row for row in found["quantities"]}


# ── models and plans ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_models(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(answer(capsys, "llama-2-7b", "llama-3-8b", "--seq", "2048"))
    for side, name in (("a", "llama-2-7b"), ("b", "llama-3-8b")):
        model = load(name)
        assert found["parameters"][side] == model.params()
        assert found["flops"][side] == model.flops(2048).train
        assert found["activations"][side] == model.activations(Plan(), 2048).total
        assert found["kv"][side] == model.kv(2048).bytes
    keys = next(term for term in found["parameters"]["terms"] if term["term"] == "layers.attn.k")
    assert (keys["a"], keys["b"]) == (32 * 4096 * 32 * 128, 32 * 4096 * 8 * 128)  # 32 heads of keys against 8


def test_a_model_does_not_differ_from_itself(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "llama-3-8b", "llama-3-8b")
    assert not [term for row in found["quantities"] for term in row["terms"] if term["difference"]]


def test_two_plans(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = ["--device", "h100-sxm", "--devices", "64", "--tp", "8", "--sp", "--pp", "4", "--dp", "2"]
    found = answer(capsys, "llama-3-70b", *cluster, "--against", "--zero 1 --no-sp")
    assert found["changed"] == {"sp": [True, False], "zero": [0, 1]}
    jobs = [
        Training(load("llama-3-70b"), plan, device("h100-sxm"), length=8192, global_batch=32)
        for plan in (
            Plan(tensor=8, sequence=True, pipeline=4, data=2),
            Plan(tensor=8, pipeline=4, data=2, zero=1),
        )
    ]
    by_quantity = rows(found)
    assert [by_quantity["memory"][side] for side in ("a", "b")] == [job.peak() for job in jobs]
    assert [by_quantity["time"][side] for side in ("a", "b")] == pytest.approx([job.time().step for job in jobs])


# ── conventions ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

GPT2 = (124_439_808, 1024 * 768, 12, 12, 64, 1024)  # parameters, positions, layers, heads, head width, length


def of(name: str, model: str, length: int) -> int:
    return int(sum(train_flops(load(model), Step(1, length), name).values()))


def test_nanogpt_and_palm_of_gpt_2() -> None:
    """estimate_mfu: 6·N + 12·L·H·Q·T per token, N = 123.65M without positions; PaLM's N has them."""
    params, positions, layers, heads, width, length = GPT2
    attention = 12 * layers * heads * width * length
    assert of("nanogpt", "gpt2", length) == (6 * (params - positions) + attention) * length == 875_690_459_136
    assert of("palm", "gpt2", length) == (6 * params + attention) * length
    assert of("6nd", "gpt2", length) == 6 * params * length


def test_torchtitan_of_llama_3_70b() -> None:
    """6·(N − V·h) + 12·l·h·q·t per token (`get_nparams_and_flops`)."""
    per_token = 6 * (70_553_706_496 - 128256 * 8192) + 12 * 80 * 64 * 128 * 8192
    assert of("torchtitan", "llama-3-70b", 8192) == per_token * 8192


def test_megatron_of_gpt_3_and_of_grouped_heads() -> None:
    """72·B·s·l·h²(1 + s/6h + V/12lh) without recomputation (arXiv:2104.04473, appendix), and its generalisation in
    `num_floating_point_operations`: 12·s·l·h²((1 + k/a + s/h)·ad/h + 3/2·f/h + V/(2lh))."""
    s, layers, h, vocab = 2048, 96, 12288, 50257
    assert of("megatron", "gpt3-175b", s) == 72 * s * layers * h**2 + 12 * s**2 * layers * h + 6 * s * h * vocab
    s, layers, h, heads, keys, f, vocab = 8192, 80, 8192, 64, 8, 28672, 128256
    products = 12 * s * layers * h**2 + 12 * s * layers * h**2 * keys // heads + 18 * s * layers * h * f
    assert of("megatron", "llama-3-70b", s) == products + 12 * s**2 * layers * h + 6 * s * h * vocab


def test_chinchilla_of_gpt_2() -> None:
    """Three times the forward pass of arXiv:2203.15556, appendix F: embeddings 2sVd, per layer 6sd(ka), 2s²(ka), 3s²a, 2s²(ka),
    2s(ka)d and 4sdf, logits 2sdV."""
    s, vocab, d, heads, layers, f = 1024, 50257, 768, 12, 12, 3072
    layer = 6 * s * d * d + 2 * s * s * d + 3 * heads * s * s + 2 * s * s * d + 2 * s * d * d + 4 * s * d * f
    assert of("chinchilla", "gpt2", s) == 3 * (2 * s * vocab * d + layers * layer + 2 * s * d * vocab)


def test_ours_is_the_count_of_every_model() -> None:
    for name in catalog.names():
        model = load(name)
        step = model.step(min(256, model.architecture.max_length or 256))
        assert sum(train_flops(model, step, "bursar").values()) == model.flops(step.queries).train


@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_convention_has_a_source_and_known_parts(name: str) -> None:
    row = CONVENTIONS[name]
    assert row.source in facts.sources()
    assert set(row.rule(load("mixtral-8x7b"), Step(1, 64))) <= set(PARTS)


def test_two_conventions(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "mixtral-8x7b", "--convention", "megatron,torchtitan", "--seq", "4k")
    row = rows(found)["flops"]
    assert (row["a"], row["b"]) == tuple(of(name, "mixtral-8x7b", 4096) for name in ("megatron", "torchtitan"))
    assert len(found["sources"]) == 2
    router = next(term for term in row["terms"] if term["term"] == "router")
    assert router["a"] == 0 and rows(answer(capsys, "mixtral-8x7b", "--convention", "megatron"))["flops"]["a"] > row["a"]


def test_what_a_convention_says_nothing_of_is_refused() -> None:
    with pytest.raises(PlanError, match="recurrences"):
        train_flops(load("mamba-2.8b"), Step(1, 64), "megatron")
    with pytest.raises(UnknownNameError):
        train_flops(load("gpt2"), Step(1, 64), "calculon")


# ── the verb ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    "arguments", [["gpt2", "gpt2-xl"], ["llama-3-8b", "--against", "--tp 2 --sp"], ["deepseek-v3", "--convention", "6nd"]]
)
def test_reports_draw_in_both_languages(arguments: list[str], lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *arguments, "--lang", lang]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gpt2"], "a second model"),
        (["gpt2", "gpt2-xl", "--convention", "6nd"], "one of"),
        (["gpt2", "--convention", "6nd,palm,megatron"], "one or two names"),
        (["gpt2", "--convention", "own"], "unknown convention"),
        (["gpt2", "--against", "--tp"], "needs a value"),
        (["gpt2", "--against", "--layers 4"], "unknown option"),
        (["gpt2", "--against", "--tp '4"], "against="),
        (["gpt2", "--against", "--tp x"], "tp"),
    ],
)
def test_refusals(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *arguments, "--json"]) == 2
    assert said in json.loads(capsys.readouterr().out)["error"]
