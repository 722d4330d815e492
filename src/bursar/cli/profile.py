"""One training step as it runs, beside what was predicted of it; needs `pip install 'bursar[torch]'`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from bursar import own
from bursar.errors import BursarError

if TYPE_CHECKING:
    from bursar.measure.profile import Profile
    from bursar.model import Model

Options = dict[str, Any]
Payload = dict[str, Any]
LAYERS, LENGTH = 2, 128  # of a model of the catalog, where nothing else is asked for
PRECISIONS = ("fp32", "bf16-pure")
DEPTHS = ("layers", "decoder_layers")  # words of notation


class Made(NamedTuple):
    """A module with its inputs, and the model that predicts it, if there is one."""

    module: Any
    args: tuple[Any, ...]
    kwargs: Any
    model: Model | None


def profile(options: Options) -> Payload:
    """A training step of a MODEL or a TARGET: memory by category, its peak, and the time of operators."""
    try:
        from bursar.measure import machines
        from bursar.measure.chrome import chrome
        from bursar.measure.profile import profile as run
        from bursar.measure.rates import achieved
    except ImportError:
        raise BursarError("profiling needs PyTorch", field="what", valid="pip install 'bursar[torch]'") from None
    job = _made(options, str(machines.there(options["on"])))
    found = run(job.module, job.args, job.kwargs, optimizer=options["optimizer"], says=_says)
    first = next(job.module.parameters())
    _says("a product and a copy, for the rates of this machine")
    rates = achieved(first.dtype, first.device)
    if options["trace_file"]:
        own.write(options["trace_file"], json.dumps(chrome(found)), "trace_file")
    return {
        "what": options["what"],
        "module": found.kind,
        "device": str(first.device),
        "optimizer": options["optimizer"],
        "params": _params(job),
        **(_asked(options, job.model) if job.model else {}),
        "standing": dict(found.standing),
        "measured": {
            "peak": found.allocated.peak,
            "operator": found.allocated.operator,
            "step_s": found.allocated.seconds,
        },
        "highest": _row(found, found.highest),
        **(_prediction(options, job, job.model, found) if job.model else {}),
        "rates": rates._asdict(),
        "operators": _operators(found, found.predicted(rates)),
        "timeline": [{**_row(found, row), **_moment(found, at)} for at, row in enumerate(found.rows)],
        "trace_file": options["trace_file"],
        "record": options["record"],
        "html": options["html"],
    }


def _says(words: str) -> None:
    """Progress, for long work."""
    if sys.stderr.isatty():
        print(f"bursar profile: {words}", file=sys.stderr)


def _made(options: Options, device: str) -> Made:
    if ":" in options["what"]:
        from bursar.measure import target

        made = target.make(options["what"], device)
        return Made(made.module.train(), made.args, made.kwargs, None)
    try:
        from bursar.measure.records import Job
        from bursar.measure.steps import step_of
    except ImportError:
        raise BursarError("profiling a model needs transformers", field="what", valid="pip install transformers") from None
    model = _few_layers(options)
    module, given = step_of(model, Job(**_job(options)), device)
    return Made(module, (), given, model)


def _few_layers(options: Options) -> Model:
    """The model with its first layers, unless a change says their number; lists with a value for every layer are cut with it."""
    from bursar.model import load
    from bursar.notation import SYMBOLS

    changes = dict(options["set"] or ())
    values = load(options["what"], changes=tuple(changes.items())).published.values
    wanted = options["layers"] or LAYERS
    keys = [key for symbol in SYMBOLS if symbol.word in DEPTHS for key in symbol.keys if key in values]
    if not any(key in changes for key in keys):
        depths = {key: values[key] for key in keys if isinstance(values[key], int) and values[key] > wanted}
        lists = {key: value[:wanted] for key, value in values.items() if isinstance(value, list) and len(value) in depths.values()}
        changes |= {**dict.fromkeys(depths, wanted), **lists}
    return load(options["what"], changes=tuple(changes.items()))


def _precision(options: Options) -> str:
    """The dtype of everything."""
    given: str = "fp32" if options["precision"] == "bf16" else options["precision"]
    if given not in PRECISIONS:
        raise BursarError(f"precision={given} of a profile", field="precision", value=given, valid=PRECISIONS)
    return given


def _kernels(options: Options) -> str:
    given: str = "eager" if options["kernels"] == "fused" else options["kernels"]
    if given not in ("eager", "sdpa"):
        raise BursarError(f"kernels={given} of a profile", field="kernels", value=given, valid=("eager", "sdpa"))
    return given


def _params(job: Made) -> int:
    return sum(parameter.numel() for parameter in job.module.parameters())


def _job(options: Options) -> dict[str, Any]:
    return {
        "seq": options["seq"] or LENGTH,
        "micro_batch": options["micro_batch"],
        "precision": _precision(options),
        "kernels": _kernels(options),
        "optimizer": options["optimizer"],
    }


def _asked(options: Options, model: Model) -> Payload:
    return {"layers": int(model.architecture.layers), **_job(options)}


def _prediction(options: Options, job: Made, model: Model, found: Profile) -> Payload:
    """The highest moment that a plan predicts, above weights and states, and how far the allocator's is above it; between operators
    alone, without what an operator makes inside itself, too."""
    from bursar.measure import records

    ours = records.predicted(model, records.Job(**_job(options)))
    flops = sum(row.flops for row in found.rows)
    between = sum(found.highest.bytes) - sum(found.standing.values())
    measured = {"params": _params(job), "train_flops": flops, "peak": between}
    if options["record"]:
        seen = {"allocator_peak": found.allocated.peak, "step_s": found.allocated.seconds}
        records.write(options["record"], _record(options, model, {**measured, **seen}))
    return {
        "predicted": {"peak": ours.peak, "moment": ours.moment, "train_flops": ours.train_flops, **ours.parts},
        "difference": found.allocated.peak - ours.peak,
        "between_operators": between - ours.peak,
        "scalars": ours.scalars,
        "train_flops": flops,
    }


def _record(options: Options, model: Model, measured: Payload) -> Payload:
    from datetime import UTC, datetime

    from bursar.measure.machines import described, there

    return {
        "id": f"profile-{model.name}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": described(there(options["on"])),
        "config": model.published.values,
        "job": _job(options),
        "measured": measured,
    }


def _row(found: Profile, row: Any) -> Payload:
    from bursar.measure.tracked import CATEGORIES

    sums = dict(zip(CATEGORIES, row.bytes, strict=True))
    return {
        "operator": row.operator, "module": row.module, "phase": row.phase, "began_s": row.began - found.rows[0].began,
        "seconds": row.seconds, **sums, "total": sum(row.bytes),
    }  # fmt: skip


def _moment(found: Profile, at: int) -> Payload:
    """What a GPU's allocator had at an operator."""
    return {f"allocator_{name}": value for name, value in found.moments[at]._asdict().items()} if found.moments else {}


def _operators(found: Profile, predicted: dict[str, float]) -> list[Payload]:
    """Operators, longest first: calls and seconds as the profiler saw them, and the least that this machine needs for them."""
    return [
        {"op": name, "calls": time.calls, "seconds": time.seconds, "predicted_s": predicted.get(name)}
        for name, time in found.allocated.times.items()
    ]
