"""Scaling laws of your own runs, and the run that a budget buys: options in, one JSON object out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bursar.cli.scaling_asked import Options, Payload, about, numbers, optimum, outside, said
from bursar.errors import PlanError, shown

if TYPE_CHECKING:
    from bursar.scaling.design import Design
    from bursar.scaling.fit import Fit
    from bursar.scaling.study import Power, Study

ADDITIVE = ("additive", "approach-3", "hoffmann", "chinchilla", "huber")
SIGMA = ("besiroglu", "sigma")
FORMS = (*ADDITIVE, *SIGMA, "approach-1", "approach-2")


def fit(options: Options) -> Payload:
    """A law of your own runs (CSV: loss, and two of params, tokens, flops): three approaches, with what speaks against them."""
    from bursar.errors import UnknownNameError
    from bursar.scaling import runs
    from bursar.scaling.study import study

    form = options["form"]
    if form not in FORMS:
        raise UnknownNameError("form", form, FORMS)
    measured = runs.read(options["file"])
    found = study(measured, resamples=options["resamples"], delta=options["delta"])
    payload = {
        "file": options["file"],
        "form": form,
        **_constants(form, found, measured, options),
        "points": len(measured.loss),
        "approaches": {
            "approach_1": _power(found.envelope),
            "approach_2": _power(found.isoflop),
            "approach_3": _exponent(found.additive),
        },
        "objective": found.additive.objective,
        "start_agreement": found.additive.agreement,
        "minima": [minimum._asdict() for minimum in found.minima],
        "outliers": _outliers(measured, found),
        "without_outliers": None if found.without_outliers is None else numbers(found.without_outliers.law),
        "held_out": None if found.held_out is None else found.held_out._asdict(),
        "residuals": [float(value) for value in found.residuals],
        "warnings": said(found.doubts, options),
    }  # fmt: skip
    return {**payload, **_chart(measured, found, options)}


def power(options: Options) -> Payload:
    """A power law (scale / x)^exponent through points x:y, by least squares in logarithms."""
    from bursar.options.option import positive
    from bursar.scaling.power import through

    points = []
    for word in options["points"]:
        try:
            x, y = [positive(part) for part in word.split(":")]
        except ValueError:
            raise PlanError(f"point {shown(word)}", field="points", value=word, valid="X:Y, two numbers above zero") from None
        points.append((x, y))
    found = through(points)
    return {"points": len(points), "slope": found.slope, "exponent": -found.slope, "scale": found.scale, "residual": found.residual}


def _constants(form: str, found: Study, measured: Any, options: Options) -> Payload:
    """Constants, standard errors and 95 % intervals of the form that was asked for."""
    if form in ADDITIVE:
        return _of_fit(found.additive)
    if form in SIGMA:
        from bursar.scaling.study import sigma

        return _of_fit(sigma(measured, found.additive, resamples=options["resamples"], delta=options["delta"]))
    power = found.envelope if form == "approach-1" else found.isoflop
    if power is None:
        raise PlanError(f"these runs do not carry {form}", field="form", value=form, valid="see the warnings of --form additive")
    return {
        "constants": numbers(power.law),
        "stderr": {"a": _finite(power.error), "b": _finite(power.error)},
        "intervals": {"a": _pair(power.interval)},
    }


def _of_fit(found: Fit) -> Payload:
    names = tuple(vars(found.law))
    return {
        "constants": numbers(found.law),
        "stderr": {name: _finite(found.errors.get(name, math.nan)) for name in names},
        "intervals": {name: _pair(found.intervals.get(name)) for name in names},
    }


def _power(found: Power | None) -> Payload | None:
    if found is None:
        return None
    return {"a": found.law.a, "k_params": found.law.k_params, "stderr": _finite(found.error), "interval": _pair(found.interval)}


def _exponent(found: Fit) -> Payload:
    return {"a": found.exponent, "stderr": _finite(found.errors.get("a", math.nan)), "interval": _pair(found.intervals.get("a"))}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _pair(found: tuple[float, float] | None) -> list[float] | None:
    return None if found is None or not all(map(math.isfinite, found)) else list(found)


def _outliers(measured: Any, found: Study) -> list[Payload]:
    """The rows, by their line in the file (the header is line 1)."""
    return [
        {
            "line": row + 2,
            "params": measured.params[row],
            "tokens": measured.tokens[row],
            "loss": measured.loss[row],
            "residual": float(found.residuals[row]),
        }
        for row in found.outliers
    ]


def _chart(measured: Any, found: Study, options: Options) -> Payload:
    if not options["chart"]:
        return {}
    from bursar.report import isoflops, plot

    plot.write(options["chart"], isoflops.panels(measured, found, options["lang"]))
    return {"chart": options["chart"]}


def design(options: Options) -> Payload:
    """From a budget (--budget FLOP, --usd or --days) to a model, its plan, days and cost."""
    from bursar.machines.devices import device
    from bursar.scaling import design as of

    wish = of.Wish(
        device(options["device"] or "h100-sxm"), options, options["budget"], options["usd"], options["days"], options["law"],
        options["family"], options["experts"], options["granularity"], options["vocab"],
    )  # fmt: skip
    made = of.design(wish)
    predicted = of.predicted(made)
    comparable = [each.loss for each in predicted if each.comparable]
    parameters = made.shape.model.parameters()
    best = made.best
    return {
        **about(made.law),
        "budget_flops": made.flops,
        "optimum": optimum(made.optimum),
        "outside": outside(made.law, made.optimum, made.given, options),
        "rule": made.rule,
        "target": made.shape.target,
        "count": made.shape.size,
        "params": parameters.total,
        "active": parameters.active,
        "tokens": made.tokens,
        "family": made.shape.config["model_type"],
        "config": made.shape.config,
        "loss_band": [min(comparable), max(comparable)] if comparable else None,
        "losses": [{**each._asdict(), "outside": said(each.outside, options)} for each in predicted],
        "hyperparameters": _suggested(made, options),
        "device": made.space.device.id,
        "devices": made.space.devices,
        "seq": made.space.length,
        "global_batch": made.space.global_batch,
        "global_batch_tokens": made.batch.tokens,
        "plan": best.plan.options(),
        "peak": best.peak,
        "device_memory": int(made.space.device.memory.si),
        "step_s": best.step_s,
        "mfu": best.utilization,
        "model_flops": made.run.steps * made.space.training(best.plan).model_flops,
        "searched": made.found.searched,
        "feasible": made.found.feasible,
        **made.run._asdict(),
        "notes": said(made.notes, options),
    }


def _suggested(made: Design, options: Options) -> list[Payload]:
    """Learning rate and batch of a design by laws of its kind."""
    from bursar import scaling
    from bursar.scaling.counting import count

    found = []
    for name in ("ling",) if made.law.takes else ("step-law", "deepseek"):
        law = scaling.law(name)
        run = {"tokens": made.tokens, "flops": made.flops, "params": count(made.shape.model, law.counts.params, made.space.length)}
        found.append({"law": name, **law.hyperparameters(**run), "outside": said(law.outside(**run), options)})
    return found
