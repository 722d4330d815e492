"""Seconds of gathers and all-reduces between the ranks of a node, and the rates of the link that follow from them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch

from bursar.calibrate.device_file import Number
from bursar.errors import BursarError
from bursar.measure.fits import collective
from bursar.measure.timing import wait

COLD, TIMES = 5, 41  # runs of a collective that are left out, and that are measured
DTYPE = torch.bfloat16


def talk(device: torch.device, messages: tuple[int, ...]) -> dict[str, list[tuple[int, float]]]:
    """Sizes and seconds of gathers and all-reduces, where several ranks run."""
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks == 1:
        return {}
    if int(os.environ.get("LOCAL_WORLD_SIZE", "1")) != ranks:
        raise BursarError("collectives are measured within a node", field="measure", value=ranks, valid="torchrun with one node")
    from torch import distributed

    # the later name of what the earlier ones still have
    gather = getattr(distributed, "all_gather_single", None) or distributed.all_gather_into_tensor
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    found: dict[str, list[tuple[int, float]]] = {"link": [], "all_reduce": []}
    for size in messages:
        whole = torch.zeros(size // DTYPE.itemsize // ranks * ranks, device=device, dtype=DTYPE)
        own = torch.zeros(whole.numel() // ranks, device=device, dtype=DTYPE)
        found["link"].append((size, _together(partial(gather, whole, own), device)))
        found["all_reduce"].append((size, _together(partial(distributed.all_reduce, whole), device)))
    distributed.destroy_process_group()
    return found


def _together(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds of a collective, which all ranks run as often: the median, as one rank that is late keeps all waiting."""
    taken = []
    for _ in range(COLD + TIMES):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        taken.append(time.perf_counter() - start)
    return median(taken[COLD:])


def rates(found: dict[str, list[tuple[int, float]]], link: float) -> dict[str, Number]:
    """Rates of the link from the seconds of collectives; S₀ is that of eight ranks (`network`)."""
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    made: dict[str, Number] = {}
    for name, volume in (("link", 1), ("all_reduce", 2)):
        if name not in found:
            continue
        latency, each, root = collective(*zip(*found[name], strict=True))
        rate = volume * (ranks - 1) / ranks / each
        note = f"{ranks} ranks: {rate / 1e9:.4g} GB/s"
        made[name] = Number(rate / link, "1", note)
        made[f"{name}_latency"] = Number(latency * 1e6, "us", note)
        made[f"{name}_small"] = Number((root / each) ** 2 * 8 / ranks / 2**20, "MiB", note)
    return made
