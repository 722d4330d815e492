"""InternEvo's InternLM-7B on A100 (four 100 Gb/s adapters for a node of eight), IBM's fms-fsdp, the Megatron MoE model zoo."""

from __future__ import annotations

from pathlib import Path

from benchmarks.published import table

from bursar import Plan, Training
from bursar.errors import BursarError

from . import Row, Rows, Unread, degrees, device_of, named, shaped, step_of, training, wired

ROCE = 4 * 12.5 / 8  # GB/s for each device of a node
SOURCES = {"InternEvo": "internevo", "IBM": "fms-fsdp", "Megatron-MoE": "moe-zoo"}


def rows(folder: Path) -> Rows:
    for row in table(folder, "misc_training"):
        source = next((name for start, name in SOURCES.items() if row["table"].startswith(start)), "other")
        name = f"{row['row_id']} {row['table'][:22]} {row['model']} {row['gpu'][:5]}x{row['n_gpus']} {row['precision']}"
        if source == "other" or not row["micro_batch_seqs"] or not row["recompute"] or not row["tp"]:
            yield Unread(source, name, "micro-batch, layout or recomputation is not published")
            continue
        try:
            job = _READERS[source](row)
            measured = float(row["step_time_s"]) if row["step_time_s"] else step_of(row)
            yield Row(source, name, job, measured)
        except BursarError as error:
            yield Unread(source, name, str(error).split("\n")[0])


def _internevo(row: dict[str, str]) -> Training:
    """Rows of InternLM-7B; ZeRO-1 over all replicas or within some."""
    within = row["sharding"].rpartition("within ")[2].split(" ")[0]
    group = int(within) if within.isdigit() and int(within) < int(row["dp"]) else None
    plan = Plan(
        **degrees(row, int(row["layers"])),
        sequence=False,
        zero=1,
        shard_group=group,
        recompute=row["recompute"],
        kernels="fused,attention=flash-2,gated=composed",
    )
    return training(shaped(row), plan, wired(device_of(row), ROCE), row)


def _fsdp(row: dict[str, str]) -> Training:
    """torch.compile, sharded over a node or over all; "selective" runs every n-th layer again, and n is not printed."""
    if row["recompute"] == "selective":
        raise BursarError("which layers run again is not published")
    group = 8 if row["sharding"] == "HSDP" else None
    plan = Plan(
        **degrees(row, int(row["layers"])), zero=3, sharding="per-parameter", shard_group=group, kernels="fused,attention=flash-2"
    )
    return training(shaped(row), plan, wired(device_of(row)), row)


def _zoo(row: dict[str, str]) -> Training:
    mode = {"norm, act": "layernorm,moe_act", "full": "full"}[row["recompute"]]
    found = degrees(row, int(row["layers"]))
    zero = 3 if row["sharding"] == "FSDP" else 1
    overlap = ("data", "expert") if "1f1b overlap" in row["notes"] else ("data",)
    comm = "deduplicated" if row["dispatcher"] == "DeepEP" else "all-to-all"
    plan = Plan(**found, sequence=found["tensor"] > 1, zero=zero, recompute=mode, overlap=overlap, expert_comm=comm)
    return training(named("qwen3-235b-a22b"), plan, wired(device_of(row)), row)


_READERS = {"internevo": _internevo, "fms-fsdp": _fsdp, "moe-zoo": _zoo}
