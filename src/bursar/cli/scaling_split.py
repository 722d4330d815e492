"""The split of a budget: the best one, and what lies off it: a model in use, too little text, a size or a data set given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bursar.cli.scaling_asked import about, law_of, model_of, more_of, needed, optimum, outside, params_of
from bursar.cli.scaling_rates import rates

if TYPE_CHECKING:
    from bursar.scaling.law import Law, Optimum

Options = dict[str, Any]
Payload = dict[str, Any]


def optimal(options: Options) -> Payload:
    """The compute-optimal parameters and tokens of a budget; without --law the band over all laws beside the default one."""
    from bursar.scaling import allocate

    law = law_of(options)
    flops = needed(options["flops"], "flops", "--flops NUMBER")
    more = more_of(options)
    best = law.optimum(flops, **more)
    found = {**about(law), **optimum(best), **more, "outside": outside(law, best, more, options), **_interval(law, best)}
    if options["law"] is None:
        found["band"] = [
            {**about(each), **optimum(at), "outside": outside(each, at, more, options)} for each, at in allocate.optima(flops, more)
        ]
        found["uncertainty"] = allocate.SPLIT_UNCERTAINTY
        found["hyperparameters"] = rates({"flops": flops}, {**options, "params": None}, None)
    return found


def _interval(law: Law, best: Optimum) -> Payload:
    from bursar.scaling import allocate

    found = allocate.interval(law, best)
    return {} if found is None else {"interval": {name: list(pair) for name, pair in found._asdict().items()}}


def allocate(options: Options) -> Payload:
    """A budget beyond the optimum: off it, for a model in use, with too little text, at a fixed size or a fixed data set."""
    from bursar.scaling import allocate as of

    law, model = law_of(options), model_of(options)
    form = of.additive(law)
    params = params_of(options, model, law)
    target = options["loss"]
    flops = options["flops"] if options["flops"] is not None else None if target is None else form.flops_for(target)
    flops = needed(flops, "flops", "--flops NUMBER or --loss NUMBER")
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
