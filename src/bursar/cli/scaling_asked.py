"""What scaling verbs share: the law and the model that are asked for, what a law counts, and what makes an answer doubtful."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bursar.cli import asked
from bursar.errors import PlanError

if TYPE_CHECKING:
    from bursar.model import Model
    from bursar.scaling.law import Doubt, Law, Optimum

Options = dict[str, Any]
Payload = dict[str, Any]
MORE = ("unique_tokens", "experts", "granularity", "bits")


def model_of(options: Options) -> Model | None:
    """The model that is asked for, if one is."""
    return asked.model_of(options) if options.get("model") else None


def law_of(options: Options) -> Law:
    from bursar import scaling
    from bursar.scaling.allocate import DEFAULT

    return scaling.law(options.get("law") or DEFAULT)


def more_of(options: Options) -> dict[str, float]:
    """What a law may need beside parameters and tokens, as far as it is given."""
    return {name: options[name] for name in MORE if options.get(name) is not None}


def params_of(options: Options, model: Model | None, law: Law) -> float | None:
    """Parameters as given, or those of the model by the law's counting rule."""
    from bursar.scaling.counting import count

    if model is not None and options.get("params") is not None:
        raise PlanError("parameters are given by a model or by a number, not both", field="params", valid="one of the two")
    if model is None:
        return options.get("params")
    found = count(model, law.counts.params, options.get("seq"))
    return int(found) if found == int(found) else found


def needed(value: float | None, name: str, valid: str) -> float:
    if value is None:
        raise PlanError(f"this needs {name}", field=name, valid=valid)
    return value


def said(doubts: Iterable[Doubt], options: Options) -> list[str]:
    """What makes an answer doubtful, in the language of the report."""
    from bursar.report.words import say

    return [say(f"doubt_{doubt.key}", options["lang"], **doubt.facts) for doubt in doubts]


def about(law: Law) -> Payload:
    return {"law": law.name, "title": law.title, "counts": law.counts._asdict(), "unit": law.counts.loss}


def optimum(best: Optimum) -> Payload:
    ratio = None if best.params is None else best.tokens / best.params
    return {**best._asdict(), "tokens_per_param": ratio}


def outside(law: Law, best: Optimum, more: dict[str, float], options: Options) -> list[str]:
    return said(law.outside(flops=best.flops, params=best.params, tokens=best.tokens, **more), options)


def numbers(form: object) -> Payload:
    """The constants of a form, those of forms inside it too."""
    found = vars(form)
    return {name: value if isinstance(value, (int, float)) else numbers(value) for name, value in found.items()}
