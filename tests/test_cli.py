"""Proves the surface that scripts rely on: every verb answers with its keys, in exact numbers whose parts add up to their totals,
from the catalog, a path, a folder and standard input; and every report draws in both languages."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from bursar import catalog
from bursar.cli import VERBS, main
from bursar.cli.verb import NEED_TORCH, Verb
from bursar.machines import devices
from bursar.options import OPTIONS
from bursar.options import TABLES as OPTION_TABLES
from bursar.report.words import TOPICS, WORDS
from tests.test_docs import LISTED

CLUSTER = ["--device", "h100-sxm", "--devices", "64", "--tp", "8", "--sp", "--pp", "4", "--zero", "1", "--seq", "8k"]
SEARCH = ["--device", "h100-sxm", "--devices", "64", "--seq", "8192", "--global-batch-tokens", "4M", "--tokens", "15T"]
MEMORY_PARTS = (
    "weights", "gradients", "master_weights", "optimizer_state", "activations", "logits", "temporary", "communication", "runtime",
)  # fmt: skip

SWEEPS = "bursar.cli.sweep"
KEYS: dict[str, tuple[list[str], set[str]]] = {
    "params": (["llama-3-8b"], {"model", "total", "active", "embedding", "head", "components"}),
    "flops": (
        ["llama-3-8b", "--seq", "8k", "--batch", "1", "--mask", "full"],
        {"forward", "backward", "train", "forward_per_token", "train_per_token", "by_kind", "convention"},
    ),
    "kv": (
        ["llama-3-8b", "--seq", "8k", "--batch", "2", "--kv-dtype", "bf16"],
        {"elements_per_token", "bytes_per_token", "bytes", "state_bytes"},
    ),
    "activations": (
        ["llama-3-8b", "--seq", "8k", "--kernels", "textbook", "--precision", "bf16", "--recompute", "none"],
        {"layers", "shared", "embedding", "head", "loss", "total", "entries"},
    ),
    "memory": (["llama-3-70b", *CLUSTER, "--grad-dtype", "fp32"], {"stages", "peak", "device_memory", "fits"}),
    "time": (
        ["llama-3-70b", *CLUSTER, "--global-batch", "512", "--tokens", "15T", "--price", "2"],
        {
            "step_s",
            "tokens_per_s",
            "tokens_per_s_per_device",
            "model_flops_per_step",
            "executed_flops_per_step",
            "model_tflops_per_device",
            "mfu",
            "hfu",
            "bubble_fraction",
            "breakdown_s",
            "steps",
            "days",
            "device_hours",
            "cost_usd",
        },
    ),
    "plan": (["llama-3-70b", *SEARCH], {"best", "pareto", "searched", "feasible", "seconds"}),
    "find": (
        ["batch", "llama-3-8b", "--device", "h100", "--devices", "8", "--zero", "3", "--seq", "4k"],
        {"micro_batch", "tokens", "tried"},
    ),
    "audit-launch": (
        ["examples/pretrain_llama_3_70b.sh", "--device", "h100-sxm"],
        {"framework", "model", "plan", "not_read", "peak", "fits", "step_s", "mfu", "findings"},
    ),
    "launch": (["megatron", "llama-3-70b", "--devices", "64", "--tp", "8", "--sp", "--pp", "4"], {"framework", "plan", "text"}),
    "advise": (["llama-3-8b", "--device", "h100", "--devices", "8"], {"limits", "remedies", "too_large", "to_fit", "fits"}),
    "run": (["--params", "70B", "--tokens", "15T"], {"params", "tokens", "flops", "solved", "source"}),
    "roofline": (["--device", "h100-sxm"], {"ridge", "peak_flop_per_s", "bandwidth_b_per_s"}),
    "states": (["--params", "7B"], {"weights", "gradients", "master_weights", "optimizer_state", "total"}),
    "audit": (["--params", "70B", "--bytes", "1.1e12"], {"per_param", "explained_by", "readings"}),
    "check": (["--only", "N4"], {"check"}),
    "explain": (["flops", "llama-3-8b", "--seq", "8k"], {"formula", "latex", "substitution", "value", "unit", "source", "steps"}),
    "glossary": ([], {"symbols"}),
    "diff": (["llama-2-7b", "llama-3-8b"], {"a", "b", "quantities"}),
    "models": ([], {"models"}),
    "devices": ([], {"devices"}),
    "clusters": ([], {"clusters"}),
    "optimizers": ([], {"optimizers"}),
    "matrix": (["product", "16384", "32768", "8192"], {"flops", "flops_exact", "macs", "bytes", "intensity", "by_format"}),
    "formats": ([], {"formats", "blocks"}),
    "format": (
        ["fp16", "-0.1"],
        {"bits", "exponent", "mantissa", "bias", "max", "min_normal", "min_subnormal", "eps", "encoded", "decoded", "error"},
    ),
    "numerics": (["sum"], {"rows", "exact"}),
    "init": (["xavier", "--fan-in", "4096", "--fan-out", "1024"], {"variance", "std", "limit"}),
    "optimizer": (["step", "adam", "--gradient", "0.5:-0.5"], {"theta", "steps", "settings", "update", "source"}),
    "scaling": (["optimal", "--flops", "1e24"], {"params", "tokens", "loss", "band"}),
}


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The object that a command line prints with --json, and prints alone."""
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_every_verb_is_tried_here() -> None:
    others = (*NEED_TORCH, SWEEPS, "bursar.cli.calibrate")  # which have tests of their own
    assert set(KEYS) == {name for name, verb in VERBS.items() if verb.answers not in others}


