"""MaxText's tables of TPU v4 and v5e under FSDP within a slice and data parallelism between slices, in BF16."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from benchmarks.published import table

import bursar
from bursar import Plan
from bursar.errors import BursarError
from bursar.facts import Fact, Source
from bursar.machines.devices import Device

from . import Row, Rows, Unread, shaped, training

BOOK = Source("How to Scale Your Model, part 2: egress of a TPU to the data-center network", "2025-02")
EGRESS = {"TPU v4": ("tpu-v4", 6.25), "TPU v5e": ("tpu-v5e", 3.125)}  # GB/s of a chip


@lru_cache(maxsize=16)
def sliced(gpu: str, chips: int) -> Device:
    """A device whose slices of so many chips the data-center network joins."""
    name, egress = EGRESS[gpu]
    return replace(bursar.device(name), domain=Fact(chips, "devices", BOOK), network=Fact(egress, "GB/s", BOOK))


def rows(folder: Path) -> Rows:
    for row in table(folder, "maxtext_tpu"):
        name = f"{row['row_id']} {row['model']} {row['gpu']} x{row['n_gpus']}"
        if row["recompute"] != "full":
            yield Unread("maxtext", name, "what runs again is not published, or products stay and the rest of a layer runs again")
            continue
        chips, slices = int(row["n_gpus"]), int(row["slices"])
        plan = Plan(
            data=chips, zero=3, micro_batch=int(row["micro_batch_seqs"]), recompute="full",
            shard_group=chips // slices if slices > 1 else None,
        )  # fmt: skip
        try:
            job = training(shaped(row), plan, sliced(row["gpu"], chips // slices), row)
            yield Row("maxtext", name, job, printed_flops(row) / (float(row["tflops_per_gpu"]) * 1e12))
        except BursarError as error:
            yield Unread("maxtext", name, str(error).split("\n")[0])


def printed_flops(row: dict[str, str]) -> float:
    """FLOPs of a chip's step as MaxText counts them: thrice the products, with whole squares of attention and the output layer."""
    hidden, width, length = int(row["hidden"]), int(row["heads"]) * int(row["head_dim"]), int(row["seq_len_tokens"])
    products = 2 * hidden * (4 * width + 3 * int(row["ffn"]))
    layer = products + 4 * length * width
    tokens = int(row["micro_batch_seqs"]) * length
    return 3.0 * tokens * (int(row["layers"]) * layer + 2 * hidden * int(row["vocab"]))
