"""Memory in use by what it is for, beside what was predicted, with the difference part by part."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch

from bursar.training import Training


class Use(NamedTuple):
    """Bytes: of parameters and buffers, gradients and optimizer states; on a GPU what tensors have, what the allocator holds for
    them, and the most that tensors had since the last reading; on a CPU what the process has, None where the system does not say."""

    parameters: int
    gradients: int
    optimizer_state: int
    allocated: int | None
    reserved: int | None
    peak: int | None


class Gap(NamedTuple):
    """A part of the memory as it was predicted and as it is measured, and why the two may differ."""

    part: str
    predicted: int
    measured: int

    @property
    def difference(self) -> int:
        return self.measured - self.predicted


def use(module: torch.nn.Module | None, optimizer: torch.optim.Optimizer | None, device: torch.device) -> Use:
    """What is in use; the peak starts anew."""
    own = () if module is None else tuple(module.parameters())
    tensors = () if module is None else (*own, *module.buffers())
    states = [value for kept in (optimizer.state.values() if optimizer else ()) for value in kept.values()]
    parts = _bytes(tensors), _bytes(p.grad for p in own if p.grad is not None), _bytes(s for s in states if isinstance(s, torch.Tensor))
    if device.type != "cuda":
        return Use(*parts, _resident(), None, None)
    held = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device), torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    return Use(*parts, *held)


def gaps(found: Use, job: Training) -> tuple[Gap, ...]:
    """Predicted beside measured. Without a measured peak (on a CPU) the states alone are compared; gradients that are let go of after
    a step are not there to be seen, and stand in what is in passing."""
    predicted = max((moment.memory for moment in job.moments()), key=lambda memory: int(memory.peak))
    rows = [
        Gap("parameters", int(predicted.weights), found.parameters),
        Gap("optimizer_state", int(predicted.optimizer_state + predicted.master_weights), found.optimizer_state),
    ]
    if found.peak is None:
        return tuple(rows)
    standing = found.parameters + found.optimizer_state
    held = int(predicted.peak - predicted.runtime - predicted.weights - predicted.optimizer_state - predicted.master_weights)
    rows.append(Gap("gradients_and_activations", held, found.peak - standing))
    if found.reserved is not None:
        rows.append(Gap("held_by_the_allocator", int(job.reserved().value), found.reserved))
    return tuple(rows)


def _bytes(tensors: Iterable[Any]) -> int:
    """Of storages, each once."""
    return sum({t.untyped_storage()._cdata: int(t.untyped_storage().nbytes()) for t in tensors}.values())


def _resident() -> int | None:
    """Bytes of the process in memory, as Linux counts them."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
