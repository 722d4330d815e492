"""MosaicML's llm-foundry tables: MPT of 125M to 70B under PyTorch FSDP on A100 and H100, Triton flash attention (2023)."""

from __future__ import annotations

from pathlib import Path

from benchmarks.published import table

from bursar import Plan
from bursar.errors import BursarError

from . import Row, Rows, Unread, degrees, device_of, gpt, step_of, training, wired


def rows(folder: Path) -> Rows:
    for row in table(folder, "llm_foundry"):
        kind = row["gpu"].split("_")[0]
        source = f"llm-foundry, {kind}"
        name = f"{row['row_id']} {row['model']} {row['gpu']} x{row['n_gpus']} s{row['seq_len_tokens']} mb{row['micro_batch_seqs']}"
        if row["act_cpu_offload"] == "True":
            yield Unread(source, name, "activations went to the host")
            continue
        try:
            size = [int(row[key]) for key in ("layers", "hidden", "heads", "ffn", "vocab", "seq_len_tokens")]
            plan = Plan(
                **degrees(row, int(row["layers"])), zero=2 if row["sharding"].endswith("SHARD_GRAD_OP") else 3,
                recompute=row["recompute"],
                precision="fp8" if row["precision"].endswith("fp8") else "bf16", kernels="fused,attention=flash-2,loss=log-softmax",
            )  # fmt: skip
            yield Row(source, name, training(gpt(*size), plan, wired(device_of(row)), row), step_of(row))
        except BursarError as error:
            yield Unread(source, name, str(error).split("\n")[0])
