"""Scaling laws: loss, the best split of a budget, fits of runs, and the run that a budget buys.

What each of them answers: options in, one JSON object out. An answer outside the range that its law was fitted on says so under
`outside`; losses stand beside each other only where they are of one text and unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bursar.cli.derivations import derivations
from bursar.errors import PlanError

if TYPE_CHECKING:
    from bursar.model import Model
    from bursar.scaling.law import Doubt, Law, Optimum

Options = dict[str, Any]
Payload = dict[str, Any]
MORE = ("unique_tokens", "experts", "granularity", "bits")


def _model(options: Options) -> Model | None:
    from bursar.model import load

    if not options.get("model"):
        return None
    return load(
        options["model"], mtp=options.get("mtp", False), as_family=options.get("as_family"), changes=options.get("set") or ()
    )


def _law(options: Options) -> Law:
    from bursar import scaling
    from bursar.scaling.allocate import DEFAULT

    return scaling.law(options.get("law") or DEFAULT)


def _more(options: Options) -> dict[str, float]:
    """What a law may need beside parameters and tokens, as far as it is given."""
    return {name: options[name] for name in MORE if options.get(name) is not None}


def _params(options: Options, model: Model | None, law: Law) -> float | None:
    """Parameters as given, or those of the model by the law's counting rule."""
    from bursar.scaling.counting import count

    if model is not None and options.get("params") is not None:
        raise PlanError("parameters are given by a model or by a number, not both", field="params", valid="one of the two")
    if model is None:
        return options.get("params")
    found = count(model, law.counts.params, options.get("seq"))
    return int(found) if found == int(found) else found


def _needed(value: float | None, name: str, valid: str) -> float:
    if value is None:
        raise PlanError(f"this needs {name}", field=name, valid=valid)
    return value


def said(doubts: Iterable[Doubt], options: Options) -> list[str]:
    """What makes an answer doubtful, in the language of the report."""
    from bursar.report.words import say

    return [say(f"doubt_{doubt.key}", options["lang"], **doubt.facts) for doubt in doubts]


def about(law: Law) -> Payload:
    return {"law": law.name, "title": law.title, "counts": law.counts._asdict(), "unit": law.counts.loss}


def laws(options: Options) -> Payload:
    """The laws: constants with their errors, what they count, where they were fitted, how they are known."""
    from bursar import scaling
    from bursar.facts import sources

    rows = []
    for name in scaling.names() if options["law"] is None else [scaling.law(options["law"]).name]:
        law = scaling.law(name)
        source = sources()[law.source]
        rows.append(
            {
                **about(law),
                "constants": numbers(law.form),
                "stderr": dict(law.errors),
                "answers": [q for q in ("loss", "optimum", "hyperparameters") if law.answers(q)],
                "takes": list(law.takes),
                "range": {key: list(pair) for key, pair in law.domain.items()},
                "seen": law.seen,
                "note": law.note,
                "source": {"title": source.title, "url": source.url, "as_of": source.as_of},
            }
        )
    return {"laws": rows}


def numbers(form: object) -> Payload:
    """The constants of a form, those of forms inside it too."""
    found = vars(form)
    return {name: value if isinstance(value, (int, float)) else numbers(value) for name, value in found.items()}


def loss(options: Options) -> Payload:
    """The loss of N parameters on D tokens by a law, and by those of the same text and unit."""
    from bursar import scaling

    law, model = _law(options), _model(options)
    limits = {"params": _params(options, model, law), "tokens": options["tokens"], "flops": options["flops"]}
    if law.answers("alone") and len(given := {name: value for name, value in limits.items() if value is not None}) == 1:
        return _limited_by(law, *given.popitem(), options)
    if options["flops"] is not None:
        raise PlanError(
            "FLOPs beside parameters or tokens",
            field="flops",
            valid="--params with --tokens, or --flops alone by a law that says so",
        )
    params = _needed(limits["params"], "params", "a MODEL or --params N")
    tokens = _needed(limits["tokens"], "tokens", "--tokens N")
    more = _more(options)
    if "unique_tokens" in law.takes:
        more.setdefault("unique_tokens", tokens)  # no token is read twice, unless it is said
    value = float(law.loss(params, tokens, **more))
    band = []
    for name in scaling.names():
        other = scaling.law(name)
        if other.answers("loss") and not other.takes and other.comparable(law) and (size := _params(options, model, other)):
            band.append({"law": name, "loss": float(other.loss(size, tokens))})
    return {
        **about(law),
        "model": options["model"],
        "params": params,
        "tokens": tokens,
        **more,
        "loss": value,
        "tokens_per_param": tokens / params,
        "outside": said(law.outside(params=params, tokens=tokens, flops=6 * params * tokens, **more), options),
        "band": band,
    }


def _limited_by(law: Law, name: str, value: float, options: Options) -> Payload:
    """The loss where one thing alone limits it."""
    outside = said(law.outside(**{name: value}), options)
    found = {name: value, "alone": name, "loss": law.alone(name, value), **law.form.beside(name, value)}
    return {**about(law), "model": options["model"], **found, "outside": outside}


