"""Proves that bad input is refused in one or two lines that say what would be valid, with exit status 2 and never a traceback, and
that no config is guessed at: a mutated one gives an exact answer or a refusal."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bursar
from bursar import catalog, families
from bursar.cli import main
from bursar.config import COSTLESS, Config
from bursar.errors import BursarError, ConfigError
from bursar.ops.moe import Experts
from bursar.plan import Plan
from bursar.step import Step

BATCH = ["--global-batch", "64"]
REFUSED: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "unknown model": (["params", "lama-3-8b"], ("lama-3-8b", "llama-3-8b")),
    "unknown device": (["memory", "llama-3-8b", "--device", "h101"], ("h101", "h100-sxm")),
    "unknown verb": (["parms", "llama-3-8b"], ("parms", "params")),
    "unknown option": (["params", "llama-3-8b", "--sequence", "8"], ("--sequence",)),
    "unknown optimizer": (["memory", "llama-3-8b", "--optimizer", "adamz"], ("adamz", "adamw")),
    "unknown precision": (["memory", "llama-3-8b", "--precision", "bf17"], ("bf17", "bf16")),
    "unknown kernels": (["memory", "llama-3-8b", "--kernels", "fusd"], ("fusd", "fused")),
    "unknown implementation": (["memory", "llama-3-8b", "--kernels", "fused,attention=flsh"], ("flsh", "attention=flash")),
    "unknown recompute": (["memory", "llama-3-8b", "--recompute", "some"], ("some", "selective")),
    "missing model": (["params"], ("MODEL",)),
    "missing file": (["params", "./no/such/config.json"], ("no/such/config.json", "config.json or its folder")),
    "missing value": (["kv", "gpt2", "--seq"], ("--seq",)),
    "heads that tp does not divide": (["memory", "llama-3-70b", "--tp", "6"], ("tp=6", "heads=64", "1, 2, 4, 8")),
    "kv heads that tp does not fit": (["memory", "qwen2-7b", "--tp", "7"], ("tp=7", "kv_heads=4", "1, 2, 4")),
    "experts that ep does not divide": (["memory", "mixtral-8x7b", "--ep", "3"], ("ep=3", "experts=8", "1, 2, 4, 8")),
    "experts of a dense model": (["memory", "llama-3-8b", "--ep", "2"], ("ep=2", "without experts")),
    "experts with tp and no sp": (["memory", "mixtral-8x7b", "--tp", "2", "--ep", "2", "--dp", "2"], ("ep=2", "sp with tp")),
    "more stages than layers": (["memory", "gpt2", "--pp", "13"], ("pp=13", "12 layers", "1 to 12")),
    "a batch that dp does not divide": (["memory", "llama-3-8b", "--dp", "8", "--global-batch", "12"], ("12", "multiple of 8")),
    "two batches": (["memory", "llama-3-8b", *BATCH, "--global-batch-tokens", "4M"], ("sequences or in tokens",)),
    "devices that degrees do not make": (["memory", "llama-3-8b", "--devices", "64", "--tp", "3"], ("devices=64", "tp·pp=3")),
    "negative length": (["flops", "llama-3-8b", "--seq", "-5"], ("seq=-5", "from 1")),
    "absurd batch": (["memory", "llama-3-8b", "--micro-batch", "1e30"], ("micro_batch=1e30", "1,000,000")),
    "fraction of a device": (["memory", "llama-3-8b", "--devices", "1.5"], ("devices=1.5", "whole number")),
    "not a number": (["time", "llama-3-8b", "--device", "h100", "--price", "nan"], ("price=nan",)),
    "dropout above one": (["memory", "gpt2", "--dropout", "1.5"], ("dropout=1.5", "below 1")),
    "a length beyond learned positions": (["flops", "gpt2", "--seq", "2048"], ("2048", "1024 learned positions")),
    "the peak of another dtype": (["time", "llama-3-8b", "--device", "v100-sxm"], ("v100-sxm", "bf16", "fp16")),
    "a time without a device": (["time", "llama-3-8b"], ("device", "--device NAME")),
    "a search without devices": (["plan", "llama-3-8b", "--device", "h100", *BATCH], ("--devices N",)),
    "a search without a batch": (["plan", "llama-3-8b", "--device", "h100", "--devices", "8"], ("--global-batch",)),
    "cards that nothing joins": (["time", "llama-3-8b", "--device", "rtx-4090", "--devices", "64"], ("64 rtx-4090", "1 to 8")),
    "mtp of a model without it": (["params", "llama-3-8b", "--mtp"], ("multi-token",)),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_refusal_is_short_and_says_what_would_be_valid(case: str, as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, words = REFUSED[case]
    verb, *rest = arguments
    assert main([verb, *(["--json"] if as_json else []), *rest]) == 2
    out, err = capsys.readouterr()
    assert len(err.strip().splitlines()) <= 2
    assert len(err) < 700
    assert "Traceback" not in err
    for word in words:
        assert word in err
    if as_json:
        assert set(json.loads(out)) == {"error"}
    else:
        assert out == ""


def llama(**changes: Any) -> dict[str, Any]:
    """A small valid config with some keys changed; a key set to ... is left out."""
    values = {**catalog.entry("llama-3-8b").values, "num_hidden_layers": 2, **changes}
    return {key: value for key, value in values.items() if value is not ...}


CONFIGS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "unknown key": (llama(num_memory_tokens=4), ("num_memory_tokens", "llama")),
    "missing key": (llama(hidden_size=...), ("hidden_size",)),
    "missing model_type": (llama(model_type=...), ("model_type", "llama")),
    "unknown model_type": (llama(model_type="lama"), ("lama", "llama")),
    "model_type of another kind": (llama(model_type=["llama"]), ("model_type",)),
    "negative": (llama(hidden_size=-4096), ("hidden_size", "-4096", "1 to")),
    "zero heads": (llama(num_attention_heads=0), ("num_attention_heads", "0")),
    "absurd": (llama(intermediate_size=10**30), ("intermediate_size",)),
    "fraction": (llama(hidden_size=4096.5), ("hidden_size", "4096.5")),
    "text for a number": (llama(hidden_size="4096"), ("hidden_size", "'4096'")),
    "truth for a number": (llama(num_hidden_layers=True), ("num_hidden_layers", "True")),
    "number for truth": (llama(tie_word_embeddings=1), ("tie_word_embeddings", "true, false")),
    "heads that do not divide": (llama(num_attention_heads=33), ("num_attention_heads=33", "hidden_size=4096")),
    "unknown activation": (llama(hidden_act="gelu"), ("hidden_act", "silu")),
    "unknown model_type, with its keys": (llama(model_type="zzz"), ("zzz", "--as-family", "keys understood")),
    "a million layers": (llama(num_hidden_layers=10**6), ("num_hidden_layers", "10,000")),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGS)
def test_a_config_that_is_not_understood_is_refused_by_name(case: str) -> None:
    values, words = CONFIGS[case]
    with pytest.raises(BursarError) as refusal:
        bursar.load(values)
    assert all(word in str(refusal.value) for word in words)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 600


@pytest.mark.parametrize("family", ["llama", "gpt2", "deepseek_v3", "gpt_neox", "qwen3_moe"])
def test_the_nearest_family_of_a_config_is_its_own(family: str) -> None:
    """By its keys, whatever it calls itself: the family that is named leaves no key of the config unread."""
    values = {**catalog.entry(FAMILIES[family]).values, "model_type": "unheard-of"}
    with pytest.raises(BursarError) as refusal:
        bursar.load(values)
    named, left = families.nearest(Config(values, "test"))
    assert f"--as-family {named} ({len(values)} of {len(values)} keys understood)" in str(refusal.value)
    assert left == 0
    assert bursar.load(values, as_family=family).params() == bursar.load(FAMILIES[family]).params()


@pytest.mark.parametrize(
    "text",
    ['{"model_type": "llama", "hidden_', "", "[]", "null", "nan", '{"a": ' * 50_000, "\x00", '"' + "x" * 100, "{'model_type': 1}"],
)
def test_a_file_that_is_no_config_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="config"):
        bursar.load(str(path))


def test_a_file_too_large_or_not_text_is_refused(tmp_path: Path) -> None:
    large, binary = tmp_path / "large.json", tmp_path / "binary.json"
    large.write_text(" " * (5 * 2**20), encoding="utf-8")
    binary.write_bytes(bytes(range(256)))
    for path in (large, binary):
        with pytest.raises(ConfigError):
            bursar.load(str(path))


def test_a_key_is_costless_for_one_reason() -> None:
    keys = [key for group in COSTLESS.values() for key in group]
    assert len(keys) == len(set(keys))


ODD_VALUES = st.sampled_from(
    [None, -1, 0, 1, 3, 7, 10**12, 10**400, 0.5, float("nan"), "8", "", True, False, [], [1], {}, {"a": {}}]
)
FAMILIES = {catalog.entry(name).values["model_type"]: name for name in catalog.names()}  # a model of each
NAMES = st.sampled_from(sorted(FAMILIES.values()))


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A catalog config with keys dropped, added or given odd values."""
    values = dict(catalog.entry(draw(NAMES)).values)
    for key in draw(st.lists(st.sampled_from(sorted(values)), max_size=3, unique=True)):
        if draw(st.booleans()):
            del values[key]
        else:
            values[key] = draw(ODD_VALUES)
    return {**values, **draw(st.dictionaries(st.text(max_size=12), ODD_VALUES, max_size=1))}


@settings(max_examples=max(400, 12 * len(FAMILIES)), derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_a_mutated_config_is_answered_exactly_or_refused(values: dict[str, Any]) -> None:
    start = time.perf_counter()
    try:
        model = bursar.load(values)
    except BursarError as refusal:
        assert str(refusal)
        return
    finally:
        assert time.perf_counter() - start < 1
    found = model.parameters()
    idle = [line.op.idle_weights() for _, line in model.architecture.walk(Step(1, 1)) if isinstance(line.op, Experts)]
    assert isinstance(found.total, int)
    assert 0 < found.active <= found.total
    assert found.total == sum(found.components.values())
    assert all(weights >= 0 for weights in idle)
    assert model.activations(Plan(), 8).total > 0
