"""SimuMax's validation runs: Llama-3 70B and 405B, DeepSeek-V2 and V3 with few layers on 8 B200, Megatron-LM with Transformer
Engine, fused cross-entropy, gradient accumulation fusion, distributed optimizer, FP32 gradients, tensor, pipeline, expert and
context parallelism; torch's max_memory_allocated of every rank. One row for each stage of a pipeline: its ranks agree to 10
MiB.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bursar
from bursar import Plan, Training, catalog
from bursar.machines.devices import workspace_memory

from . import MIB, Row, replayed, table

STATISTIC = "max_memory_allocated of the first rank of every stage"
LEFT_OUT = "nothing; a figure that the authors copied from a sibling run is replayed once"
KERNELS = "fused,linear=main-grad"
NAMES = {"llama3_70b": "llama-3-70b", "llama3_405b": "llama-3.1-405b", "deepseekv2": "deepseek-v2", "deepseekv3": "deepseek-v3"}
LONG = "every step of context-parallel attention makes its own result and statistics; here only blocks on their way are counted"
WIDE = "0.4 to 0.8 GiB beside it are not explained"


def rows(folder: Path) -> Iterator[Row]:
    ranks = {(row["case"], int(row["rank"])): float(row["max_allocated_mib"]) for row in table(folder, "simumax_b200_by_rank")}
    workspace = workspace_memory("b200", engine=True)
    seen = set()
    for row in table(folder, "simumax_b200"):
        case = row["memory_source_case"] or row["case"]
        if case in seen:
            continue
        seen.add(case)
        job = training(row)
        stages = job.plan.pipeline
        for stage in range(stages):
            name = f"{case}, stage {stage}"
            measured = ranks[row["case"], 8 // stages * stage] * MIB
            reason = LONG if int(row["cp"]) > 1 else WIDE if "405b" in case or "deepseek" in case else ""
            yield replayed(name, job, measured, "allocated", stage=stage, workspace=workspace, reason=reason)


def training(row: dict[str, str]) -> Training:
    """The job of a row."""
    tensor, pipeline, data = (int(row[key]) for key in ("tp", "pp", "dp"))
    plan = Plan(
        tensor=tensor, sequence=tensor > 1, pipeline=pipeline, data=data, expert=int(row["ep"]), context=int(row["cp"]),
        expert_tensor=1, zero=1, grad_dtype="fp32", micro_batch=int(row["micro_batch_seqs"]), kernels=KERNELS,
    )  # fmt: skip
    return Training(bursar.load(config(row)), plan, length=int(row["seq_len_tokens"]), global_batch=int(row["global_batch_seqs"]))


def config(row: dict[str, str]) -> dict[str, Any]:
    """The published config with as many layers as the run had."""
    name = next(name for start, name in NAMES.items() if row["case"].startswith(start))
    values = {**catalog.find(name).values, "num_hidden_layers": int(row["layers"])}
    if row["dense_layers"]:
        values |= {"first_k_dense_replace": int(row["dense_layers"]), "num_nextn_predict_layers": 0}
    return values