@pytest.mark.parametrize("verb", KEYS)
def test_the_keys_of_the_contract(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, keys = KEYS[verb]
    assert keys <= set(answer(capsys, verb, *arguments))


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("verb", KEYS)
def test_every_report_draws_in_both_languages(verb: str, lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, *KEYS[verb][0], "--lang", lang]) == 0
    out, err = capsys.readouterr()
    assert out.strip()
    assert err == ""


def test_every_word_and_option_has_both_languages() -> None:
    assert all(words.en and words.zh for words in WORDS.values())
    assert len(WORDS) == sum(len(topic) for topic in TOPICS)  # no key twice
    assert len(OPTIONS) == sum(len(table) for table in OPTION_TABLES)
    assert all(option.meaning and option.meaning_zh for option in OPTIONS.values())


def test_parameters_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "params", "deepseek-v3")
    assert found["total"] == sum(found["components"].values()) == 671_026_419_200
    assert found["active"] == 37_552_297_472
    assert found["embedding"] == found["head"] == 129_280 * 7_168  # vocabulary times hidden size, untied


def test_the_mtp_module_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    whole = answer(capsys, "params", "deepseek-v3", "--mtp")["total"]
    assert whole - 671_026_419_200 == 11_610_068_224  # N5.25: the module without what it shares with the main model


def test_flops_by_kind_add_up_and_backward_is_twice_forward(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "flops", "llama-3-8b", "--seq", "8k")
    assert found["forward"] == sum(found["by_kind"].values()) == 158_140_695_838_720
    assert found["train"] == found["forward"] + found["backward"] == 474_422_087_516_160
    assert found["train_per_token"] == found["train"] // 8192


def test_kv_of_grouped_and_latent_attention(capsys: pytest.CaptureFixture[str]) -> None:
    llama = answer(capsys, "kv", "llama-3-8b", "--seq", "8192")
    assert llama["bytes_per_token"] == 2 * 32 * 8 * 128 * 2  # K and V, layers, KV heads, head size, bytes
    assert llama["bytes"] == 8192 * llama["bytes_per_token"] == 1_073_741_824
    deepseek = answer(capsys, "kv", "deepseek-v3", "--kv-dtype", "fp8")
    assert deepseek["bytes_per_token"] == deepseek["elements_per_token"] == 61 * (512 + 64)  # latent and one rotary key


def test_a_window_limits_the_cache(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "kv", "mistral-7b-v0.1", "--seq", "32k")
    assert found["bytes"] == 4096 * found["bytes_per_token"]


def test_activation_entries_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "activations", "gpt3-175b", "--seq", "2048", "--kernels", "textbook")
    assert found["layers"] == [{"kind": "layer", "count": 96, "first": 0, "bytes": 2_868_903_936}]
    parts = 96 * 2_868_903_936 + found["shared"] + found["embedding"] + found["head"] + found["loss"]
    assert found["total"] == parts == sum(entry["bytes"] for entry in found["entries"]) == 275_952_312_320


def test_layers_of_different_kinds_are_listed_with_their_counts(capsys: pytest.CaptureFixture[str]) -> None:
    layers = answer(capsys, "activations", "deepseek-v3", "--seq", "4k")["layers"]
    assert [(layer["kind"], layer["count"], layer["first"]) for layer in layers] == [("dense", 3, 0), ("moe", 58, 3)]


def test_memory_parts_add_up_on_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "memory", "llama-3-70b", *CLUSTER)
    assert len(found["stages"]) == 4
    for stage in found["stages"]:
        assert set(stage) == {*MEMORY_PARTS, "peak"}
        assert all(isinstance(value, int) for value in stage.values())
        assert stage["peak"] == sum(stage[part] for part in MEMORY_PARTS)
    assert found["peak"] == max(stage["peak"] for stage in found["stages"])
    assert found["fits"] is (found["peak"] <= found["device_memory"])


