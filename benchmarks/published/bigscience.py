"""BLOOM's tuning runs on A100-80GB: GPT models of 18B to 205B under Megatron-DeepSpeed, full recomputation, ZeRO-1; what nvidia-smi
shows on the fullest nodes, those with the embedding, in whole GB with the CUDA context.

DeepSpeed flattens the gradients of a rank's partition and copies them to FP32 for its step (runtime/zero/stage_1_and_2.py). What
nvidia-smi shows is what the allocator reserved, which fragments more than any sum of tensors says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bursar
from bursar import Plan, Training
from bursar.errors import BursarError
from bursar.machines.devices import workspace_memory

from . import GIB, Row, number, replayed, table

STATISTIC = "nvidia-smi on the fullest nodes, whole GB, read as GiB"
LEFT_OUT = (
    "V100; the BF16 optimizer, whose layers share the pipeline with the embedding; heads or layers that the degrees do not divide"
)
NEEDED = ("peak_mem_gb_printed", "micro_batch_seqs", "tp", "pp", "dp", "layers", "hidden", "heads", "global_batch_seqs")
ALONE = "what the allocator reserved beyond the tensors"
BUCKETS = (
    "with data parallelism DeepSpeed holds buckets to reduce and to gather, whose sizes the notes do not give, and its copies"
    " fragment what the allocator reserves: half the micro-batch of bs-041 shows 9 GiB more (bs-040)"
)


def rows(folder: Path) -> Iterator[Row]:
    workspace = workspace_memory("a100-80-sxm", engine=False)
    for row in table(folder, "bigscience_bloom"):
        if (
            any(not row[key] for key in NEEDED)
            or not number(row["peak_mem_gb_printed"])
            or row["precision"] not in ("fp16", "bf16")
            or "V100" in row["gpu"]
        ):
            continue
        try:
            job = training(row)
        except BursarError:
            continue
        cut = f"tp{row['tp']} pp{row['pp']} dp{row['dp']} mb{row['micro_batch_seqs']}"
        name = f"{row['row_id']} {row['layers']} layers, h {row['hidden']}, {cut}"
        measured, reason = float(row["peak_mem_gb_printed"]) * GIB, ALONE if row["dp"] == "1" else BUCKETS
        yield replayed(name, job, measured, "device", workspace=workspace, reason=reason)


def training(row: dict[str, str]) -> Training:
    """The job of a row."""
    plan = Plan(
        tensor=int(row["tp"]), pipeline=int(row["pp"]), data=int(row["dp"]), zero=1, micro_batch=int(row["micro_batch_seqs"]),
        recompute=row["recompute"], precision=row["precision"], kernels="textbook", update="flattened",
    )  # fmt: skip
    values = {
        "model_type": "gpt2", "n_embd": int(row["hidden"]), "n_head": int(row["heads"]), "n_layer": int(row["layers"]),
        "n_positions": int(row["seq_len_tokens"]), "vocab_size": int(row["vocab"]),
    }  # fmt: skip
    device, batch = bursar.device("a100-80-sxm"), int(row["global_batch_seqs"])
    return Training(bursar.load(values), plan, device, length=int(row["seq_len_tokens"]), global_batch=batch)
