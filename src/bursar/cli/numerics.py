"""What number formats do to numbers: lost updates, loss scaling, the error of a matrix product, the number line."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from bursar.cli.formats import plain
from bursar.errors import PlanError
from bursar.formats import Float, named

Options = dict[str, Any]
Payload = dict[str, Any]
SUMMED = ("fp16", "bf16", "fp32")
COUNTED, SCALES = 100_000, tuple(2.0**power for power in range(0, 33, 4))
STEPS, LR, MOST_TRAINED = 200, 0.01, 5000
MOST_VALUES = 8  # bits up to which a number line has every value


def _float(name: str) -> Float:
    found = named(name)
    if not isinstance(found, Float) or not found.signed:
        raise PlanError(
            f"{found.name} is no floating-point format with a sign", field="formats", value=name, valid="fp16, bf16, fp8-e4m3 …"
        )
    return found


def sum(options: Options) -> Payload:
    """Small additions to one number in a format: where they are lost, and what stochastic rounding and Kahan's sum save."""
    from bursar.theory.sums import METHODS, sum_of

    addend, count, start = options["addend"], options["additions"], options["start"]
    rows = [
        sum_of(_float(name), method, addend, count, start, options["seed"])
        for name in options["formats"] or SUMMED for method in METHODS
    ]  # fmt: skip
    exact = Fraction(str(start)) + count * Fraction(str(addend))
    return {
        "addend": addend, "additions": count, "start": start, "seed": options["seed"], "exact": float(exact),
        "rows": [{**row._asdict(), "sum": plain(row.sum), "error": _difference(row.sum, exact)} for row in rows],
    }  # fmt: skip


def _difference(got: float, exact: Fraction) -> float | None:
    return float(Fraction(got) - exact) if math.isfinite(got) else None


def loss_scaling(options: Options) -> Payload:
    """Loss scaling: what a scale saves from underflow, and how a dynamic one moves with overflows."""
    from bursar.theory import loss_scaling as theory

    names = options["formats"] or ("fp16",)
    if len(names) > 1:
        raise PlanError(f"a scale for {len(names)} formats", field="formats", value=names, valid="one format")
    found = _float(names[0])
    rule = theory.Scaler(options["loss_scale"], options["growth"], options["backoff"], options["growth_interval"])
    median, decades, seed = options["median"], options["decades"], options["seed"]
    if options["events"]:
        ran = list(theory.replay(theory.events(options["events"]), rule))
    else:
        largest = theory.largest_of(10 * COUNTED, median, decades, options["steps"] or 10_000, seed)
        ran = list(theory.simulate(largest, found, rule))
    gradients = theory.drawn(COUNTED, median, decades, seed)
    return {
        "format": found.name, **{key: value for key, value in rule._asdict().items() if key != "scale"}, "loss_scale": rule.scale,
        "simulated": not options["events"], "steps": len(ran), "applied": len([step for step in ran if step.applied]),
        "scale": ran[-1].after, "changes": _changes(ran),
        "median": median, "decades": decades, "seed": seed, "sampled": COUNTED,
        "survival": [theory.survival(gradients, scale, found)._asdict() for scale in SCALES],
        **_tiny(options["tiny"], rule.scale, found),
    }  # fmt: skip


def _changes(ran: list[Any]) -> list[Payload]:
    """The steps after which the scale was another one, counted from 1."""
    return [
        {"step": place, "event": step.event, "before": step.scale, "after": step.after}
        for place, step in enumerate(ran, 1) if step.after != step.scale
    ]  # fmt: skip


def _tiny(gradient: float | None, scale: float, found: Float) -> Payload:
    if gradient is None:
        return {}
    from bursar.theory.loss_scaling import unscaled

    (without, _), (stored, after) = unscaled(gradient, 1.0, found), unscaled(gradient, scale, found)
    return {"gradient": {"value": gradient, "without_scale": plain(without), "stored": plain(stored), "unscaled": plain(after)}}


def matmul(options: Options) -> Payload:
    """The error of a product of random matrices whose operands are kept in narrow formats, by format and block size."""
    from bursar.theory import quantized as theory

    left, right = theory.operands(options["matrix_size"], options["seed"], outliers=options["outliers"])
    chosen = [named(name) for name in options["formats"] or (*theory.UNSCALED, *theory.SCALED)]
    rows = []
    for found in chosen:
        if isinstance(found, Float):
            _float(found.name)
        if found.name in theory.UNSCALED:
            rows.append(theory.in_format(left, right, found))
        else:
            rows += [theory.by_block(left, right, found, block) for block in (None, *options["blocks"])]
    return {
        "size": options["matrix_size"], "seed": options["seed"], "outliers": options["outliers"],
        "rows": [row._asdict() for row in rows], "standards": [row._asdict() for row in theory.standards(left, right)],
    }  # fmt: skip


def train(options: Options) -> Payload:
    """A regression trained in narrow formats: with and without a master copy, stochastic rounding, Kahan's sum, a loss scale."""
    from bursar.theory.mixed_precision import LOSS_SCALE, TINY, WAYS, all_ways

    steps, lr = options["steps"] or STEPS, options["lr"] or LR
    if lr > 1:  # beyond the inverse of the largest curvature a run diverges
        raise PlanError(f"lr={lr:g}", field="lr", value=lr, valid="a number above 0 and up to 1")
    if steps > MOST_TRAINED:
        raise PlanError(f"steps={steps}", field="steps", value=steps, valid=f"1 to {MOST_TRAINED}")
    return {
        "steps": steps, "lr": lr, "seed": options["seed"], "tiny": TINY, "scale": LOSS_SCALE,
        "rows": [
            {
                "name": run.name, "format": WAYS[run.name].format, "master": WAYS[run.name].master, "final": plain(run.final),
                "lost": run.lost, "curve": [[t, plain(run.losses[t])] for t in range(0, steps + 1, max(1, steps // 60))],
            }
            for run in all_ways(steps, lr, options["seed"])
        ],
    }  # fmt: skip


def line(options: Options) -> Payload:
    """The numbers of a format on the number line: every value of a narrow one, and the spacing between powers of two."""
    from bursar.theory.number_line import binades, spread

    found = named(options["name"])
    low, high = options["within"] or spread(found)
    from bursar.theory.bits import values

    shown = [float(value) for _, value in values(found) if low <= value <= high] if found.bits <= MOST_VALUES else None
    return {
        "name": found.name, "bits": found.bits, "within": [low, high], "values": shown,
        "binades": [row._asdict() for row in binades(found, low, high)],
    }  # fmt: skip
