"""The sources whose memory `benchmarks/published` replays, by its readers: SimuMax on B200, Hugging Face's sweep under nanotron,
Megatron-LM's functional tests, BLOOM's tuning runs on Jean Zay (four 100 Gb/s Omni-Path adapters for a node of eight)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.published import bigscience, megatron_ci, nanotron, number, simumax, table

from bursar import Training
from bursar.errors import BursarError

from . import Row, Rows, Unread, device_of, step_of, wired

OMNI_PATH = 4 * 12.5 / 8  # GB/s for each device of a node


def rows(folder: Path) -> Rows:
    yield from _simumax(folder)
    yield from _nanotron(folder)
    yield from _megatron_ci(folder)
    yield from _bigscience(folder)


def _timed(
    source: str, name: str, build: Callable[[], Training], row: dict[str, str], measured: float, *, port: float | None = None,
    overlaps: bool = False,
) -> Row | Unread:  # fmt: skip
    try:
        job = build()
        plan = job.plan if overlaps else replace(job.plan, overlap=())
        return Row(source, name, replace(job, plan=plan, device=wired(device_of(row), port)), measured)
    except BursarError as error:
        return Unread(source, name, str(error).split("\n")[0])


def _simumax(folder: Path) -> Rows:
    for row in table(folder, "simumax_b200"):
        yield _timed("simumax", f"{row['row_id']} {row['case']}", partial(simumax.training, row), row, float(row["step_time_s"]))


def _nanotron(folder: Path) -> Rows:
    for row in table(folder, "nanotron_ultrascale"):
        if not row["tokens_per_s_per_gpu"]:
            continue  # a run that failed
        cut = f"tp{row['tp']} pp{row['pp']} dp{row['dp']} mb{row['micro_batch_seqs']}"
        name = f"{row['row_id']} {row['model'][11:]} {cut} {row['sharding']}"
        if row["check_gbs"] != "ok" or not row["micro_batch_seqs"]:
            yield Unread("nanotron", name, "the batch disagrees with the degrees, or the micro-batch is not published")
            continue
        source = "nanotron" if int(row["tp"]) == 1 or (int(row["pp"]) == 1 and int(row["tp"]) <= 8) else "nanotron, slow"
        yield _timed(source, name, partial(_older, row), row, step_of(row), overlaps=True)


def _older(row: dict[str, str]) -> Training:
    """With FlashAttention-2, which the runs used."""
    job = nanotron.training(row)
    return replace(job, plan=replace(job.plan, kernels=f"{job.plan.kernels},attention=flash-2"))


def _megatron_ci(folder: Path) -> Rows:
    for row in table(folder, "megatron_ci_golden"):
        if not row["step_time_s"]:
            continue
        args = json.loads(row["model_args_json"])
        name = f"{row['row_id']} {row['case']} {row['gpu'][:5]}"
        if (
            row["family"] != "gpt"
            or not row["n_gpus"]
            or any(key in args for key in megatron_ci.NOT_HERE)
            or "frozen" in row["case"]
        ):
            yield Unread("megatron-ci", name, megatron_ci.LEFT_OUT)
            continue
        yield _timed("megatron-ci", name, partial(megatron_ci.training, row, args), row, float(row["step_time_s"]))


def _bigscience(folder: Path) -> Rows:
    needed = ("micro_batch_seqs", "tp", "pp", "dp", "layers", "hidden", "heads", "global_batch_seqs")
    for row in table(folder, "bigscience_bloom"):
        measured = number(row["step_time_s"]) if row["step_time_s"] else None
        cut = f"tp{row['tp']} pp{row['pp']} dp{row['dp']} mb{row['micro_batch_seqs']}"
        name = f"{row['row_id']} L{row['layers']} h{row['hidden']} a{row['heads']} {cut}"
        if (
            measured is None
            or any(not row[key] for key in needed)
            or row["precision"] not in ("fp16", "bf16")
            or "V100" in row["gpu"]
        ):
            yield Unread("bigscience", name, "no step time, an open setting, V100, or the BF16 optimizer with its own layout")
            continue
        yield _timed("bigscience", name, partial(bigscience.training, row), row, measured, port=OMNI_PATH)
