"""Hugging Face's ultrascale sweep on H100: Llama-like models of 1.3B to 80B under nanotron, tensor × pipeline × data
parallelism × micro-batch × ZeRO 0 and 1, BF16 with FP32 gradient accumulation; torch's peak on rank 0.

Layers are dealt to stages by nanotron's rule (src/nanotron/trainer.py, by FLOPs with the output layer), gradients are made in
BF16 and added to FP32 buffers, and the loss is its sharded cross-entropy.

The table does not say whether allocated or reserved is meant. It behaves as reserved: where ZeRO is off, runs that differ in
the number of data-parallel replicas alone, whose tensors are the same, differ by 2.2 % from their mean, and by up to 28 %
(nt-0112, nt-0663).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bursar
from bursar import Plan, Training
from bursar.machines.devices import workspace_memory

from . import GIB, Row, replayed, table

STATISTIC = "torch's peak on rank 0, allocated or reserved"
LEFT_OUT = (
    "batches that disagree with their degrees; tensor parallelism across nodes; the scaling plots, which leave the micro-batch open"
)
KERNELS = "fused,gated=composed,loss=fp32-shifted-alone"
RESERVED = "reserved memory: the same tensors on other numbers of replicas print figures that differ by as much"


def rows(folder: Path) -> Iterator[Row]:
    workspace = workspace_memory("h100-sxm", engine=False)
    for row in table(folder, "nanotron_ultrascale"):
        if not row["peak_mem_gib"] or row["check_gbs"] != "ok" or not row["micro_batch_seqs"] or int(row["tp"]) > 8:
            continue
        cut = f"tp{row['tp']} pp{row['pp']} dp{row['dp']} mb{row['micro_batch_seqs']}"
        name = f"{row['row_id']} {row['model'][11:]} {cut} {row['sharding']}"
        measured = float(row["peak_mem_gib"]) * GIB
        yield replayed(name, training(row), measured, "reserved", stage=0, workspace=workspace, reason=RESERVED)


def training(row: dict[str, str]) -> Training:
    """The job of a row."""
    plan = Plan(
        tensor=int(row["tp"]), sequence=row["sequence_parallel"].startswith("yes"), pipeline=int(row["pp"]), data=int(row["dp"]),
        zero=int(row["sharding"][-1]), micro_batch=int(row["micro_batch_seqs"]), grad_dtype="fp32", grad_buffer="accumulated",
        gathered="kept", kernels=KERNELS, layout=layout(row),
    )  # fmt: skip
    return Training(bursar.load(config(row)), plan, length=int(row["seq_len_tokens"]), global_batch=int(row["global_batch_seqs"]))


def layout(row: dict[str, str]) -> tuple[int, ...] | None:
    """Layers of each stage. The second stage begins after the block whose running cost passes an even share; rank 0 is compared
    alone, so that the other stages have the rest in equal parts."""
    stages, layers, hidden = int(row["pp"]), int(row["layers"]), int(row["hidden"])
    if stages == 1:
        return None
    cost, head = 4 * hidden**2 + 3 * int(row["ffn"]) * hidden, int(row["vocab"]) * hidden
    first = min(layers, (layers * cost + head) // (stages * cost) + 1)
    each, more = divmod(layers - first, stages - 1)
    return (first, *[each + (stage < more) for stage in range(stages - 1)])


def config(row: dict[str, str]) -> dict[str, Any]:
    """A Llama of the row's sizes."""
    return {
        "model_type": "llama", "hidden_size": int(row["hidden"]), "intermediate_size": int(row["ffn"]),
        "num_attention_heads": int(row["heads"]), "num_key_value_heads": int(row["kv_heads"]),
        "num_hidden_layers": int(row["layers"]), "vocab_size": int(row["vocab"]), "tie_word_embeddings": row["tied"] == "yes",
    }  # fmt: skip
