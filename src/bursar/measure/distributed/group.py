"""The process group of a run, and how it ends: in good order, by a rank that has gone, or by one that does not answer."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from bursar.errors import BursarError

BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
WIRE = ("gloo", "nccl", "connection", "timed out", "timeout", "socket")  # in the text of an error that another rank is the cause of
REASON = 160  # characters of it that are shown


class LostRankError(BursarError):
    """A rank that has gone or does not answer."""


def device_of(asked: str | None) -> str:
    """The kind of device of every rank; its own GPU is chosen here."""
    kind = asked or ("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise BursarError("there is no CUDA device", field="device", value=asked, valid="cpu")
        here, devices = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if here >= devices:
            raise BursarError(
                f"this machine has {devices} GPUs for its ranks", field="device", value=asked, valid="a GPU for each, cpu"
            )
        torch.cuda.set_device(here)
    return kind


@contextmanager
def joined(device: str, seconds: int, fake: int | None, rank: int) -> Iterator[None]:
    """Inside, the ranks are one group. A rank that is lost raises LostRankError on all others within `seconds`."""
    try:
        _join(device, seconds, fake, rank)
        yield
    except (RuntimeError, dist.DistError) as error:
        if fake is None and _of_network(error):
            reason = " ".join(str(error).split())[:REASON]
            raise LostRankError(
                f"rank {os.environ['RANK']}: another rank has gone, or did not answer in {seconds} s ({reason})"
            ) from error
        raise
    dist.destroy_process_group()


def _join(device: str, seconds: int, fake: int | None, rank: int) -> None:
    if fake is None:
        if "RANK" not in os.environ:
            raise BursarError(
                "no ranks were started", valid="torchrun --nproc-per-node N -m bursar.measure.distributed …, or --fake N"
            )
        signal.signal(signal.SIGTERM, _ended)
        dist.init_process_group(BACKENDS[device], timeout=timedelta(seconds=seconds))
        return
    from torch.testing._internal.distributed.fake_pg import FakeStore

    if rank >= fake:
        raise BursarError(f"rank={rank} of {fake} ranks", field="rank", value=rank, valid=f"0 to {fake - 1}")
    dist.init_process_group("fake", rank=rank, world_size=fake, store=FakeStore())


def _ended(number: int, frame: Any) -> None:
    """torchrun ends the ranks that are left when one has failed."""
    raise LostRankError(f"rank {os.environ['RANK']}: ended by its launcher, as it does when another rank has gone")


def _of_network(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is of the wire between ranks."""
    if error is None:
        return False
    found = isinstance(error, dist.DistError) or any(word in str(error).lower() for word in WIRE)
    return found or _of_network(error.__cause__ or error.__context__)


def gathered(found: Any, fake: int | None) -> list[Any]:
    """What every rank found, in order, on every rank; of ranks that only one of runs, its own."""
    if fake is not None:
        return [found]
    every: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(every, found)
    return every