def optimal(options: Options) -> Payload:
    """The compute-optimal parameters and tokens of a budget; without --law the band over all laws beside the default one."""
    from bursar.scaling import allocate

    law = _law(options)
    flops = _needed(options["flops"], "flops", "--flops NUMBER")
    more = _more(options)
    best = law.optimum(flops, **more)
    found = {**about(law), **optimum(best), **more, "outside": outside(law, best, more, options), **_interval(law, best)}
    if options["law"] is None:
        found["band"] = [
            {**about(each), **optimum(at), "outside": outside(each, at, more, options)} for each, at in allocate.optima(flops, more)
        ]
        found["uncertainty"] = allocate.SPLIT_UNCERTAINTY
        found["hyperparameters"] = _hyper_rows({"flops": flops}, {**options, "params": None}, None)
    return found


def optimum(best: Optimum) -> Payload:
    ratio = None if best.params is None else best.tokens / best.params
    return {**best._asdict(), "tokens_per_param": ratio}


def outside(law: Law, best: Optimum, more: dict[str, float], options: Options) -> list[str]:
    return said(law.outside(flops=best.flops, params=best.params, tokens=best.tokens, **more), options)


def _interval(law: Law, best: Optimum) -> Payload:
    from bursar.scaling import allocate

    found = allocate.interval(law, best)
    return {} if found is None else {"interval": {name: list(pair) for name, pair in found._asdict().items()}}


def allocate(options: Options) -> Payload:
    """A budget beyond the optimum: off it, for a model in use, with too little text, at a fixed size or a fixed data set."""
    from bursar.scaling import allocate as of

    law, model = _law(options), _model(options)
    form = of.additive(law)
    params = _params(options, model, law)
    target = options["loss"]
    flops = options["flops"] if options["flops"] is not None else None if target is None else form.flops_for(target)
    flops = _needed(flops, "flops", "--flops NUMBER or --loss NUMBER")
    best = form.optimum(flops)
    found: Payload = {**about(law), "optimum": optimum(best), "outside": outside(law, best, {}, options), **_interval(law, best)}
    found["off_optimum"] = [row._asdict() for row in of.off_optimum(form, flops)]
    if params is not None:
        found["at_params"] = _at(form, params, flops / (6 * params), flops)
    if options["tokens"] is not None:
        found["at_tokens"] = _at(form, flops / (6 * options["tokens"]), options["tokens"], flops)
    if target is not None and params is not None:
        found["how_long"] = {"params": params, "loss": target, "tokens": form.tokens_for(params, target)}
    if target is not None and options["tokens"] is not None:
        found["how_big"] = {"tokens": options["tokens"], "loss": target, "params": form.params_for(options["tokens"], target)}
    if options["inference_tokens"] is not None:
        found["in_use"] = _in_use(law, flops, options["inference_tokens"])
    if options["unique_tokens"] is not None:
        found["limited"] = _limited(flops, options["unique_tokens"], options)
    return found


def _at(form: Any, params: float, tokens: float, flops: float) -> Payload:
    value = float(form.loss(params, tokens))
    equivalent = form.flops_for(value)
    return {"params": params, "tokens": tokens, "loss": value, "equivalent_flops": equivalent, "wasted": 1 - equivalent / flops}


def _in_use(law: Law, flops: float, tokens: float) -> Payload:
    """The cheapest model by this law, and how far the answer moves with the law."""
    from bursar import scaling
    from bursar.scaling import allocate as of
    from bursar.scaling.forms import Additive

    others = [scaling.law(name) for name in scaling.names()]
    by_law = [of.used(each, flops, tokens)._asdict() for each in others if isinstance(each.form, Additive)]
    return {"inference_tokens": tokens, **of.used(law, flops, tokens)._asdict(), "by_law": by_law}


def _limited(flops: float, unique: float, options: Options) -> Payload:
    from bursar import scaling

    law = scaling.law("muennighoff")
    form: Any = law.form
    best = law.optimum(flops, unique_tokens=unique)
    return {
        "law": law.name,
        "unique_tokens": unique,
        **optimum(best),
        "epochs": best.tokens / min(unique, best.tokens),
        "worth_tokens": form.worth(best.tokens, unique),
        "with_fresh_tokens": optimum(form.fresh.optimum(flops)),
        "outside": outside(law, best, {"unique_tokens": unique}, options),
    }


def hyper(options: Options) -> Payload:
    """Learning rate and batch by every law that says them, beside each other: they disagree."""
    model = _model(options)
    given = {name: options[name] for name in ("tokens", "flops", "width_ratio") if options[name] is not None}
    if not given:
        raise PlanError(
            "this needs a run", field="tokens", valid="a MODEL or --params N with --tokens N, --flops NUMBER, or --width-ratio R"
        )
    rows = _hyper_rows(given, options, model)
    batches = [row["batch_tokens"] for row in rows if "batch_tokens" in row]
    return {"laws": rows, "batch_tokens_band": [min(batches), max(batches)] if batches else None}


def _hyper_rows(given: dict[str, float], options: Options, model: Model | None) -> list[Payload]:
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
    return _params(options, model, law)


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


def derive(options: Options) -> Payload:
    """Where the closed forms and the exponents come from, step by step."""
    from bursar.scaling.derive import DERIVATIONS

    return derivations(DERIVATIONS, options["derivation"], "derive", options["lang"])
