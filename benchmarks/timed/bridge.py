"""NVIDIA's Megatron-Bridge performance summaries, 25.09 to 26.08: GB300, GB200, B300, B200, H100; BF16, FP8, MXFP8, NVFP4.

Routing is forced to balance. Recomputation is what the recipe of the repository says; where the layout is another, none. What
overlaps, and how tokens reach experts, is what the recipes say (scripts/performance/configs, src/megatron/bridge/perf_recipes).
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.published import table

from bursar import Plan
from bursar.errors import BursarError

from . import Row, Rows, Unread, degrees, device_of, named, step_of, training, wired

SOURCE = "megatron-bridge"
MODELS = {
    "LLAMA3_8B": "llama-3-8b", "LLAMA3_70B": "llama-3-70b", "LLAMA3.1_405B": "llama-3.1-405b", "DeepSeekV3": "deepseek-v3",
    "GPT OSS 120B": "gpt-oss-120b", "Qwen3_30B_a3B": "qwen3-30b-a3b", "Qwen3_235B_a22B": "qwen3-235b-a22b", "Kimi_K2": "kimi-k2",
    "Nemotron_3_Nano": "nemotron-3-nano-30b-a3b",
}  # fmt: skip
PRECISIONS = {
    "BF16": "bf16", "FP8": "fp8-current", "FP8-CS": "fp8-current", "FP8-MX": "mxfp8", "MXFP8": "mxfp8", "NVFP4": "nvfp4",
    "FP8 blockwise 128x128": "fp8-block",
}  # fmt: skip


def rows(folder: Path) -> Rows:
    for row in table(folder, "megatron_bridge_perf"):
        word = row["model"].split(" (")[0]
        name = f"{row['row_id']} {row['release']} {row['model']} {row['gpu']}x{row['n_gpus']} {row['precision']}"
        if word not in MODELS:
            yield Unread(SOURCE, name, f"{word} has no config.json in the catalog")
            continue
        if row["phase"] != "pretrain":
            yield Unread(SOURCE, name, "sequences of a fine-tuning set are packed to an unpublished length")
            continue
        try:
            model = named(MODELS[word])
            plan = _plan(row, int(model.architecture.layers), word)
            yield Row(SOURCE, name, training(model, plan, wired(device_of(row)), row), step_of(row))
        except BursarError as error:
            yield Unread(SOURCE, name, str(error).split("\n")[0])


def _plan(row: dict[str, str], layers: int, word: str) -> Plan:
    found = degrees(row, layers)
    return Plan(
        **found, sequence=found["tensor"] > 1, zero=3 if "FSDP" in row["sharding"] else 1, precision=PRECISIONS[row["precision"]],
        recompute=_recompute(row), overlap=_overlap(row, word), expert_comm=_dispatcher(row, word), launch=_launch(row),
    )  # fmt: skip


def _overlap(row: dict[str, str], word: str) -> tuple[str, ...]:
    """Dense models and the recipes of Qwen3 on Blackwell overlap tensor parallelism (tp_comm_overlap); the newest recipes in MXFP8
    (26.06) overlap all-to-alls (overlap_moe_expert_parallel_comm), as those of DeepSeek-V3 and Qwen3 on H100 did from the first."""
    hopper, dense = row["gpu"] == "H100", word.startswith("LLAMA")
    graph = word in ("DeepSeekV3", "GPT OSS 120B") or (word.startswith("Qwen3") and row["gpu"].startswith("GB"))
    latest = row["release"] >= "26.06" and row["precision"] == "MXFP8" and graph
    early = hopper and word in ("DeepSeekV3", "Qwen3_235B_a22B")
    tensor = dense or (word.startswith("Qwen3") and not hopper)
    return ("data", *(("tensor",) if tensor else ()), *(("expert",) if latest or early else ()))


def _dispatcher(row: dict[str, str], word: str) -> str:
    """DeepEP or HybridEP, but for the recipes that name the plain all-to-all."""
    plain = (word == "Qwen3_235B_a22B" and not row["gpu"].startswith("GB")) or (
        word == "GPT OSS 120B" and row["precision"] == "BF16"
    )
    return "all-to-all" if plain else "deduplicated"


def _launch(row: dict[str, str]) -> str:
    """As the recipe of the repository says, where its layout is that of the row."""
    graphs = row["head_recipe_cuda_graph"].split(" ")[0] not in ("", '"none"')
    return "graph" if graphs and row["head_recipe_match"].startswith("layout") else "eager"


def _recompute(row: dict[str, str]) -> str:
    """The recipe's modules, as `modules=["mla_up_proj"]`; "full" comes with a number of layers."""
    text = row["head_recipe_recompute"]
    if not row["head_recipe_match"].startswith("layout") or not text:
        return "none"
    if 'granularity="full"' in text:
        return "full:first=" + text.rpartition("num_layers=")[2]
    listed = text.partition("modules=")[2].strip()
    return ",".join(json.loads(listed)) or "none" if listed.startswith("[") else "none"
