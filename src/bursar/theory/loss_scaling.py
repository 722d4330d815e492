"""Loss scaling (arXiv:1710.03740): gradients of a loss times S are S times as large, so that small ones do not become zero in a
narrow format; they are divided by S again in FP32 before the update.

The scale is dynamic as in torch.amp.GradScaler: a step whose gradients overflow is skipped and the scale multiplied by `backoff`;
after `interval` steps without one in a row it is multiplied by `growth`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from bursar.errors import PlanError, shown
from bursar.formats import Float
from bursar.theory.rounding import Array, quantize

GOOD, OVERFLOW = "good", "overflow"
MOST_EVENTS = 100_000
LARGEST = float(np.finfo(np.float32).max)  # a scale is an FP32 number


class Scaler(NamedTuple):
    """The rule of the scale: its start, its factors, and the good steps before it grows (torch.amp.GradScaler's defaults)."""

    scale: float = 65536.0
    growth: float = 2.0
    backoff: float = 0.5
    interval: int = 2000


class Scaled(NamedTuple):
    """A step: what happened, the scale that it ran with, whether the optimizer stepped, and the scale after it."""

    event: str
    scale: float
    applied: bool
    after: float


class Survival(NamedTuple):
    """What becomes of gradients under a scale: shares that are zero, below the normal numbers, and too large."""

    scale: float
    zero: float
    subnormal: float
    overflow: float


def events(text: str) -> tuple[str, ...]:
    """The events of a text such as good,overflow,good*2000."""
    found: list[str] = []
    for part in text.split(","):
        name, _, times = part.strip().partition("*")
        count = int(times or "1") if (times or "1").isdecimal() and len(times) < 7 else MOST_EVENTS
        if name not in (GOOD, OVERFLOW) or len(found) + count > MOST_EVENTS:
            valid = f"good or overflow, at most {MOST_EVENTS:,}, as in good,overflow,good*2000"
            raise PlanError(f"events={shown(text)}", field="events", value=text, valid=valid)
        found += [name] * count
    return tuple(found)


def replay(happened: Iterable[str], rule: Scaler) -> Iterator[Scaled]:
    """The scale from step to step."""
    scale, streak = rule.scale, 0
    for event in happened:
        step, streak = _step(event == OVERFLOW, scale, streak, rule)
        yield step
        scale = step.after


def simulate(largest: Iterable[float], found: Float, rule: Scaler) -> Iterator[Scaled]:
    """The same where a step overflows if its largest gradient times the scale is beyond the format's largest number."""
    limit = float(found.max)
    scale, streak = rule.scale, 0
    for gradient in largest:
        step, streak = _step(gradient * scale > limit, scale, streak, rule)
        yield step
        scale = step.after


def _step(overflowed: bool, scale: float, streak: int, rule: Scaler) -> tuple[Scaled, int]:
    """A step, and the good steps in a row after it."""
    if overflowed:
        return Scaled(OVERFLOW, scale, False, scale * rule.backoff), 0
    if streak + 1 == rule.interval:
        grown = scale * rule.growth
        return Scaled(GOOD, scale, True, grown if grown <= LARGEST else scale), 0
    return Scaled(GOOD, scale, True, scale), streak + 1


def largest_of(count: int, median: float, decades: float, steps: int, seed: int = 0) -> list[float]:
    """The largest of `count` log-normal gradients in each of some steps: Φ⁻¹(U^(1/count)) standard deviations, each of `decades`
    powers of ten, above the median."""
    draw, normal = np.random.default_rng(seed), NormalDist()
    chances = (1 - draw.random(steps)) ** (1 / count)
    return [median * 10.0 ** (decades * normal.inv_cdf(min(float(chance), 1 - 1e-16))) for chance in chances]


def drawn(count: int, median: float, decades: float, seed: int = 0) -> Array:
    """Log-normal gradients."""
    found: Array = median * 10.0 ** (decades * np.random.default_rng(seed).standard_normal(count))
    return found


def unscaled(gradient: float, scale: float, found: Float) -> tuple[float, float]:
    """A gradient times the scale as the format keeps it, and that divided by the scale in FP32."""
    kept = float(quantize(np.array(gradient * scale), found))
    with np.errstate(over="ignore"):
        return kept, float(np.float32(kept) / np.float32(scale))


def survival(gradients: Array, scale: float, found: Float) -> Survival:
    """What a format leaves of gradients (all but zeros) under a scale."""
    kept = np.abs(quantize(gradients * scale, found))
    small = (kept > 0) & (kept < float(found.min_normal))
    shares = [float(np.mean(part)) for part in (kept == 0, small, ~np.isfinite(kept))]
    return Survival(scale, *shares)