def test_the_breakdown_adds_up_to_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "time", "llama-3-70b", *CLUSTER, "--global-batch", "512", "--tokens", "15T", "--price", "2")
    assert sum(found["breakdown_s"].values()) == pytest.approx(found["step_s"], rel=1e-12)
    assert found["mfu"] == pytest.approx(found["model_flops_per_step"] / found["step_s"] / 64 / 989.4e12)
    assert found["hfu"] == found["mfu"]  # nothing is recomputed
    assert found["steps"] == -(-15 * 10**12 // (512 * 8192))  # the last step is a whole one
    assert found["days"] == pytest.approx(found["steps"] * found["step_s"] / 86_400)
    assert found["cost_usd"] == pytest.approx(2 * 64 * 24 * found["days"])
    low, high = found["step_s_band"]
    assert low < found["step_s"] < high


def test_full_recomputation_executes_a_forward_pass_more(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "time", "llama-3-8b", "--device", "h100", "--seq", "8k", "--recompute", "full")
    forward, logits = 158_140_695_838_720, 2 * 8192 * 128_256 * 4096  # the head is not recomputed
    assert found["executed_flops_per_step"] - found["model_flops_per_step"] == forward - logits
    assert found["hfu"] > found["mfu"]


@pytest.mark.parametrize(("model", "device", "devices"), [("llama-3-70b", "h100-sxm", 64), ("deepseek-v3", "h800", 2048)])
def test_the_main_job(model: str, device: str, devices: int, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--device", device, "--devices", str(devices), "--seq", "8192", "--global-batch-tokens", "4M", "--tokens", "15T"]
    found = answer(capsys, "plan", model, *arguments)
    assert found["global_batch"] == 512  # 4e6 / 8192 = 488.3, to the nearest multiple of the devices or a divisor of them
    assert found["asked_tokens"] == 4_000_000
    assert 0 < found["feasible"] < found["searched"]
    steps = [best["step_s"] for best in found["best"]]
    assert steps == sorted(steps)
    for best in found["best"]:
        assert best["tp"] * best["cp"] * best["pp"] * best["dp"] == devices
        assert best["peak"] <= found["device_memory"]
        assert best["why"]
        assert best["days"] > 0
        assert best["cost_usd"] > 0
    peaks = [point["peak"] for point in found["pareto"]]
    assert peaks == sorted(peaks, reverse=True)  # each slower plan of the front needs less memory


def test_what_it_would_take_if_nothing_fits(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--device", "h100", "--devices", "8", "--seq", "8k", "--global-batch", "64"]
    found = answer(capsys, "plan", "llama-3-70b", *arguments)
    assert found["best"] == []
    assert found["leanest"]["peak"] > found["device_memory"]
    assert found["would_fit"]["devices"] > 8
    assert found["would_fit"]["peak"] <= found["device_memory"]


def test_a_config_comes_from_a_path_a_folder_and_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = files("bursar").joinpath("data", "models", "llama-3-8b", "config.json").read_text(encoding="utf-8")
    path = tmp_path / "config.json"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    totals = [answer(capsys, "params", source)["total"] for source in (str(path), str(tmp_path), "-", "llama-3-8b")]
    assert totals == [8_030_261_248] * 4


@pytest.mark.parametrize("verb", ["params", "flops", "kv", "activations", "memory", "time", "plan"])
def test_an_assumed_family_is_stated(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {**catalog.entry("llama-3-8b").values, "model_type": "llama9"}
    (tmp_path / "config.json").write_text(json.dumps(values), encoding="utf-8")
    cluster = [*CLUSTER[:4], "--global-batch", "64"] if verb == "plan" else CLUSTER[:2] if verb in ("memory", "time") else []
    asked = [verb, str(tmp_path), *cluster]
    assert main(asked) == 2
    assert "--as-family llama" in capsys.readouterr().err
    assert answer(capsys, *asked, "--as-family", "llama")["assumed"] == "read as family llama"
    for lang, said in (("en", "assumed: read as family llama"), ("zh", "假定：按 llama 系列读取")):
        assert main([*asked, "--as-family", "llama", "--lang", lang]) == 0
        assert said in capsys.readouterr().out
    assert "assumed" not in answer(capsys, verb, "llama-3-8b", *cluster)


def test_models_say_where_they_come_from_and_why_a_headline_differs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["model"]: row for row in answer(capsys, "models")["models"]}
    assert rows["llama-3-8b"]["title"] == "meta-llama/Meta-Llama-3-8B config.json"
    assert rows["llama-3-8b"]["note"] is None
    assert rows["mistral-7b-v0.1"]["note"] == "The announcement says 7.3B."


def test_aliases_say_what_they_stand_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "memory", "llama-3-8b", "--device", "a100", "--seq", "1k")["device"] == "a100-80-sxm"


def test_nodes_are_whole_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "memory", "llama-3-8b", "--device", "h100", "--nodes", "2", "--tp", "8", "--seq", "1k")["devices"] == 16


def test_numbers_take_suffixes(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "flops", "llama-3-8b", "--seq", "8k")["seq"] == 8192
    found = answer(capsys, "memory", "llama-3-8b", "--seq", "8k", "--global-batch-tokens", "4M", "--dp", "8")
    assert found["global_batch"] == 488  # 4,000,000 / 8192 = 488.3, to a multiple of dp = 8


def leaves(verbs: Mapping[str, Verb]) -> Iterator[Verb]:
    """Every verb that answers by itself, those of groups too."""
    for verb in verbs.values():
        yield from leaves(verb.verbs) if verb.verbs else (verb,)


NEED_MORE = ("trace", "profile", "verify", "calibrate", "sweep", "scaling fit", "init module")
EXAMPLES = {verb.example for verb in leaves(VERBS) if not verb.example.startswith(tuple(f"bursar {verb}" for verb in NEED_MORE))}


@pytest.mark.parametrize("example", sorted(EXAMPLES - set(LISTED)))
def test_an_example_of_the_help_runs(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that the reference lists are run by its own test."""
    assert main(shlex.split(example)[1:]) == 0
    assert capsys.readouterr().err == ""


def test_the_catalog_has_what_the_contract_names() -> None:
    assert {"gpt3-175b", "llama-3-70b", "llama-3.1-8b"} <= set(catalog.names())
    assert len(catalog.names()) >= 25
    named = (
        "v100-sxm a100-40-sxm a100-80-sxm a100-80-pcie a10 l4 l40s h100-sxm h100-pcie h100-nvl h800 h20 h200 gh200 b200 b300 gb200 "
        "gb300 rtx-3090 rtx-4090 rtx-5090 mi250x mi300x mi325x mi355x tpu-v4 tpu-v5e tpu-v5p tpu-v6e tpu-v7 gaudi-2 gaudi-3 "
        "trainium-2 ascend-910b ascend-910c"
    )
    assert set(named.split()) <= set(devices.names())


@pytest.mark.parametrize("model", ["llama-3-8b", "deepseek-v3", "gemma3-27b-full", "jamba-v0.1", "t5-base", "qwen3-next-80b-a3b"])
def test_groups_and_layers_add_up(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "params", model)
    assert sum(found["groups"].values()) == found["total"]
    assert found["groups"].get("head", 0) == found["head"]
    if model not in ("gemma3-27b-full", "t5-base"):  # a tower's positions, a table of distances: embeddings that are no input table
        assert found["groups"]["embedding"] == found["embedding"]
    trunk = sum(value for path, value in found["components"].items() if path.startswith("layers."))
    assert sum(layer["count"] * layer["params"] for layer in found["layers"]) == trunk


def test_the_groups_of_deepseek_v3(capsys: pytest.CaptureFixture[str]) -> None:
    groups = answer(capsys, "params", "deepseek-v3", "--mtp")["groups"]
    assert groups["experts"] == 58 * 256 * 3 * 7168 * 2048  # layers, experts, products of an expert
    assert groups["shared_experts"] == 58 * 3 * 7168 * 2048
    assert groups["router"] == 58 * (256 * 7168 + 256)  # scores and correction biases
    assert groups["mtp"] == 11_610_068_224


def test_a_decoding_step_looks_back_on_its_past(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "flops", "llama-3-8b", "--seq", "1", "--past", "8191", "--mask", "causal")
    products = 8_030_261_248 - 525_336_576 - 65 * 4096  # parameters less the look-up table and the norms
    assert found["forward"] == 2 * products + 32 * 2 * 2 * 8192 * 4096  # and scores and values over 8,192 keys


def test_prefill_and_decoding_are_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Causal pairs of a prompt and of the tokens after it are those of the whole, windows included."""
    for model in ("mistral-7b-v0.1", "gemma2-9b"):
        parts = [
            answer(capsys, "flops", model, "--seq", seq, "--past", past, "--mask", "causal")["by_kind"]["attention"]
            for seq, past in (("5000", "0"), ("3192", "5000"), ("8192", "0"))
        ]
        assert parts[0] + parts[1] == parts[2]
