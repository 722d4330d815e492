"""What no plan of a space can do better than, so that a count of devices that has no chance is not searched."""

from __future__ import annotations

from dataclasses import replace

from bursar.errors import BursarError
from bursar.jobs import SECONDS_PER_DAY
from bursar.planner import Space
from bursar.precision import RECIPES
from bursar.questions.static import static
from bursar.training import sequence_flops


def holds(space: Space) -> bool:
    """Whether the devices together hold the weights, gradients and states once. Where what is stored depends on the plan, or
    cannot be known from a count of parameters, nothing is ruled out."""
    base = space.base
    if len(space.values("precision")) > 1 or any(space.values("offload")) or base.lora_rank or base.weights or base.freeze_layers:
        return True
    params = sum(times * sum(block.trained) for _, times, block in space.architecture.parts())
    try:
        return bool(static(int(params), replace(base, data=space.devices, zero=3)).total <= space.device.memory.si)
    except BursarError:
        return True


def least_days(space: Space, tokens: int) -> float:
    """Days of a run whose products run at the peak of the devices and wait for nothing. Pairs that a causal mask leaves out, and
    what recomputation runs again, are not counted."""
    if space.base.lora_rank or space.base.weights or space.base.freeze_layers:
        return 0.0
    peaks = space.device.peaks
    kinds = {RECIPES[name].compute for name in space.values("precision")} & set(peaks)
    fastest = max([peaks[kind].si for kind in kinds], default=float("inf"))
    flops = tokens / space.length * sequence_flops(space.architecture, space.length, "causal")
    return flops / (fastest * space.devices * SECONDS_PER_DAY)
