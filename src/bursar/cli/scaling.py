"""Scaling laws: loss, the best split of a budget, fits of runs, and the run that a budget buys.

The laws themselves: options in, one JSON object out. An answer outside the range that its law was fitted on says so under
`outside`; losses stand beside each other only where they are of one text and unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bursar.cli.derivations import derivations
from bursar.cli.scaling_asked import about, law_of, model_of, more_of, needed, numbers, params_of, said
from bursar.errors import PlanError

if TYPE_CHECKING:
    from bursar.scaling.law import Law

Options = dict[str, Any]
Payload = dict[str, Any]


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


def loss(options: Options) -> Payload:
    """The loss of N parameters on D tokens by a law, and by those of the same text and unit."""
    from bursar import scaling

    law, model = law_of(options), model_of(options)
    limits = {"params": params_of(options, model, law), "tokens": options["tokens"], "flops": options["flops"]}
    if law.answers("alone") and len(given := {name: value for name, value in limits.items() if value is not None}) == 1:
        return _limited_by(law, *given.popitem(), options)
    if options["flops"] is not None:
        raise PlanError(
            "FLOPs beside parameters or tokens",
            field="flops",
            valid="--params with --tokens, or --flops alone by a law that says so",
        )
    params = needed(limits["params"], "params", "a MODEL or --params N")
    tokens = needed(limits["tokens"], "tokens", "--tokens N")
    more = more_of(options)
    if "unique_tokens" in law.takes:
        more.setdefault("unique_tokens", tokens)  # no token is read twice, unless it is said
    value = float(law.loss(params, tokens, **more))
    band = []
    for name in scaling.names():
        other = scaling.law(name)
        if other.answers("loss") and not other.takes and other.comparable(law) and (size := params_of(options, model, other)):
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


def derive(options: Options) -> Payload:
    """Where the closed forms and the exponents come from, step by step."""
    from bursar.scaling.derive import DERIVATIONS

    return derivations(DERIVATIONS, options["derivation"], "derive", options["lang"])
