"""A training step of a model of the catalog: the module that transformers builds of it, and its arguments."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._pytree import tree_map_only

from bursar.measure import models
from bursar.measure.records import Job
from bursar.model import Model

DTYPES = {"fp32": torch.float32, "bf16-pure": torch.bfloat16}


def step_of(model: Model, job: Job, device: str = "cpu") -> tuple[torch.nn.Module, dict[str, Any]]:
    """Random weights; labels that are the inputs are one tensor with them, as a training loop has it."""
    values, dtype = model.published.values, DTYPES[job.precision]
    module: torch.nn.Module = models.build(values, attention=job.kernels, dtype=dtype).train().to(device)
    given = tree_map_only(torch.Tensor, lambda x: x.to(device), models.training_inputs(values, job.seq, job.micro_batch, dtype))
    if "input_ids" in given and "labels" in given:
        given["labels"] = given["input_ids"]
    return module, given
