"""One training step as it runs, beside what was predicted of it; needs `pip install 'bursar[torch]'`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bursar.errors import BursarError

if TYPE_CHECKING:
    from bursar.measure.profile import Profile
    from bursar.model import Model

Options = dict[str, Any]
Payload = dict[str, Any]
LAYERS, LENGTH = 2, 128  # of a model of the catalog, where nothing else is asked for
PRECISIONS = {"fp32": "float32", "bf16-pure": "bfloat16"}
SCALAR = 8  # bytes of a number of Python as a tensor


class Job(NamedTuple):
    """A module with its inputs, and the model that predicts it, if there is one."""

    module: Any
    args: tuple[Any, ...]
    kwargs: Any
    model: Model | None


def profile(options: Options) -> Payload:
    """A training step of a MODEL or a TARGET on the CPU: memory by category from operator to operator, and the time of operators."""
    try:
        from bursar.measure.profile import profile as run
        from bursar.measure.rates import achieved
    except ImportError:
        raise BursarError("profiling needs PyTorch", field="what", valid="pip install 'bursar[torch]'") from None
    job = _made(options)
    found = run(job.module, job.args, job.kwargs, optimizer=options["optimizer"], says=_says)
    dtype = next(job.module.parameters()).dtype
    _says("a product and a copy, for the rates of this machine")
    rates = achieved(dtype)
    if options["trace_file"]:
        _write(options["trace_file"], found)
    return {
        "what": options["what"],
        "module": found.kind,
        "optimizer": options["optimizer"],
        "parameters": sum(parameter.numel() for parameter in job.module.parameters()),
        **(_asked(options, job.model) if job.model else {}),
        "standing": dict(found.standing),
        "measured": {
            "peak": found.allocated.peak,
            "operator": found.allocated.operator,
            "step_s": found.allocated.seconds,
        },
        "highest": _row(found, found.highest),
        **(_prediction(options, job.model, found) if job.model else {}),
        "rates": rates._asdict(),
        "operators": _operators(found, found.predicted(rates)),
        "timeline": [_row(found, row) for row in found.rows],
        "trace_file": options["trace_file"],
        "html": options["html"],
    }


def _says(words: str) -> None:
    """Progress, for long work."""
    if sys.stderr.isatty():
        print(f"bursar profile: {words}", file=sys.stderr)


def _made(options: Options) -> Job:
    if ":" in options["what"]:
        from bursar.measure import target

        made = target.make(options["what"], "cpu")
        return Job(made.module.train(), made.args, made.kwargs, None)
    import torch

    try:
        from bursar.measure import models
    except ImportError:
        raise BursarError("profiling a model needs transformers", field="what", valid="pip install transformers") from None
    model = _few_layers(options)
    dtype = getattr(torch, PRECISIONS[_precision(options)])
    values = model.published.values
    module = models.build(values, attention=_kernels(options), dtype=dtype).train()
    given = models.training_inputs(values, options["seq"] or LENGTH, options["micro_batch"], dtype)
    if "input_ids" in given and "labels" in given:
        given["labels"] = given["input_ids"]  # one tensor, as a training loop has it
    return Job(module, (), given, model)


def _few_layers(options: Options) -> Model:
    """The model with its first layers, unless their number is asked for; lists with a value for every layer are cut with it."""
    from bursar.model import load

    changes = dict(options["set"] or ())
    values = load(options["what"], changes=tuple(changes.items())).published.values
    depth = values.get("num_hidden_layers")
    wanted = options["layers"] or LAYERS
    if "num_hidden_layers" not in changes and isinstance(depth, int) and depth > wanted:
        lists = {key: value[:wanted] for key, value in values.items() if isinstance(value, list) and len(value) == depth}
        changes |= {"num_hidden_layers": wanted, **lists}
    return load(options["what"], changes=tuple(changes.items()))


def _precision(options: Options) -> str:
    """The dtype of everything."""
    given: str = "fp32" if options["precision"] == "bf16" else options["precision"]
    if given not in PRECISIONS:
        raise BursarError(f"precision={given} of a profile", field="precision", value=given, valid=tuple(PRECISIONS))
    return given


def _kernels(options: Options) -> str:
    given: str = "eager" if options["kernels"] == "fused" else options["kernels"]
    if given not in ("eager", "sdpa"):
        raise BursarError(f"kernels={given} of a profile", field="kernels", value=given, valid=("eager", "sdpa"))
    return given


def _asked(options: Options, model: Model) -> Payload:
    return {
        "layers": int(model.architecture.layers),
        "seq": options["seq"] or LENGTH,
        "micro_batch": options["micro_batch"],
        "precision": _precision(options),
        "kernels": _kernels(options),
    }


def _prediction(options: Options, model: Model, found: Profile) -> Payload:
    """The highest moment that a plan predicts, above weights and states, and its difference from what the allocator saw."""
    from bursar import timeline
    from bursar.plan import Plan
    from bursar.training import Training

    precision, batch = _precision(options), options["micro_batch"]
    plan = Plan(
        kernels=_kernels(options), precision=precision, micro_batch=batch, grad_buffer="lazy", optimizer=options["optimizer"],
        update="for-loop", state_dtype="bf16" if precision == "bf16-pure" else None,
    )  # fmt: skip
    training = Training(model, plan, length=options["seq"] or LENGTH, global_batch=batch)
    moment = max(training.moments(), key=lambda moment: int(moment.memory.peak))
    held = moment.memory
    states = int(held.weights + held.master_weights + held.optimizer_state + held.runtime)
    scalars = SCALAR * int(model.architecture.layers) if _kernels(options) == "eager" else 0
    parts = {name: int(value) for name, value in held._asdict().items() if value and name != "runtime"}
    peak = int(held.peak) - states
    return {
        "predicted": {"peak": peak, "moment": timeline.name(training.stages[0], moment)[0], **parts},
        "difference": found.allocated.peak - peak,
        "scalars": scalars,
    }


def _row(found: Profile, row: Any) -> Payload:
    from bursar.measure.tracked import CATEGORIES

    sums = dict(zip(CATEGORIES, row.bytes, strict=True))
    return {
        "operator": row.operator, "module": row.module, "phase": row.phase, "began_s": row.began - found.rows[0].began,
        "seconds": row.seconds, **sums, "total": sum(row.bytes),
    }  # fmt: skip


def _operators(found: Profile, predicted: dict[str, float]) -> list[Payload]:
    """Operators, longest first: calls and seconds as the profiler saw them, and the least that this machine needs for them."""
    return [
        {"op": name, "calls": time.calls, "seconds": time.seconds, "predicted_s": predicted.get(name)}
        for name, time in found.allocated.times.items()
    ]


def _write(place: str, found: Profile) -> None:
    from bursar.measure.chrome import chrome

    try:
        Path(place).write_text(json.dumps(chrome(found)), encoding="utf-8")
    except OSError as error:
        raise BursarError(f"cannot write {place}: {error.strerror}", field="trace_file", value=place) from None
