"""NVIDIA's DGX Cloud benchmarking recipes, v24.11.1 to v25.05.05: NeMo on H100 and GB200, BF16 and FP8 with delayed scaling."""

from __future__ import annotations

from pathlib import Path

from benchmarks.published import table

from bursar import Plan
from bursar.errors import BursarError

from . import Row, Rows, Unread, degrees, device_of, shaped, training, wired

SOURCE = "dgxc"


def rows(folder: Path) -> Rows:
    for row in table(folder, "dgxc_benchmarking"):
        name = f"{row['row_id']} {row['release']} {row['model']} {row['gpu'][:5]}x{row['n_gpus']} {row['precision']}"
        if "JAX" in row["framework"]:
            yield Unread(SOURCE, name, "recomputation under MaxText and PaxML is not published")
            continue
        if not row["recompute"]:
            yield Unread(SOURCE, name, "recomputation is not published")
            continue
        try:
            model = shaped(row)
            found = {**degrees(row, int(model.architecture.layers)), "expert_tensor": None}  # Megatron's default: tp
            overlap = ("data",) if row["experts"] else ("data", "tensor")  # tp_comm_overlap of dense models
            plan = Plan(**found, sequence=found["tensor"] > 1, zero=1, precision=row["precision"], overlap=overlap)
            yield Row(SOURCE, name, training(model, plan, wired(device_of(row)), row), float(row["step_time_s"]))
        except BursarError as error:
            yield Unread(SOURCE, name, str(error).split("\n")[0])
