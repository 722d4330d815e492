"""NVIDIA's Megatron-Bridge performance summaries, 25.09 to 26.08: GB300, GB200, B300, B200, H100; BF16, FP8, MXFP8, NVFP4.

Routing is forced to balance, gradients travel in BF16 (grad_reduce_in_fp32 of the recipes). Recomputation, layouts, overlap, graphs
and how tokens reach experts are what the recipes say (scripts/performance/configs, src/megatron/bridge/perf_recipes).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
# 61 layers by the chunks of the pipeline: set_deepseek_v3_pipeline_model_parallel_layout, and Et|(tt|)*30mL where there are 32
DEALT = {8: (*[8] * 7, 5), 16: (*[4] * 15, 1), 32: (1, *[2] * 30, 0)}
# from this release on the recipes in MXFP8 of racks, and of one node of B300, capture the iteration and overlap all-to-alls
CAPTURED = "26.06"


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
            model = named(MODELS[word], mtp=word == "DeepSeekV3" and "w/o MTP" not in row["model"])
            plan = _plan(row, int(model.architecture.layers), word)
            yield Row(SOURCE, name, training(model, plan, wired(device_of(row)), row), step_of(row))
        except BursarError as error:
            yield Unread(SOURCE, name, str(error).split("\n")[0])


def _plan(row: dict[str, str], layers: int, word: str) -> Plan:
    found: dict[str, Any] = degrees(row, layers)
    if word in ("DeepSeekV3", "Kimi_K2") and found["pipeline"] > 1:
        found["layout"] = DEALT[found["pipeline"] * found.get("virtual", 1)]
    return Plan(
        **found, sequence=found["tensor"] > 1, zero=3 if "FSDP" in row["sharding"] else 1, precision=PRECISIONS[row["precision"]],
        grad_dtype="bf16", recompute=_recompute(row, word), overlap=_overlap(row, word), expert_comm=_dispatcher(row, word),
        launch=_launch(row, word),
    )  # fmt: skip


def _captured(row: dict[str, str], word: str) -> bool:
    """Whether the recipe captures the whole iteration (`_enable_…_full_iteration_mxfp8`)."""
    rack = row["gpu"].startswith("GB") and word in ("DeepSeekV3", "GPT OSS 120B", "Qwen3_235B_a22B", "Qwen3_30B_a3B")
    node = row["gpu"] == "B300" and word == "Qwen3_30B_a3B"
    return row["release"] >= CAPTURED and row["precision"] == "MXFP8" and (rack or node)


def _overlap(row: dict[str, str], word: str) -> tuple[str, ...]:
    """Dense models and the recipes of Qwen3, but for H100's after 25.09, overlap tensor parallelism (tp_comm_overlap); captured
    iterations overlap all-to-alls (overlap_moe_expert_parallel_comm), as DeepSeek-V3 on H100 did from the first, without gradients'
    (overlap_grad_reduce), and Qwen3 on H100 from 25.11."""
    hopper, dense, qwen = row["gpu"] == "H100", word.startswith("LLAMA"), word.startswith("Qwen3")
    deepseek = hopper and word == "DeepSeekV3"
    tensor = dense or (qwen and (not hopper or row["release"] == "25.09"))
    routed = _captured(row, word) or deepseek or (hopper and word == "Qwen3_235B_a22B" and row["release"] > "25.09")
    kinds = (("data", not deepseek), ("tensor", tensor), ("expert", routed))
    return tuple([kind for kind, runs in kinds if runs])


def _dispatcher(row: dict[str, str], word: str) -> str:
    """DeepEP or HybridEP, but for runs that drop tokens (apply_moe_token_drop), DeepSeek-V3's on B200 until 25.11
    (enable_deepep=False), and the recipes that name the plain all-to-all."""
    early = "tokendrop" in row["model"] or (word == "DeepSeekV3" and row["gpu"] == "B200" and row["release"] <= "25.11")
    named_plain = (word == "Qwen3_235B_a22B" and not row["gpu"].startswith("GB")) or (
        word == "GPT OSS 120B" and row["precision"] == "BF16"
    )
    return "all-to-all" if early or named_plain else "deduplicated"


def _launch(row: dict[str, str], word: str) -> str:
    """As the recipe of the repository says, where its layout is that of the row. Those of Qwen3-235B for racks have captured
    attention and routing in every release."""
    graphs = row["head_recipe_cuda_graph"].split(" ")[0] not in ("", '"none"')
    rack = word == "Qwen3_235B_a22B" and row["gpu"].startswith("GB")
    return "graph" if _captured(row, word) or rack or (graphs and row["head_recipe_match"].startswith("layout")) else "eager"


def _recompute(row: dict[str, str], word: str) -> str:
    """The recipe's modules, as `modules=["mla_up_proj"]`; "full" comes with a number of layers. Recipes of DeepSeek-V3 for
    Blackwell whose layout has changed since ran the latter again."""
    text = row["head_recipe_recompute"]
    if not row["head_recipe_match"].startswith("layout") or not text:
        return "mla_up_proj" if word == "DeepSeekV3" and row["gpu"] != "H100" else "none"
    if 'granularity="full"' in text:
        return "full:first=" + text.rpartition("num_layers=")[2]
    listed = text.partition("modules=")[2].strip()
    return ",".join(json.loads(listed)) or "none" if listed.startswith("[") else "none"
