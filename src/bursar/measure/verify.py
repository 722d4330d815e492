"""`verify`: what is predicted from a config beside what the module that transformers builds of it really has.

Nothing is computed and no memory is needed: the module runs on fake tensors. Parameters, FLOPs and saved bytes are those of
one training step in BF16, with the loss in; what CUDA's kernels keep otherwise than the CPU's stands in (`cuda`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from bursar.measure import cuda, models
from bursar.measure.tracing import Trace, trace
from bursar.model import Model
from bursar.plan import Plan

PRECISION, DTYPE = "bf16-pure", torch.bfloat16


class Counts(NamedTuple):
    """Elements of parameters, model FLOPs of both passes, bytes kept for backward."""

    params: int
    forward_flops: int
    backward_flops: int
    saved_bytes: int


class Cause(NamedTuple):
    """Why a quantity differs, and by how much: predicted less measured."""

    quantity: str
    difference: int
    reason: str


class Verified(NamedTuple):
    """Both sides, the causes that are known of their differences, and operators that nothing is known of."""

    predicted: Counts
    measured: Counts
    causes: tuple[Cause, ...]
    unknown: Mapping[str, int]

    @property
    def difference(self) -> dict[str, int]:
        """Predicted less measured."""
        pairs = zip(self.predicted, self.measured, strict=True)
        return dict(zip(Counts._fields, [ours - theirs for ours, theirs in pairs], strict=True))

    @property
    def unexplained(self) -> dict[str, int]:
        """What no cause accounts for; empty where all is."""
        known = {name: sum(cause.difference for cause in self.causes if cause.quantity == name) for name in Counts._fields}
        return {name: value - known[name] for name, value in self.difference.items() if value != known[name]}


def verify(model: Model, seq: int, batch: int = 1, kernels: str = "sdpa") -> Verified:
    """A model of the catalog or of a config, at a length and a number of sequences.

    Raises BursarError where transformers has no such model, TraceError where it cannot run on fake tensors."""
    values = model.published.values
    with models.fake():
        module = models.build(values, attention=kernels, dtype=DTYPE).train()
        given = models.training_inputs(values, seq, batch, DTYPE)
        counted = trace(module, **given)
        with cuda.kernels():
            kept = trace(module, backward=False, **given)
    measured = Counts(counted.params, counted.forward, counted.backward, kept.saved_bytes)
    return Verified(predicted(model, seq, batch, kernels), measured, tuple(_causes(module, counted)), counted.unknown)


def predicted(model: Model, seq: int, batch: int, kernels: str) -> Counts:
    flops = model.flops(seq, batch, "full")
    plan = Plan(kernels=kernels, precision=PRECISION, micro_batch=batch)
    return Counts(model.params(), flops.forward, flops.backward, model.activations(plan, seq).total)


def _causes(module: Any, counted: Trace) -> list[Cause]:
    biases = sum(tensor.numel() for name, tensor in module.named_buffers() if name.endswith("e_score_correction_bias"))
    found = [
        Cause("params", biases, "biases that steer a router are trained without a gradient; transformers keeps them as buffers")
    ]
    return [cause for cause in found if cause.difference]
