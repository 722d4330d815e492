"""What differs, term by term: two models, two plans of one model, or two conventions of counting FLOPs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bursar.cli.asked import Options, Payload, device_of, model_of
from bursar.errors import PlanError, UnknownNameError

if TYPE_CHECKING:
    from bursar.ledger import Ledger
    from bursar.model import Model
    from bursar.training import Training

Terms = Mapping[str, Any]
PER_MODEL = ("parameters", "flops", "activations", "kv")


def diff(options: Options) -> Payload:
    """What differs between two models, two plans (--against "--tp 4"), or two conventions of FLOPs (--convention 6nd,megatron)."""
    asked = [name for name in ("b", "against", "convention") if options[name]]
    if len(asked) != 1:
        raise PlanError(
            "what is compared with what?", field="b", valid='one of: a second model, --against "OPTIONS", --convention A[,B]'
        )
    return {"b": _models, "against": _plans, "convention": _conventions}[asked[0]](options)


def _models(options: Options) -> Payload:
    """Parameters, FLOPs, kept bytes and KV cache by path."""
    first, second = (_model_terms({**options, "model": options[side]}) for side in ("a", "b"))
    units = {"parameters": "1", "flops": "FLOP", "activations": "B", "kv": "B"}
    rows = [_quantity(name, units[name], first[name], second[name]) for name in PER_MODEL]
    return {"compared": "models", "a": options["a"], "b": options["b"], "quantities": rows}


def _model_terms(options: Options) -> dict[str, Terms]:
    from bursar import jobs, ledger

    model = model_of(options)
    workload = model.step(options["seq"], options["micro_batch"], options["mask"])
    alone = dict.fromkeys(("pp", "dp", "vp"), 1) | dict.fromkeys(("schedule", "layout", "devices", "nodes"))
    plan = jobs.plan({**options, **alone})
    kept = model.activations(plan, workload.queries, options["mask"]).entries
    cache = model.kv(workload.queries, options["micro_batch"], options["kv_dtype"])
    return {
        "parameters": model.parameters().components,
        "flops": ledger.of_model(model.architecture, workload).where(quantity="flops").by("path"),
        "activations": kept.by("path"),
        "kv": {"cache": cache.bytes, "states": options["micro_batch"] * cache.state_bytes},
    }


# ── two plans ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _plans(options: Options) -> Payload:
    """Memory and seconds by part, and what a rank of the worst stage keeps, computes and sends by path."""
    from bursar import jobs

    changes = _read(options["against"])
    own, other = ({**options, "model": options["a"], **changed} for changed in ({}, changes))
    first, second = (jobs.training(model_of(each), each, device_of(each))[0] for each in (own, other))
    rows = [_quantity("memory", "B", *[_memory(job) for job in (first, second)])]
    if first.device and second.device:
        rows.append(_quantity("time", "s", *[job.time()._asdict() for job in (first, second)]))
    for quantity, unit in (("parameters", "1"), ("flops", "FLOP"), ("bytes", "B"), ("sent", "B")):
        books = [_book(job).where(quantity=quantity) for job in (first, second)]
        if books[0].entries or books[1].entries:
            rows.append(_quantity(f"rank_{quantity}", unit, *[book.by("path") for book in books]))
    plans = [job.plan.options() for job in (first, second)]
    changed = {name: [plans[0][name], plans[1][name]] for name in plans[0] if plans[0][name] != plans[1][name]}
    return {"compared": "plans", "model": options["a"], "a": "", "b": options["against"], "changed": changed, "quantities": rows}


def _read(text: str) -> dict[str, Any]:
    """Options as they are written on a command line."""
    from bursar.cli.table import VERBS
    from bursar.options import OPTIONS, switch, values

    given: dict[str, Any] = {}
    try:
        words = iter(shlex.split(text))
    except ValueError as error:
        raise PlanError(f"against={text!r}: {error}", field="against", value=text, valid='options, as in "--tp 4"') from None
    for word in words:
        name = word.removeprefix("--").replace("-", "_")
        off = name.startswith("no_") and name not in OPTIONS
        name = name.removeprefix("no_") if off else name
        if not word.startswith("--") or name not in VERBS["diff"].options or name in ("against", "convention"):
            raise UnknownNameError("option", word, [f"--{option.replace('_', '-')}" for option in VERBS["diff"].options])
        if not switch(OPTIONS[name]):
            given[name] = next(words, None)
            if given[name] is None:
                raise PlanError(f"{word} needs a value", field=name, valid=OPTIONS[name].valid or OPTIONS[name].meaning)
        else:
            given[name] = not off
    return values(given)


def _worst(job: Training) -> int:
    peaks = [stage.peak for stage in job.memory()]
    return peaks.index(max(peaks))


def _memory(job: Training) -> Terms:
    return job.memory()[_worst(job)]._asdict()


def _book(job: Training) -> Ledger:
    """What one micro-batch costs a rank of the worst stage."""
    stage = next(stage for stage in job.stages if _worst(job) in stage.indices)
    return job.ledger().where(stage=stage.index)


# ── two conventions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _conventions(options: Options) -> Payload:
    """Training FLOPs of a batch as two conventions count them, part by part; one alone is compared with ours."""
    from bursar.facts import sources
    from bursar.questions import conventions

    names = [name.strip() for name in options["convention"].split(",")]
    names = ["bursar", *names] if len(names) == 1 else names
    if len(names) != 2:
        raise PlanError(
            f"convention={options['convention']}", field="convention", value=options["convention"], valid="one or two names"
        )
    model: Model = model_of({**options, "model": options["a"]})
    workload = model.step(options["seq"], options["micro_batch"], options["mask"])
    counted = [conventions.train_flops(model, workload, name) for name in names]
    rows = [conventions.convention(name) for name in names]
    cited = [", ".join(filter(None, (sources()[row.source].title, row.place))) for row in rows]
    return {
        "compared": "conventions", "model": options["a"], "a": names[0], "b": names[1], "sources": cited,
        "seq": workload.queries, "quantities": [_quantity("flops", "FLOP", *counted)],
    }  # fmt: skip


def _quantity(name: str, unit: str, a: Terms, b: Terms) -> Payload:
    """A quantity on both sides, term by term in order of first appearance."""
    terms = [{"term": str(key), "a": a.get(key, 0), "b": b.get(key, 0)} for key in {**a, **b}]
    totals = sum(a.values()), sum(b.values())
    return {
        "quantity": name, "unit": unit, "a": totals[0], "b": totals[1], "difference": totals[1] - totals[0],
        "terms": [{**term, "difference": term["b"] - term["a"]} for term in terms],
    }  # fmt: skip
