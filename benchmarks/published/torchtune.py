"""torchtune's README: LoRA and QLoRA (rank 8 on q, v, out and the MLP, as its configurations have it) of Llama 3.1 8B, packed
to 2,048 tokens, two sequences, one RTX 4090; activation checkpointing, compiled, a loss over chunks of the output. Peak memory
as printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bursar
from bursar import Plan, Training
from bursar.machines.devices import workspace_memory

from . import GIB, Row, replayed, table

STATISTIC = "peak memory of a GPU"
LEFT_OUT = (
    "the older tables and several GPUs, which leave the recipe open; full fine-tuning, whose optimizer is not said; the A6000,"
    " where LoRA printed twice as much as on the 4090"
)
REASON = "how many tokens a chunk of the loss has is not said"
FORMATS = {"lora": None, "qlora": "nf4"}


def rows(folder: Path) -> Iterator[Row]:
    for row in table(folder, "finetune_memory"):
        if row["table"] != "torchtune README memory table" or row["gpu"] != "RTX 4090" or row["method"] not in FORMATS:
            continue
        plan = Plan(
            micro_batch=2, recompute="full", precision="bf16-pure", grad_buffer="lazy", kernels="sdpa,loss=chunked", lora_rank=8,
            lora_targets="q,v,out,gate,up,down", weights=FORMATS[row["method"]],
        )  # fmt: skip
        job = Training(bursar.load("llama-3.1-8b"), plan, length=2048, mask="causal")
        name = f"{row['row_id']} {row['model']} {row['method']} {row['gpu']}"
        workspace = workspace_memory("rtx-4090", engine=False)
        yield replayed(name, job, float(row["peak_mem_gib"]) * GIB, "allocated", workspace=workspace, reason=REASON)
