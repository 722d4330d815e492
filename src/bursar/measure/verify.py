"""`verify`: what is predicted from a config beside what the module that transformers builds of it really has.

Nothing is computed and no memory is needed: the module runs on fake tensors. Parameters, FLOPs and saved bytes are those of
one training step with every weight in BF16, with the loss in; what CUDA's kernels keep otherwise than the CPU's stands in (`cuda`).
The KV cache and the recurrent state are what a forward pass leaves in transformers' cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch

from bursar.errors import BursarError, PlanError
from bursar.kernels import MODULES, TRACED
from bursar.measure import causes, cuda, models
from bursar.measure.cache import Held, held
from bursar.measure.causes import held as keeping
from bursar.measure.tracing import trace
from bursar.model import Model
from bursar.plan import Plan

PRECISION, DTYPE = "bf16-pure", torch.bfloat16


class Counts(NamedTuple):
    """Elements of parameters, model FLOPs of both passes, bytes kept for backward, elements of the KV cache with the recurrent
    state of all sequences. None is what is not predicted, or what the module does not show."""

    params: int
    forward_flops: int
    backward_flops: int
    saved_bytes: int | None
    kv_elements: int | None


class Cause(NamedTuple):
    """A quantity that differs, by how much (predicted less measured), and the key of the sentence that says why."""

    quantity: str
    difference: int
    reason: str


class Verified(NamedTuple):
    """Both sides, the causes that are known of their differences, what is compared on one side alone and why, and operators that
    nothing is known of."""

    predicted: Counts
    measured: Counts
    causes: tuple[Cause, ...]
    missing: Mapping[str, str]
    unknown: Mapping[str, int]

    @property
    def difference(self) -> dict[str, int | None]:
        """Predicted less measured, None where a side is missing."""
        pairs = zip(Counts._fields, self.predicted, self.measured, strict=True)
        return {name: None if ours is None or theirs is None else ours - theirs for name, ours, theirs in pairs}

    @property
    def unexplained(self) -> dict[str, int]:
        """What no cause accounts for; empty where all is."""
        known = {name: sum(cause.difference for cause in self.causes if cause.quantity == name) for name in Counts._fields}
        return {name: value - known[name] for name, value in self.difference.items() if value not in (None, known[name])}


def verify(model: Model, seq: int, batch: int = 1, kernels: str = "sdpa") -> Verified:
    """A model of the catalog or of a config, at a length and a number of sequences.

    Raises PlanError for kernels that are not transformers', BursarError where transformers has no such model, TraceError where it
    cannot run on fake tensors."""
    if kernels not in TRACED:
        raise PlanError(f"kernels={kernels} are not transformers'", field="kernels", value=kernels, valid=TRACED)
    ours, missing = predicted(model, seq, batch, kernels)
    values = model.published.values
    with models.fake():
        module, cached = _held(values, seq, batch, kernels)
        given = models.training_inputs(values, seq, batch, DTYPE)
        counted = trace(module.train(), **given)
        with cuda.kernels():
            kept = trace(module, backward=False, **given)
    if cached is None:
        missing["kv_elements"] = "missing_cache"
    total = None if cached is None else cached.cache + cached.state
    measured = Counts(counted.params, counted.forward, counted.backward, kept.saved_bytes, total)
    found = [cause for cause in _causes(model, module, cached, seq, batch) if cause.difference]
    return Verified(ours, measured, tuple(found), missing, counted.unknown)


def _held(values: Mapping[str, Any], seq: int, batch: int, kernels: str) -> tuple[Any, Held | None]:
    """The module, and what its cache holds after a forward pass."""
    try:
        module = models.build(values, attention=kernels, dtype=DTYPE)
        return module, held(module.eval(), models.in_dtype(models.inputs(values, seq, batch, "cpu"), DTYPE))
    except BursarError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise BursarError(
            f"transformers cannot run a {values['model_type']} of this config: {type(error).__name__}: {said[:200]}",
            field="model", value=values["model_type"], valid="a config that transformers' class runs with",
        ) from error  # fmt: skip


def predicted(model: Model, seq: int, batch: int, kernels: str) -> tuple[Counts, dict[str, str]]:
    """The prediction, and the key of why a quantity has none."""
    flops = model.flops(seq, batch, "full")
    cache = model.kv(seq, batch, "bf16")
    saved: int | None = None
    missing: dict[str, str] = {}
    if model.architecture.family in MODULES:
        plan = Plan(kernels=kernels, precision=PRECISION, micro_batch=batch)
        saved = int(model.activations(plan, seq).total)
    else:
        missing["saved_bytes"] = "missing_saved"
    kv = int(cache.bytes + batch * cache.state_bytes) // DTYPE.itemsize
    return Counts(int(model.params()), int(flops.forward), int(flops.backward), saved, kv), missing


def _causes(model: Model, module: Any, cached: Held | None, seq: int, batch: int) -> Iterator[Cause]:
    values = model.published.values
    yield Cause("params", sum(causes.biases(module).values()), "cause_biases")
    for work in causes.works(module, seq, batch):
        yield Cause("forward_flops", work.forward, work.reason)
        yield Cause("backward_flops", work.backward, work.reason)
    for difference, reason in keeping.saved(values, DTYPE.itemsize, seq, batch):
        yield Cause("saved_bytes", difference, reason)
    if cached is not None:
        yield Cause("kv_elements", cached.dropped, "cause_window" if cached.dropped > 0 else "cause_window_of_one")
        cache = model.kv(seq, batch, "bf16")
        row = keeping.cached(values, int(cache.elements_per_token), int(cache.bytes) // DTYPE.itemsize, seq * batch)
        if row is not None:
            yield Cause("kv_elements", *row)
