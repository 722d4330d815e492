"""Bytes that one rank holds: the storages of its parts of parameters, gradients and optimizer states, each once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from bursar.measure import memory_use


def local(tensor: Any) -> torch.Tensor:
    """A rank's own part of a tensor."""
    found = tensor._local_tensor if isinstance(tensor, DTensor) else tensor
    return found.wait() if hasattr(found, "wait") else found


def storages(tensors: Iterable[Any]) -> int:
    """Bytes of the storages of local tensors, each once."""
    return memory_use.storages(map(local, tensors))


def held(parameters: Iterable[Any], optimizer: Any) -> dict[str, int]:
    """Bytes of weights, gradients and optimizer states; the count of steps, one number for each tensor, is
    left out."""
    own = list(parameters)
    mine = getattr(optimizer, "optim", optimizer)  # of a rank that updates its part of the parameters
    states = [value for state in mine.state.values() for value in state.values() if isinstance(value, torch.Tensor)]
    return {
        "weights": storages(own),
        "gradients": storages([parameter.grad for parameter in own if parameter.grad is not None]),
        "optimizer_state": storages([state for state in states if state.dim()]),
    }
