"""ColossalChat's table: supervised fine-tuning of a 7B model under Colossal-AI's low-level ZeRO (stage 2), gradient
checkpointing, flash attention, BF16, 2,048 tokens on H800; max_memory_allocated in MiB.

The model's own loss stays in BF16, and gradients are cast to FP32 for the step.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bursar
from bursar import Plan, Training
from bursar.machines.devices import workspace_memory

from . import MIB, Row, replayed, table

STATISTIC = "max_memory_allocated"
LEFT_OUT = "offload to the host; DPO and SimPO, which hold a second model or two answers; the targets of LoRA are taken as q and v"
REASON = "the model is taken to be Llama 2 7B, which the table names for another recipe"


def rows(folder: Path) -> Iterator[Row]:
    for row in table(folder, "finetune_memory"):
        if not row["table"].startswith("ColossalChat") or row["technique"] != "SFT, zero2":
            continue
        plan = Plan(
            data=int(row["n_gpus"]), zero=2, micro_batch=int(row["micro_batch_seqs"]), recompute="full", update="cast",
            kernels="sdpa,loss=log-softmax-narrow", lora_rank=int(row["lora_rank"] or 0),
            lora_targets="q,v" if row["lora_rank"] else None,
        )  # fmt: skip
        job = Training(bursar.load("llama-2-7b"), plan, length=int(row["seq_len_tokens"]), mask="causal")
        name = f"{row['row_id']} {row['method']} {row['lora_rank']} {row['n_gpus']} GPUs, micro-batch {row['micro_batch_seqs']}"
        measured, workspace = float(row["peak_mem_mb_printed"]) * MIB, workspace_memory("h800", engine=False)
        yield replayed(name, job, measured, "allocated", workspace=workspace, reason=REASON)
