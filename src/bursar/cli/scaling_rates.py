"""Learning rate and batch of a run, by every law that says them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bursar.cli.scaling_asked import about, model_of, params_of, said
from bursar.errors import PlanError

if TYPE_CHECKING:
    from bursar.model import Model
    from bursar.scaling.law import Law, Optimum

Options = dict[str, Any]
Payload = dict[str, Any]


def hyper(options: Options) -> Payload:
    """Learning rate and batch by every law that says them, beside each other: they disagree."""
    model = model_of(options)
    given = {name: options[name] for name in ("tokens", "flops", "width_ratio") if options[name] is not None}
    if not given:
        raise PlanError(
            "this needs a run", field="tokens", valid="a MODEL or --params N with --tokens N, --flops NUMBER, or --width-ratio R"
        )
    rows = rates(given, options, model)
    batches = [row["batch_tokens"] for row in rows if "batch_tokens" in row]
    return {"laws": rows, "batch_tokens_band": [min(batches), max(batches)] if batches else None}


def rates(given: dict[str, float], options: Options, model: Model | None) -> list[Payload]:
    from bursar import scaling
    from bursar.scaling import allocate
    from bursar.scaling.counting import SCALE

    best = scaling.law(allocate.DEFAULT).optimum(given["flops"]) if "flops" in given else None
    rows = []
    for name in scaling.names():
        law = scaling.law(name)
        if not law.answers("hyperparameters"):
            continue
        size = _rule_params(options, model, law)
        run = _run(given, size, best, 1 if model is not None and law.counts.params == SCALE else 6)
        if all(key in run for key in law.form.reads):
            values = {key: run[key] for key in law.form.reads}
            rows.append(
                {**about(law), "given": values, **law.hyperparameters(**values), "outside": said(law.outside(**run), options)}
            )
    return rows


def _rule_params(options: Options, model: Model | None, law: Law) -> float | None:
    from bursar.scaling.counting import RULES

    if model is not None and law.counts.params not in RULES:
        return None
    return params_of(options, model, law)


def _run(given: dict[str, float], size: float | None, best: Optimum | None, factor: int) -> dict[str, float]:
    """Parameters, tokens and compute of a run: the missing one from C = factor·N·D, or from the optimum of the budget. A model
    scale is FLOP per token, with a factor of 1."""
    run = dict(given)
    if size is not None:
        run["params"] = size
    if "flops" in run and "params" in run:
        run.setdefault("tokens", run["flops"] / (factor * run["params"]))
    if "flops" in run and best is not None:
        run.setdefault("tokens", best.tokens)
        run.setdefault("params", run["flops"] / (6 * run["tokens"]))
    if "params" in run and "tokens" in run:
        run.setdefault("flops", factor * run["params"] * run["tokens"])
    return run
