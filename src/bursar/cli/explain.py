"""Derivations of any quantity as JSON objects, with their texts in a language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bursar.cli.asked import Options, Payload, device_of, model_of, tuned
from bursar.errors import PlanError, UnknownNameError
from bursar.report.words import say

if TYPE_CHECKING:
    from bursar.explain.step import Explained, Reason, Step

QUANTITIES = ("params", "flops", "activations", "memory", "time", "kv", "scaling")


def explain(options: Options) -> Payload:
    """Where a number comes from: its formula from the operators, the numbers put in, every term with its reason and source."""
    quantity, model = options["quantity"], options["model"]
    if quantity not in QUANTITIES:
        raise UnknownNameError("quantity", quantity, QUANTITIES)
    if quantity == "scaling":
        from bursar.explain import scaling

        return {"quantity": quantity, "as": options["as"], **_explained(scaling.derivation(options["derivation"]), options)}
    if model is None:
        raise PlanError(f"{quantity} of which model?", field="model", valid=f"bursar explain {quantity} MODEL")
    found, asked = _derived(quantity, options)
    return {"quantity": quantity, "model": model, "as": options["as"], **asked, **_explained(found, options)}


def _derived(quantity: str, options: Options) -> tuple[Explained, Payload]:
    """The derivation of a quantity, and what was asked."""
    if quantity in ("memory", "time"):
        if options["layer"] is not None:
            raise PlanError(
                f"no layer of {quantity}", field="layer", value=options["layer"], valid="params, flops, activations, kv"
            )
        return _of_job(quantity, options)
    if quantity == "activations":
        return _activations(options)
    from bursar.explain import flops, kv, params

    model, layer = (model_of if quantity == "kv" else tuned)(options), options["layer"]
    if quantity == "params":
        return params.params(model, layer), {}
    past = options["past"] if quantity == "flops" else 0
    workload = model.step(options["seq"], options["batch"], options["mask"], past=past)
    asked = {"seq": workload.queries, "batch": options["batch"]}
    if quantity == "flops":
        return flops.flops(model, workload, layer), {**asked, "past": past, "mask": options["mask"]}
    return kv.kv(model, workload, options["kv_dtype"], layer), {**asked, "kv_dtype": options["kv_dtype"]}


def _activations(options: Options) -> tuple[Explained, Payload]:
    from bursar import jobs
    from bursar.explain.activations import activations

    model = model_of(options)
    alone = dict.fromkeys(("pp", "dp", "vp"), 1) | dict.fromkeys(("schedule", "layout", "devices", "nodes"))
    plan = jobs.plan({**options, **alone})
    length = model.length(options["seq"])
    asked = {"seq": length, "micro_batch": plan.micro_batch, "kernels": plan.kernels, "precision": plan.precision}
    return activations(model, plan, length, options["mask"], options["layer"]), {**asked, "recompute": plan.recompute}


def _of_job(quantity: str, options: Options) -> tuple[Explained, Payload]:
    from bursar import jobs
    from bursar.explain import memory, time

    model = model_of(options)
    training, _ = jobs.training(model, options, device_of(options))
    answer = memory.memory if quantity == "memory" else time.time
    asked = {"seq": training.length, "global_batch": training.global_batch, "plan": training.plan.options()}
    return answer(model, training), asked


# ── a derivation as an object ────────────────────────────────────────────────────────────────────────────────────────────────


def _explained(found: Explained, options: Options) -> Payload:
    lang, depth = options["lang"], options["depth"]
    step = _step(found.root, found, lang, depth)
    beside = [_step(other, found, lang, depth) for other in found.beside]
    used = {str(letter) for other in (found.root, *found.beside) for letter in _letters(other)}
    return {
        **step,
        "letters": {name: _letter(name, found, lang) for name in sorted(used) if name in found.numbers},
        "definitions": dict(found.defined),
        "beside": beside,
    }


def _letters(step: Step) -> set[Any]:
    import sympy

    return set(sympy.sympify(step.formula).free_symbols).union(*[_letters(part) for part in step.steps])


def _letter(name: str, found: Explained, lang: str) -> Payload:
    from bursar.explain import notation

    return {"value": found.numbers[name], "meaning": notation.meaning(name, lang)}


def _step(step: Step, found: Explained, lang: str, depth: int | None) -> Payload:
    from bursar.explain import readable
    from bursar.facts import sources

    source = sources()[step.source] if isinstance(step.source, str) else step.source
    return {
        "title": _title(step, lang),
        "path": step.name,
        "formula": readable.code(step.formula),
        "text": readable.text(step.formula),
        "closed_form": step.closed or None,
        "latex": readable.latex(step.formula),
        "substitution": _substitution(step, found),
        "value": step.value,
        "unit": step.unit,
        "source": ", ".join(filter(None, (source.title, step.place))),
        "url": source.url,
        "reason": say("explain_semicolon", lang).join(_reason(reason, step, lang) for reason in step.reasons) or None,
        "assumptions": [_said(key, step, lang) for key in step.assumes],
        "steps": [] if depth == 0 else [_step(part, found, lang, None if depth is None else depth - 1) for part in step.steps],
    }


UNITS = {"1": ""}


def _substitution(step: Step, found: Explained) -> str:
    """The numbers put in, and what comes out with its unit; of an equation the numbers of its letters."""
    from bursar.explain import readable

    if step.value is None or getattr(step.formula, "is_Relational", False):
        return ", ".join(f"{name} = {value:.6g}" for name, value in step.facts.items() if isinstance(value, float))
    numbers, value = readable.substituted(step.formula, found.numbers), readable.number(step.value)
    return f"{numbers} = {value} {UNITS.get(step.unit, step.unit)}".strip()


def _said(key: str, step: Step, lang: str) -> str:
    return say(key, lang, **step.facts)


def _title(step: Step, lang: str) -> str:
    return _said(step.key, step, lang) if step.key else step.name


def _reason(reason: Reason, step: Step, lang: str) -> str:
    comma = say("comma", lang)
    by = comma.join(reason.lines)
    shape = "×".join(f"{size:,}" for size in step.facts.get("shape", ()))  # type: ignore[attr-defined]
    count = step.facts.get("instances", 1)
    copies = say("explain_instances", lang, count=count) if count != 1 else ""
    return say(reason.key, lang, by=by, by_line=say("explain_by", lang, by=by) if by else "", shape=shape, copies=copies)
