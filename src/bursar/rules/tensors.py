"""Rules of what tensors are: formats, implementations, recomputation, offload, adapters."""

from __future__ import annotations

from collections.abc import Iterator

from bursar import marks, recompute
from bursar.kernels import MODULES, TRACED, frozen
from bursar.parallel.schedules import schedule
from bursar.plan import Plan
from bursar.precision import RECIPES
from bursar.rules.rule import Demand, Job
from bursar.tree import Architecture


def of_precision(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    needs, peaks = plan.recipe.peaks, job.peaks
    if peaks is not None and plan.recipe.operand:
        yield Demand(
            set(needs) <= set(peaks),
            lambda plan: f"precision={plan.precision} needs dense peaks of {', '.join(needs)}; the device has {', '.join(peaks)}",
            lambda plan: [name for name, other in RECIPES.items() if set(other.peaks) <= set(peaks)],
        )
    if plan.recipe.autocast:
        yield from of_autocast(architecture, plan)


def of_autocast(architecture: Architecture, plan: Plan) -> Iterator[Demand]:
    """What torch.autocast keeps is traced for whole modules of transformers."""
    name = plan.precision
    traced = ", ".join(TRACED)
    yield Demand(plan.kernels in TRACED, lambda plan: f"precision={name} with kernels={plan.kernels}", lambda plan: traced)
    yield Demand(
        (plan.tensor == 1) & (plan.context == 1),
        lambda plan: f"precision={name} with tp={plan.tensor}, cp={plan.context}: autocast is traced for whole operators",
        lambda plan: "tp=1 and cp=1",
    )
    options = {"weights": plan.weights is not None, "schedule": schedule(plan.schedule).splits}
    for option in [option for option, given in options.items() if given]:
        yield Demand(
            False,
            lambda plan, option=option: f"precision={name} is not traced with {option}={getattr(plan, option)}",  # type: ignore[misc]
            lambda plan, option=option: f"no {option}" if option != "schedule" else "a schedule that keeps backward passes whole",  # type: ignore[misc]
        )


def of_kernels(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    kernels = plan.kernels_of(architecture.family)
    if kernels.profile in TRACED:
        yield Demand(
            kernels.family in MODULES,
            lambda plan: f"what {plan.kernels} kernels keep is not traced for family {architecture.family}",
            lambda plan: f"textbook, fused, or one of {', '.join(MODULES)}",
        )
        yield Demand(
            kernels.family in frozen.FAMILIES or not (plan.lora_rank or plan.freeze_layers),
            lambda plan: f"what {plan.kernels} kernels keep beside frozen weights is not traced for family {architecture.family}",
            lambda plan: f"textbook, fused, or one of {', '.join(frozen.FAMILIES)}",
        )


def of_recomputed(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    if plan.recompute not in recompute.MODES:
        found = marks.missing(plan.recompute, [run.block for run in architecture.trunk])
        if found is not None:
            word, have = found
            yield Demand(False, lambda plan: f"recompute={plan.recompute}: no layer has {word}", lambda plan: have)


def of_offload(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    states, weights = "optimizer" in plan.offload, "parameters" in plan.offload
    if weights:
        yield Demand(
            plan.zero == 3,
            lambda plan: f"offload=parameters with zero={plan.zero}: weights stay where they are used",
            lambda plan: "zero 3",
        )
    if states:
        yield Demand(
            not plan.states.paged,
            lambda plan: f"offload=optimizer with {plan.optimizer}, whose states are in managed memory already",
            lambda plan: "an optimizer that is not paged, or no offload of it",
        )
    if plan.sharding == "per-parameter":
        yield Demand(
            states == weights,
            lambda plan: f"offload={','.join(plan.offload)} with sharding=per-parameter: FSDP2 moves weights and states together",
            lambda plan: "optimizer,parameters",
        )
    if "activations" in plan.offload:
        yield Demand(
            not schedule(plan.schedule).splits,
            lambda plan: f"offload=activations with schedule={plan.schedule}, whose weight gradients still need them",
            lambda plan: "gpipe, 1f1b, interleaved",
        )


def of_adapter(architecture: Architecture, plan: Plan, job: Job) -> Iterator[Demand]:
    if plan.adapter == "dora":
        yield Demand(
            plan.tensor == 1,
            lambda plan: f"adapter=dora with tp={plan.tensor}: the norms of rows that are cut over ranks would have to meet",
            lambda plan: "tp=1, or adapter=lora",
        )
