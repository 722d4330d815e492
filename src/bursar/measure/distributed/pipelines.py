"""Chunks under PyTorch's pipeline schedules (torch.distributed.pipelining)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.distributed.pipelining import PipelineStage
from torch.distributed.pipelining import schedules as known

from bursar.errors import PlanError

# schedules of ours by PyTorch's class, and whether that takes several chunks of a rank
SCHEDULES: Mapping[str, tuple[str, bool]] = {
    "gpipe": ("ScheduleGPipe", False),
    "1f1b": ("Schedule1F1B", False),
    "interleaved": ("ScheduleInterleaved1F1B", True),
    "zb-v": ("ScheduleZBVZeroBubble", True),
    "dualpipe-v": ("ScheduleDualPipeV", True),
}


def schedule(
    name: str, chunks: Mapping[int, Any], mesh: Any, numbered: int, micro_batches: int, shape: tuple[int, ...], loss: Callable[..., Any]
) -> Any:
    """PyTorch's schedule of one rank: `chunks` by number out of `numbered`, whose inputs and outputs are tensors of `shape`, but for
    token ids and logits."""
    stages = []
    for number, chunk in chunks.items():
        stages.append(PipelineStage(chunk, number, numbered, torch.device(_device(chunk)), group=mesh.get_group()))
    kind, several = SCHEDULES[name]
    try:
        return getattr(known, kind)(stages if several else stages[0], n_microbatches=micro_batches, loss_fn=loss)
    except ValueError as error:
        raise PlanError(f"{kind}: {error}", field="schedule", value=name, valid="micro-batches and chunks that it takes") from None


def _device(chunk: Any) -> torch.device:
    found: torch.device = next(chunk.parameters()).device
    return found
