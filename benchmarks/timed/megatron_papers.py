"""Megatron-LM's own tables on A100 and V100 (2104.04473, its README) and arXiv:2205.05198: FP16, plain kernels, full recomputation
unless said. The 175B and 530B runs of 2205.05198 used three virtual stages, the 1T runs none (section 6)."""

from __future__ import annotations

from pathlib import Path

from benchmarks.published import table

from bursar import Plan
from bursar.errors import BursarError

from . import Row, Rows, Unread, degrees, device_of, shaped, training, wired

SOURCE = "megatron-papers"


def rows(folder: Path) -> Rows:
    for file in ("megatron_papers", "korthikanti"):
        for row in table(folder, file):
            name = f"{row['row_id']} {row['table'][:22]} {row['model']} {row['gpu'][:5]}x{row['n_gpus']}"
            measured = row["step_time_s"] or row.get("derived_step_time_s", "")
            if row.get("kind", "measured") != "measured" or (file == "korthikanti" and not measured):
                continue  # the authors' own formulas, and times of one layer
            if reason := _left_out(row, measured):
                yield Unread(SOURCE, name, reason)
                continue
            try:
                yield Row(SOURCE, name, training(shaped(row, 51200), _plan(row), wired(device_of(row)), row), float(measured))
            except BursarError as error:
                yield Unread(SOURCE, name, str(error).split("\n")[0])


def _left_out(row: dict[str, str], measured: str) -> str:
    if not row["micro_batch_seqs"] or not row["tp"]:
        return "micro-batch and layout are not published"
    return "" if measured else "no time is published"


def _plan(row: dict[str, str]) -> Plan:
    zero = 3 if "ZeRO-3" in row["sharding"] else 0
    mode = "selective" if row["recompute"].startswith("selective") else row["recompute"]
    return Plan(
        **degrees(row, int(row["layers"])), sequence=row["sequence_parallel"] == "yes", zero=zero, precision=row["precision"],
        kernels="textbook",
        recompute=mode, overlap=("data",) if zero else (),
    )  # fmt: skip
