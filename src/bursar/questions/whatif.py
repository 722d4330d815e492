"""What if: the peak and the step of a job with one knob of its plan turned, for every knob there is.

Degrees that grow take their devices from data parallelism, so that a job stays on its devices with its global batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bursar.errors import BursarError, PlanError
from bursar.parallel import offload
from bursar.plan import Plan
from bursar.training import Training

Change = Callable[[Plan], dict[str, Any]]


class Knob(NamedTuple):
    """A change of a plan: its name, and the fields that it sets. It raises PlanError where it has nothing to turn."""

    name: str
    turn: Change


@dataclass(frozen=True)
class Outcome:
    """A knob turned: bytes of the worst stage, bytes saved, seconds of a step if a device is given; or why it cannot be turned."""

    knob: str
    peak: int | None = None
    saved: int | None = None
    step_s: float | None = None
    slower_s: float | None = None
    why_not: str | None = None


def _sets(**fields: Any) -> Change:
    """A knob that gives fields these values."""

    def turn(plan: Plan) -> dict[str, Any]:
        if all(getattr(plan, name) == value for name, value in fields.items()):
            raise PlanError("it is so already")
        return fields

    return turn


def _halved(plan: Plan, field: str, name: str) -> dict[str, Any]:
    value = getattr(plan, field)
    if value % 2:
        raise PlanError(f"{name}={value} cannot be halved")
    return {field: value // 2}


def _twice(field: str) -> Change:
    """Twice the degree, on half as many data-parallel ranks."""

    def turn(plan: Plan) -> dict[str, Any]:
        follows = {"expert_tensor": None} if field == "tensor" and plan.expert_tensor == plan.tensor else {}
        return {field: 2 * getattr(plan, field), **_halved(plan, "data", "dp"), **follows}

    return turn


def _next_stage(plan: Plan) -> dict[str, Any]:
    if plan.zero == 3:
        raise PlanError("zero=3 is the last stage")
    if plan.data == 1:
        raise PlanError("dp=1 has no ranks to shard over")
    return {"zero": plan.zero + 1}


def _sequence(plan: Plan) -> dict[str, Any]:
    if plan.tensor == 1:
        raise PlanError("sp needs tp")
    return _sets(sequence=True)(plan)


def _kernels(change: Callable[[str], str]) -> Change:
    def turn(plan: Plan) -> dict[str, Any]:
        return _sets(kernels=change(plan.kernels))(plan)

    return turn


def _with_loss(kernels: str) -> str:
    parts = [part for part in kernels.split(",") if not part.strip().startswith("loss=")]
    return ",".join([*parts, "loss=fused-linear"])


def _to_the_host(kind: str) -> Change:
    """One kind of tensors more that lives on the host."""

    def turn(plan: Plan) -> dict[str, Any]:
        return _sets(offload=offload.read((*plan.offload, kind)))(plan)

    return turn


def _fewer(field: str) -> Change:
    """Half the degree, on twice as many data-parallel ranks."""

    def turn(plan: Plan) -> dict[str, Any]:
        follows = {"expert_tensor": None} if field == "tensor" and plan.expert_tensor == plan.tensor else {}
        return {**_halved(plan, field, field), "data": 2 * plan.data, **follows}

    return turn


def _woven(plan: Plan) -> dict[str, Any]:
    """Twice the virtual stages, interleaved."""
    if plan.pipeline == 1:
        raise PlanError("vp needs pp")
    if plan.schedule not in ("1f1b", "interleaved"):
        raise PlanError(f"{plan.schedule} has its own virtual stages")
    return {"schedule": "interleaved", "virtual": 2 * plan.virtual}


KNOBS: tuple[Knob, ...] = (
    Knob("recompute none", _sets(recompute="none")),
    Knob("recompute selective", _sets(recompute="selective")),
    Knob("recompute full", _sets(recompute="full")),
    Knob("micro-batch ÷ 2", lambda plan: _halved(plan, "micro_batch", "micro_batch")),
    Knob("micro-batch × 2", lambda plan: {"micro_batch": 2 * plan.micro_batch}),
    Knob("ZeRO + 1", _next_stage),
    Knob("tp ÷ 2", _fewer("tensor")),
    Knob("cp ÷ 2", _fewer("context")),
    Knob("pp ÷ 2", _fewer("pipeline")),
    Knob("vp × 2", _woven),
    Knob("tp × 2", _twice("tensor")),
    Knob("sp", _sequence),
    Knob("cp × 2", _twice("context")),
    Knob("pp × 2", _twice("pipeline")),
    Knob("kernels fused", _kernels(lambda _: "fused")),
    Knob("loss fused-linear", _kernels(_with_loss)),
    Knob("optimizer 8-bit", _sets(optimizer="adamw-8bit")),
    Knob("gradients in bf16", _sets(grad_dtype="bf16")),
    Knob("precision bf16", _sets(precision="bf16")),
    Knob("precision fp8", _sets(precision="fp8")),
    Knob("LoRA rank 16", _sets(lora_rank=16)),
    *(Knob(f"offload {kind}", _to_the_host(kind)) for kind in offload.KINDS),
)


def outcomes(training: Training) -> tuple[Outcome, ...]:
    """Every knob turned alone, those that save most first, those that cannot be turned last."""
    peak = training.peak()
    seconds = training.seconds.step if training.device else None
    found = [_turned(knob, training, peak, seconds) for knob in KNOBS]
    return tuple(sorted(found, key=lambda outcome: (outcome.saved is None, -(outcome.saved or 0))))


def _turned(knob: Knob, training: Training, peak: int, seconds: float | None) -> Outcome:
    try:
        changed = replace(training, plan=replace(training.plan, **knob.turn(training.plan)))
        after = changed.peak()
        step = changed.seconds.step if seconds is not None else None
    except BursarError as error:
        return Outcome(knob.name, why_not=str(error))
    return Outcome(knob.name, after, peak - after, step, None if step is None or seconds is None else step - seconds)
