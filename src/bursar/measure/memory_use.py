"""Memory in use by what it is for, beside what was predicted, with the difference part by part."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bursar.report.words import say
from bursar.training import Training


class Use(NamedTuple):
    """Bytes: of parameters, buffers, gradients and optimizer states; on a GPU what tensors have, what the allocator holds
    for them, and the most that tensors had since the last reading; on a CPU what the process has, None where that is not told."""

    parameters: int
    buffers: int
    gradients: int
    optimizer_state: int
    allocated: int | None
    reserved: int | None
    peak: int | None


class Gap(NamedTuple):
    """A part of the memory as it was predicted and as it is measured."""

    part: str
    predicted: int
    measured: int

    @property
    def difference(self) -> int:
        return self.measured - self.predicted

    def reason(self, lang: str = "en") -> str:
        """What the difference is, in words."""
        return say(f"gap_{self.part}", lang)

    def explained(self, lang: str = "en") -> str:
        """Both figures, and the reason where they differ."""
        key = "gap_line" if self.difference else "gap_same"
        told = {**self._asdict(), "part": say(f"gap_name_{self.part}", lang)}
        return say(key, lang, **told, difference=self.difference, reason=self.reason(lang))


class Standing:
    """What stands between steps, looked at once: the tensors of a module, and the states of its optimizer once they are there."""

    def __init__(self, module: torch.nn.Module | None) -> None:
        self.own = () if module is None else tuple(module.parameters())
        self.parameters = storages(self.own)
        self.buffers = 0 if module is None else storages(module.buffers())
        self.states = (0, 0)  # how many parameters have some, and their bytes

    def optimizer_state(self, optimizer: torch.optim.Optimizer | None) -> int:
        held = optimizer.state if optimizer else {}
        if len(held) != self.states[0]:
            values = [value for kept in held.values() for value in kept.values()]
            self.states = len(held), storages(value for value in values if isinstance(value, torch.Tensor))
        return self.states[1]


def use(standing: Standing, optimizer: torch.optim.Optimizer | None, device: torch.device) -> Use:
    """What is in use; the peak starts anew."""
    gradients = storages(parameter.grad for parameter in standing.own if parameter.grad is not None)
    parts = {
        "parameters": standing.parameters, "buffers": standing.buffers, "gradients": gradients,
        "optimizer_state": standing.optimizer_state(optimizer),
    }  # fmt: skip
    if device.type != "cuda":
        return Use(**parts, allocated=_resident(), reserved=None, peak=None)
    peak = torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    return Use(**parts, allocated=torch.cuda.memory_allocated(device), reserved=torch.cuda.memory_reserved(device), peak=peak)


def gaps(found: Use, job: Training) -> tuple[Gap, ...]:
    """Predicted beside measured. Without a measured peak (on a CPU) the states alone are compared; gradients that are let go of
    after a step are not there to be seen, and stand with the activations."""
    predicted = max((moment.memory for moment in job.moments()), key=lambda memory: int(memory.peak))
    states = int(predicted.optimizer_state + predicted.master_weights)
    rows = [
        Gap("parameters", int(predicted.weights), found.parameters),
        Gap("buffers", 0, found.buffers),
        Gap("optimizer_state", states, found.optimizer_state),
    ]
    if found.peak is None or found.reserved is None:
        return tuple(rows)
    passing = int(predicted.peak - predicted.runtime) - int(predicted.weights) - states
    standing = found.parameters + found.buffers + found.optimizer_state
    rows += [
        Gap("gradients_and_activations", passing, found.peak - standing),
        Gap("allocator", int(job.reserved().value), found.reserved),
    ]
    return tuple(rows)


def storages(tensors: Iterable[Any]) -> int:
    """Bytes of the storages of tensors, each once."""
    return sum({t.untyped_storage()._cdata: int(t.untyped_storage().nbytes()) for t in tensors}.values())


def _resident() -> int | None:
    """Bytes of the process in memory, as Linux counts them."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
