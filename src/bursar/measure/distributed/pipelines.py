"""Chunks under PyTorch's pipeline schedules (torch.distributed.pipelining)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch.distributed.pipelining import PipelineStage
from torch.distributed.pipelining import schedules as known

from bursar.errors import PlanError
from bursar.measure.distributed.asking import SCHEDULES


class Shapes(NamedTuple):
    """What passes between chunks for one micro-batch: token ids, activations, logits; the number of the last chunk; their dtype."""

    ids: tuple[int, ...]
    hidden: tuple[int, ...]
    logits: tuple[int, ...]
    last: int
    dtype: torch.dtype

    def ends(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Examples of what a chunk takes and returns, without memory."""
        taken = torch.empty(self.ids, dtype=torch.long, device="meta")
        hidden = torch.empty(self.hidden, dtype=self.dtype, device="meta", requires_grad=True)
        returned = torch.empty(self.logits, dtype=self.dtype, device="meta", requires_grad=True)
        return (hidden if number else taken), (returned if number == self.last else hidden)


class Agreed(PipelineStage):
    """A stage among fake ranks, whose votes on whether all shapes are given never arrive: they are given here."""

    def _warmup_forward_vote(self, has_backward: bool, received_acc: Any = None) -> torch.Tensor:
        return torch.ones(1, dtype=torch.int32)

    def _warmup_backward_result(self, received_result: Any = None) -> torch.Tensor:
        return torch.ones(1, dtype=torch.int32)


def schedule(name: str, chunks: Mapping[int, Any], mesh: Any, shapes: Shapes, micro_batches: int, loss: Callable[..., Any]) -> Any:
    """PyTorch's schedule of one rank, for its chunks by number."""
    stages = [_stage(number, chunk, mesh, shapes) for number, chunk in chunks.items()]
    kind, several = SCHEDULES[name]
    try:
        return getattr(known, kind)(stages if several else stages[0], n_microbatches=micro_batches, loss_fn=loss)
    except ValueError as error:
        raise PlanError(f"{kind}: {error}", field="schedule", value=name, valid="micro-batches and chunks that it takes") from None


def _stage(number: int, chunk: Any, mesh: Any, shapes: Shapes) -> PipelineStage:
    taken, returned = shapes.ends(number)
    device = next(chunk.parameters()).device
    kind = Agreed if dist.get_backend() == "fake" else PipelineStage
    return kind(chunk, number, shapes.last + 1, device, taken, returned, group=mesh.get_group())
