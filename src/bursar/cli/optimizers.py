"""Optimizers at work: one traced step, gradient accumulation, a race, and where they come from."""

from __future__ import annotations

import math
from typing import Any

from bursar.cli.table import SETTINGS
from bursar.errors import BursarError, PlanError
from bursar.facts import sources
from bursar.optimizers import OPTIMIZERS, optimizer

Options = dict[str, Any]
Payload = dict[str, Any]
RACERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "lion", "sophia")
WORK = 25_000  # steps of a race over all optimizers and learning rates
POINTS = 60  # of a curve
TRACED = 50_000  # numbers of all steps together


def _plain(value: Any) -> Any:
    """Arrays as lists, a single number as one, and what is no number as text."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


def step(options: Options) -> Payload:
    """Steps of an update rule with given gradients, every quantity on the way named."""
    import numpy as np

    from bursar.theory.race import trace
    from bursar.theory.updates import rule

    row, chosen = optimizer(options["name"]), rule(options["name"])
    settings = chosen.checked({name: options[name] for name in SETTINGS})
    gradients = [np.array(gradient, float) for gradient in options["gradient"] or (1.0,)]
    theta = np.array(options["theta"], float)
    if theta.ndim == 0 and gradients[0].ndim:
        theta = np.broadcast_to(theta, gradients[0].shape).copy()
    for gradient in gradients:
        if gradient.shape != theta.shape:
            raise PlanError(
                f"a gradient of {_shape(gradient)} for a weight of {_shape(theta)}", field="gradient", value=gradient.tolist(),
                valid=f"{_shape(theta)}, steps with colons between them",
            )  # fmt: skip
    single = theta.ndim == 0
    count = options["steps"] or len(gradients)
    if count * theta.size > TRACED:
        raise PlanError(
            f"{count} steps of {theta.size} numbers", field="steps", value=count, valid=f"at most {TRACED:,} numbers in all"
        )
    cycle = [np.atleast_1d(gradients[t % len(gradients)]) for t in range(count)]
    steps, states = zip(*trace(chosen, np.atleast_1d(theta), cycle, settings), strict=True)

    def shown(value: Any) -> Any:
        plain = _plain(value)
        return plain[0] if single and isinstance(plain, list) and len(plain) == 1 else plain

    largest = max(steps, key=lambda one: one.over_lr)
    compared = _against_torch(row.name, np.atleast_1d(theta), cycle, {**chosen.settings, **settings}) if options["torch"] else None
    return {
        "name": row.name, "update": row.update, "source": sources()[row.source].title, "theta0": _plain(theta),
        "settings": {**chosen.settings, **settings},
        "steps": [
            {
                "t": one.t, "gradient": shown(one.gradient), "theta": shown(one.theta), "over_lr": _plain(one.over_lr),
                "trace": {name: shown(value) for name, value in one.trace.items()},
            }
            for one in steps
        ],
        "theta": shown(steps[-1].theta), "over_lr": _plain(steps[-1].over_lr),
        "largest": {"t": largest.t, "over_lr": _plain(largest.over_lr)},
        "state_elements": {name: _size(value) for name, value in states[-1].items()},
        **({} if compared is None else {"torch": {
            "theta": shown(compared[0]), "difference": _plain(float(np.max(np.abs(compared[0] - steps[-1].theta)))),
            "departures": compared[1],
        }}),
    }  # fmt: skip


def _against_torch(name: str, theta: Any, gradients: list[Any], settings: Options) -> tuple[Any, list[str]]:
    """Where torch.optim's steps lead, and what it does otherwise."""
    try:
        from bursar.measure import updates
    except ImportError:
        raise BursarError("comparing needs PyTorch", field="torch", valid="pip install 'bursar[torch]'") from None
    return updates.stepped(name, theta, gradients, settings), updates.departures(name, settings)


def _shape(x: Any) -> str:
    return " × ".join(map(str, x.shape)) + " numbers" if x.ndim else "one number"


def _size(state: Any) -> int:
    """Elements of a state: of an array, of several, or the codes of a blocked one."""
    if hasattr(state, "codes"):
        return int(state.codes.size)
    return sum(part.size for part in state) if isinstance(state, tuple) else int(state.size)


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
        "micro_batches": len(gradients), "counts": list(counts), "gradients": [_plain(gradient) for gradient in gradients],
        "whole_batch": _plain(exact), "measured": whole is not None, "seed": options["seed"],
        **{name: _plain(value) for name, value in found._asdict().items()}, "relative_error": found.errors(exact),
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
            "name": one.name, "lr": one.lr, "final": _plain(one.final), "steps_to_thousandth": one.steps_to,
            "curve": [[t, one.losses[t]] for t in _places(len(one.losses))],
        } for one in runs],
    }  # fmt: skip


def _places(length: int) -> list[int]:
    return sorted({round(index * (length - 1) / (POINTS - 1)) for index in range(POINTS)})


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
