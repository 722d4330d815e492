"""What a run needs beside its steps: failures and checkpoints, energy, and its FLOPs by the conventions of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bursar.cli.asked import Options, Payload, model_of
from bursar.errors import PlanError

if TYPE_CHECKING:
    from bursar.training import Training


def wall(training: Training, run: Payload, options: Options) -> Payload:
    """A run from start to end, with failures and checkpoints: its days, price, energy and carbon."""
    from bursar.questions import energy, goodput

    if not run:
        return {}
    found = goodput.of_training(
        training, device_hours=options["mtbf_device_hours"], bandwidth=options["storage_bandwidth"], again=options["restart"],
        every_steps=options["checkpoint_every"],
    )  # fmt: skip
    assert training.device is not None
    hours = run["device_hours"] / found.goodput
    drawn = energy.of_run(training.device, hours, options["pue"], options["grid"])
    return {
        "goodput": found.goodput,
        "failures": {
            **found._asdict(),
            "expected": 3600 * hours / training.plan.devices / found.mtbf_s,
            "sources": _published(options),
        },
        "wall_days": run["days"] / found.goodput,
        "wall_device_hours": hours,
        "wall_cost_usd": None if run["cost_usd"] is None else run["cost_usd"] / found.goodput,
        "energy_kwh": drawn.energy_kwh if drawn else None,
        "co2_kg": drawn.co2_kg if drawn else None,
        "energy": {**drawn._asdict(), "sources": list(drawn.sources)} if drawn else None,
    }


def _published(options: Options) -> list[str]:
    """Where the failures come from that were not given."""
    from bursar.questions import goodput

    facts = goodput.facts()
    usual = {
        "mtbf_device_hours": facts["interruptions"]["count"], "storage_bandwidth": facts["storage"]["bandwidth"],
        "restart": facts["restart"]["seconds"],
    }  # fmt: skip
    return list(dict.fromkeys(fact.source.title for name, fact in usual.items() if options[name] is None))


def conventions_of(training: Training, options: Options) -> Payload:
    """MFU and HFU of a step by other conventions; what recomputation runs again is counted as ours."""
    if not options["convention"]:
        return {}
    from bursar.facts import sources
    from bursar.questions import conventions
    from bursar.step import Step

    if training.plan.lora_rank or training.plan.freeze_layers or training.plan.weights:
        raise PlanError("conventions count the training of all weights", field="convention", value=options["convention"])
    model, step = model_of(options), Step(1, training.length, 0, training.mask)
    again = training.executed_flops - training.model_flops
    rows: list[Payload] = []
    for name in options["convention"].split(","):
        row = conventions.convention(name.strip())
        flops = training.global_batch * sum(conventions.train_flops(model, step, row.name).values())
        rows.append(
            {
                "convention": row.name,
                "model_flops_per_step": flops,
                "mfu": training.utilization(flops),
                "hfu": training.utilization(flops + again),
                "source": sources()[row.source].title,
                "place": row.place,
            }
        )
    return {"conventions": rows}
