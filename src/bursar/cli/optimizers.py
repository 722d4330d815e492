"""Optimizers at work: one traced step, gradient accumulation, a race, schedules, and where they come from."""

from __future__ import annotations

from typing import Any

from bursar.cli.optimizer_step import plain, step
from bursar.errors import PlanError
from bursar.facts import sources
from bursar.optimizers import OPTIMIZERS, optimizer

Options = dict[str, Any]
Payload = dict[str, Any]
RACERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "lion", "sophia")
WORK = 25_000  # steps of a race over all optimizers and learning rates
POINTS = 60  # of a curve
__all__ = ["accumulate", "lineage", "race", "schedule", "step"]


def accumulate(options: Options) -> Payload:
    """One step from several micro-batches: gradients summed, divided by their number, and weighted by samples, which is right."""
    import numpy as np

    from bursar.theory.accumulation import accumulated, least_squares

    counts = options["counts"]
    if options["gradient"] is None:
        counts = counts or (8, 8, 8, 8)
        gradients, whole = least_squares(counts, options["seed"])
    else:
        gradients = [np.atleast_1d(np.array(gradient, float)) for gradient in options["gradient"]]
        counts = counts or (1,) * len(gradients)
        whole = None
    if len(counts) != len(gradients) or len({gradient.shape for gradient in gradients}) > 1:
        raise PlanError(
            f"{len(gradients)} gradients of {len(counts)} micro-batches", field="counts", value=list(counts),
            valid="one count for each gradient, gradients of one shape",
        )  # fmt: skip
    found = accumulated(gradients, counts)
    exact = found.weighted if whole is None else whole
    return {
        "micro_batches": len(gradients), "counts": list(counts), "gradients": [plain(gradient) for gradient in gradients],
        "whole_batch": plain(exact), "measured": whole is not None, "seed": options["seed"],
        **{name: plain(value) for name, value in found._asdict().items()}, "relative_error": found.errors(exact),
    }  # fmt: skip


def race(options: Options) -> Payload:
    """Optimizers on a standard problem, each with the best learning rate of a grid."""
    from bursar.theory.problems import problem
    from bursar.theory.race import GRID
    from bursar.theory.race import race as run

    names = options["optimizers"] or RACERS
    names = tuple(OPTIMIZERS) if names == ("all",) else names
    for name in names:
        optimizer(name)
    grid = (options["lr"],) if options["lr"] else GRID
    most = max(1, WORK // (len(names) * len(grid)))
    steps = options["steps"] or min(200, most)
    if steps > most:
        raise PlanError(
            f"steps={steps} of {len(names)} optimizers", field="steps", value=steps, valid=f"1 to {most}, or fewer optimizers"
        )
    chosen = problem(options["problem"], options["seed"])
    runs = run(names, chosen, steps, noise=options["noise"] or 0.0, seed=options["seed"], lrs=grid)
    return {
        "problem": chosen.name, "start_loss": chosen.loss(chosen.start), "parameters": list(chosen.start.shape), "steps": steps,
        "noise": options["noise"] or 0.0, "seed": options["seed"], "learning_rates": list(grid),
        "runs": [{
            "name": one.name, "lr": one.lr, "final": plain(one.final), "steps_to_thousandth": one.steps_to,
            "curve": [[t, one.losses[t]] for t in _places(len(one.losses))],
        } for one in runs],
    }  # fmt: skip


def _places(length: int) -> list[int]:
    return sorted({round(index * (length - 1) / (POINTS - 1)) for index in range(POINTS)})


def schedule(options: Options) -> Payload:
    """A learning-rate schedule: constant, linear, cosine, inverse-sqrt or wsd, after a linear warm-up."""
    from bursar.theory.schedules import Length
    from bursar.theory.schedules import schedule as named

    chosen, updates = named(options["name"]), options["updates"]
    tail = options["decay_updates"]
    length = Length(updates, options["warmup"], (updates // 10 if tail is None else tail) if chosen.name == "wsd" else 0)
    lr, floor = options["lr"] or 1.0, options["floor"]
    return {
        "name": chosen.name, "formula": chosen.formula, "source": sources()[chosen.source].title, "lr": lr, "floor": floor,
        **length._asdict(), "curve": [[t, lr * chosen.at(t, length, floor)] for t in _places(updates + 1)],
    }  # fmt: skip


def lineage(options: Options) -> Payload:
    """Where optimizers come from: year, source, what each continues and what it adds."""
    from bursar.theory import lineage as theory

    depth = theory.generations()
    return {
        "optimizers": [
            {
                "name": one.name, "year": one.year, "parents": list(one.parents), "generation": depth[one.name],
                "idea": one.idea[options["lang"]], "source": sources()[one.source].title,
            }
            for one in theory.lineage()
        ]
    }  # fmt: skip
