"""What runs say of a machine, or a measurement of it: options in, one JSON object out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bursar import own
from bursar.cli.asked import Options, Payload, device_of, model_of
from bursar.errors import BursarError, PlanError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bursar.calibrate.fit import Fit
    from bursar.calibrate.runs import Run

ENDING = ".toml"


def calibrate(options: Options) -> Payload:
    """Multipliers of a device's rates from runs: a table of them (.csv, .json), or a training log with its MODEL and options."""
    if options["measure"]:
        return _measured(options)
    if not options["file"]:
        raise PlanError("a calibration needs runs", field="file", valid="runs as .csv or .json, a log with its MODEL, or --measure")
    _writable(options["out"], "out")
    from bursar.calibrate.fit import fit, known
    from bursar.calibrate.runs import is_table, read

    if is_table(options["file"]):
        runs, about = read(options["file"], options["model"], options["device"]), {"format": "table"}
    else:
        runs, about = _of_log(options)
    found = fit(runs)
    payload = {
        "file": options["file"], **about,
        "device": runs[0].job.device.id if runs[0].job.device else None,
        "multipliers": found.multipliers._asdict(),
        "settled": found.settled._asdict(),
        "runs": [_row(*row) for row in zip(runs, found.before, found.after, found.left_out, strict=True)],
        "jobs": found.jobs,
        "errors": {
            "before": _errors(found.before), "after": _errors(found.after),
            "left_out": _errors([ratio for ratio in found.left_out if ratio is not None]),
        },
        "band": [found.fastest, found.slowest],
        "prior": known()["prior"]["noise"].source.title,
        "out": options["out"],
    }  # fmt: skip
    if options["out"]:
        own.write(options["out"], _file(runs, found), "file")
    return payload


def _of_log(options: Options) -> tuple[tuple[Run, ...], Payload]:
    """The run of a log, and how its step time was found."""
    from bursar.calibrate import logs
    from bursar.calibrate.runs import run, says
    from bursar.calibrate.steady import steady

    log = logs.read(options["file"], options["log_format"])
    name = Path(options["file"]).name
    warm = steady(log.points, name)
    device = device_of(options)
    if options["model"] is None or device is None:
        missing = "device" if options["model"] else "model"
        raise PlanError(f"the run of {name} names no {missing}", field=missing, valid="bursar calibrate LOG MODEL --device NAME")
    asked = _batched(options, warm.batch, name)
    says(asked)
    found = run(name, model_of(options), asked, device, log.measures, warm.value)
    about = {"measures": log.measures, **warm._asdict()}
    return (found,), {"format": log.format, "log": about}


def _batched(options: Options, batch: int | None, name: str) -> Options:
    """The options with the batch that the log says; refused where they say another."""
    if batch is None or options["global_batch_tokens"] is not None:
        return options
    if options["global_batch"] not in (None, batch):
        raise PlanError(
            f"{name} ends with a global batch of {batch}", field="global_batch", value=options["global_batch"], valid=batch
        )
    return {**options, "global_batch": batch}


def _row(run: Run, before: float, after: float, left_out: float | None) -> Payload:
    job = run.job
    return {
        "name": run.name, "seq": job.length, "global_batch": job.global_batch, "devices": job.plan.devices,
        "plan": job.plan.options(),
        "measured_s": run.step_s, "predicted_s": run.step_s / before, "calibrated_s": run.step_s / after,
        "before": before, "after": after, "left_out": left_out,
    }  # fmt: skip


def _errors(ratios: Sequence[float]) -> Payload | None:
    """Mean size, bias and the worst of predicted over measured time, less one."""
    if not ratios:
        return None
    found = [1 / ratio - 1 for ratio in ratios]
    return {
        "runs": len(found),
        "mean": math.fsum(map(abs, found)) / len(found),
        "bias": math.fsum(found) / len(found),
        "worst": max(found, key=abs),
    }


def _file(runs: Sequence[Run], found: Fit) -> str:
    from datetime import UTC, datetime

    from bursar.calibrate import file
    from bursar.calibrate.runs import ranges

    models = sorted({run.job.architecture.family for run in runs})
    scope = ", ".join(
        [*models, *[f"{name} {low}" if low == high else f"{name} {low} to {high}" for name, low, high in ranges(runs)]]
    )
    device = str(runs[0].job.device and runs[0].job.device.id)
    made = file.Calibration(
        device, file.digest(runs[0].job.achieved), found.multipliers, found.fastest, found.slowest, len(runs), scope,
        found.jobs, found.governed,
    )  # fmt: skip
    return file.text(made, datetime.now(UTC).date().isoformat())


def _writable(path: str | None, field: str) -> None:
    if path is not None and not path.lower().endswith(ENDING):
        raise PlanError(f"{field.replace('_', '-')}={shown(path)}", field=field, value=path, valid=f"a file that ends in {ENDING}")


def _measured(options: Options) -> Payload:
    """What the machine at hand achieves, as a device file."""
    _writable(options["device_file"], "device_file")
    if options["file"]:
        raise PlanError("--measure reads no file", field="measure", value=options["file"], valid="one of the two")
    try:
        from bursar.measure import microbench
    except ImportError:
        raise BursarError("measuring needs PyTorch", field="measure", valid="pip install 'bursar[torch]'") from None
    from bursar.calibrate import device_file

    found: Any = microbench.measured(options["on"], quick=bool(options["quick"]))
    if found is None:
        raise SystemExit(0)  # a rank beside the first, which writes
    text = device_file.text(found)
    if options["device_file"]:
        own.write(options["device_file"], text, "file")
    return {**found.payload(), "device_file": options["device_file"], "toml": text}
