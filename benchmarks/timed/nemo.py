"""NeMo 24.07's FP8 tables on H100 (pre-training), and NeMo AutoModel's FSDP2 runs where their recomputation is published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.published import table

from bursar import Plan
from bursar.errors import BursarError

from . import Row, Rows, Unread, degrees, device_of, named, shaped, step_of, training, wired

SOURCE = "nemo"
AUTO = {"DeepSeek V3 671B": "deepseek-v3", "Llama3 70B": "llama-3-70b"}
_AUTO: dict[str, Any] = {"zero": 3, "recompute": "full", "expert_comm": "deduplicated"}
_DENSE: dict[str, Any] = {"zero": 1, "precision": "fp8", "overlap": ("data", "tensor")}
VOCAB = {"GPT3-175B": 51200, "LLAMA2-70B": 32000, "LLAMA3-8B": 128256, "Nemotron-8B": 256000}


def rows(folder: Path) -> Rows:
    for row in table(folder, "nemo_perf"):
        name = f"{row['row_id']} {row['table'][:28]} {row['model']} x{row['n_gpus']} {row['precision']}"
        if reason := _left_out(row):
            yield Unread(SOURCE, name, reason)
            continue
        try:
            torch = row["framework"].startswith("NeMo AutoModel")
            model = named(AUTO[row["model"]]) if torch else shaped(row, VOCAB[row["model"]])
            found = degrees(row, int(model.architecture.layers))
            more = _AUTO if torch else _DENSE
            plan = Plan(**found, **more, sequence=found["tensor"] > 1)
            yield Row(SOURCE, name, training(model, plan, wired(device_of(row)), row), step_of(row))
        except BursarError as error:
            yield Unread(SOURCE, name, str(error).split("\n")[0])


def _left_out(row: dict[str, str]) -> str:
    if row["phase"] != "pretrain":
        return "fine-tuning: sequences are packed, or layers frozen, in unpublished ways"
    if not row["global_batch_seqs"]:
        return "the global batch is not published"
    if row["framework"].startswith("NeMo AutoModel") and not (row["recompute"].startswith("full") and row["model"] in AUTO):
        return "recomputation is not published"
    return ""
