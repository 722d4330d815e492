"""Rules of batches, devices, stages and their schedules."""

from __future__ import annotations

from collections.abc import Iterator

from bursar.dims import divides, floor_div
from bursar.parallel import pipeline
from bursar.parallel.schedules import schedule
from bursar.plan import Plan
from bursar.rules.rule import Demand, Job
from bursar.tree import Architecture


def of_batch(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    if job.global_batch is not None:
        yield Demand(
            divides(plan.data * plan.micro_batch, job.global_batch),
            lambda plan: (
                f"dp·micro_batch={plan.data}·{plan.micro_batch} does not divide the global batch of {job.global_batch} sequences"
            ),
            lambda plan: f"a multiple of {plan.data * plan.micro_batch}",
        )


def of_devices(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    if job.devices is not None:
        yield Demand(
            plan.devices == job.devices,
            lambda plan: f"tp·cp·pp·dp={plan.tensor}·{plan.context}·{plan.pipeline}·{plan.data} is not devices={job.devices}",
            lambda plan: "degrees whose product is the number of devices",
        )


def of_stages(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    yield Demand(
        plan.pipeline <= architecture.layers,
        lambda plan: f"pp={plan.pipeline} stages of {architecture.layers} layers",
        lambda plan: f"1 to {architecture.layers}",
    )


def of_schedule(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    kind, ranks = schedule(plan.schedule), plan.pipeline
    yield Demand(
        (ranks > 1 or kind.alone) and ranks % kind.unit_of_ranks == 0,
        lambda plan: f"schedule={plan.schedule} of pp={ranks}",
        lambda plan: "an even pp" if kind.unit_of_ranks == 2 else "pp of 2 or more, or schedule 1f1b",
    )
    least, unit = kind.least(ranks), kind.unit(ranks)
    if job.global_batch is not None and (least > 1 or unit > 1):
        micro_batches = floor_div(job.global_batch, plan.data * plan.micro_batch)
        yield Demand(
            (micro_batches >= least) & divides(unit, micro_batches),
            lambda plan: f"schedule={plan.schedule} of {micro_batches} micro-batches on pp={ranks} stages",
            lambda plan: f"{least} or more" + (f", a multiple of {unit}" if unit > 1 else ""),
        )


def of_virtual(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    kind, own = schedule(plan.schedule), plan.virtual
    yield Demand(
        own > 1 if kind.fixed is None else own in (1, kind.fixed // kind.copies),
        lambda plan: f"vp={own} with schedule={plan.schedule}",
        lambda plan: (
            ("2 or more" if kind.fixed is None else "1" if kind.fixed == 1 or kind.copies > 1 else "1, or 2 which it has anyway")
            + ("; interleaved for more" if kind.fixed is not None else "")
        ),
    )
    if plan.layout is None and plan.pipeline <= architecture.layers:
        chunks = kind.numbered(plan.pipeline, own)
        yield Demand(
            chunks <= architecture.layers and (kind.fixed is not None or architecture.layers % chunks == 0),
            lambda plan: f"schedule={plan.schedule} has {chunks} virtual stages for {architecture.layers} layers",
            lambda plan: f"pp·vp that divides {architecture.layers}, or a layout" if kind.fixed is None else architecture.layers,
        )


def of_layout(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    if plan.layout is not None:
        kind = schedule(plan.schedule)
        chunks = kind.numbered(plan.pipeline, plan.virtual)
        yield Demand(
            pipeline.fits(plan.layout, architecture.layers, plan.pipeline, kind, plan.virtual),
            lambda plan: f"layout={','.join(map(str, plan.layout or ()))} of {architecture.layers} layers",
            lambda plan: f"{chunks} counts that add up to {architecture.layers}",
        )


def of_zero(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    yield Demand(
        plan.zero < 2 or not schedule(plan.schedule).splits,
        lambda plan: f"zero={plan.zero} scatters gradients after a backward pass, and schedule={plan.schedule} puts them off",
        lambda plan: "zero 0 or 1, or schedule gpipe, 1f1b, interleaved",
    )


def of_length(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    if architecture.max_length is not None:
        yield Demand(
            job.length <= architecture.max_length,
            lambda plan: f"seq={job.length} is beyond the {architecture.max_length} learned positions",
            lambda plan: f"1 to {architecture.max_length}",
        )
