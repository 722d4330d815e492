"""vTrain's validation runs: Megatron-LM on A100, FP16, full recomputation, one node of eight and a cluster of 512."""

from __future__ import annotations

from pathlib import Path

from benchmarks.published import table

from bursar import Plan
from bursar.errors import BursarError

from . import Row, Rows, Unread, degrees, device_of, shaped, training, wired

BPE = 50257


def rows(folder: Path) -> Rows:
    for row in table(folder, "vtrain"):
        source = "vtrain, one node" if "single" in row["table"] else "vtrain, cluster"
        cut = f"tp{row['tp']} pp{row['pp']} dp{row['dp']} mb{row['micro_batch_seqs']}"
        name = f"{row['row_id']} L{row['layers']} h{row['hidden']} {cut} gbs{row['global_batch_seqs']}"
        unit = 128 * int(row["tp"])
        try:
            model = shaped(row, -(-BPE // unit) * unit)
            plan = Plan(
                **degrees(row, int(row["layers"])), precision="fp16", kernels="textbook", recompute=row["recompute"], overlap=()
            )
            yield Row(source, name, training(model, plan, wired(device_of(row)), row), float(row["step_time_s"]))
        except BursarError as error:
            yield Unread(source, name, str(error).split("\n")[0])
