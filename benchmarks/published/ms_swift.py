"""Megatron-SWIFT's example scripts: full supervised fine-tuning of Qwen models under Megatron-Core with every argument known,
packed to the length; the memory that the author wrote at the head of the script, of one GPU, rounded.

Megatron-SWIFT's defaults hold for what a script does not say: distributed optimizer, FP32 gradients, gradient accumulation
fusion.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bursar
from bursar import Plan, Training, catalog
from bursar.machines.devices import workspace_memory

from . import GIB, Row, replayed, table

STATISTIC = "rounded by the author, read as reserved"
LEFT_OUT = (
    "scripts whose samples do not fill the length; preference losses; LoRA; fp8; models that are not in the catalog; figures that"
    " are the size of the card"
)
REASON = "rounded by its author, who does not say how it was read"
MODELS = {
    "Qwen/Qwen2.5-14B": ("qwen2.5-32b", {"num_hidden_layers": 48, "intermediate_size": 13824}),
    "Qwen/Qwen2.5-7B": ("qwen2.5-7b", {}),
    "Qwen/Qwen3-30B-A3B-Instruct-2507": ("qwen3-30b-a3b", {}),
}  # fmt: skip


def rows(folder: Path) -> Iterator[Row]:
    workspace = workspace_memory("a100-80-sxm", engine=True)
    for row in table(folder, "ms_swift_examples"):
        args = json.loads(row["args_json"])
        plain = "rlhf_type" not in args and "fp8_format" not in args and row["packing"] == "true"
        if "egatron" not in row["framework"] or row["method"] != "full" or row["model"] not in MODELS or not plain:
            continue
        if row["card_size_not_measured"] == "yes":
            continue
        unit = GIB if row["unit_printed"] == "GiB" else 1e9
        name = f"{row['row_id']} {row['model']} tp{row['tp']} pp{row['pp']} ep{row['ep']} {row['seq_len_tokens']} tokens"
        measured = float(row["peak_mem_gb_printed"]) * unit
        yield replayed(name, training(row, args), measured, "reserved", workspace=workspace, reason=REASON)


def training(row: dict[str, str], args: dict[str, Any]) -> Training:
    """The job of a row."""
    tensor, pipeline, context, expert = (int(row[key]) for key in ("tp", "pp", "cp", "ep"))
    name, changes = MODELS[row["model"]]
    values = {**catalog.find(name).values, **changes}
    first = int(args.get("decoder_first_pipeline_num_layers", 0))
    plan = Plan(
        tensor=tensor, sequence=args.get("sequence_parallel") == "true", pipeline=pipeline, context=context, expert=expert,
        expert_tensor=1, data=int(row["n_gpus"]) // (tensor * pipeline * context), zero=1, grad_dtype="fp32",
        micro_batch=int(row["micro_batch_seqs"]), recompute=row["recompute"],
        layout=(first, values["num_hidden_layers"] - first) if first else None,
        kernels="fused,linear=main-grad,loss=fp32-shifted",
    )  # fmt: skip
    batch = int(row["global_batch_seqs"])
    return Training(bursar.load(values), plan, length=int(row["seq_len_tokens"]), global_batch=batch, mask="causal")
