"""One update rule, step by step with given gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bursar.cli.groups.optimizers import SETTINGS
from bursar.errors import BursarError, PlanError
from bursar.facts import sources
from bursar.optimizers import optimizer

if TYPE_CHECKING:
    from bursar.theory.race import Traced
    from bursar.theory.updates.rule import Array

Options = dict[str, Any]
Payload = dict[str, Any]
TRACED = 50_000  # numbers of all steps together


def plain(value: Any) -> Any:
    """Arrays as lists, a single number as one, and what is no number as text."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


def step(options: Options) -> Payload:
    """Steps of an update rule with given gradients, every quantity on the way named."""
    from bursar.theory.race import trace
    from bursar.theory.updates import rule

    row, chosen = optimizer(options["name"]), rule(options["name"])
    settings = {**chosen.settings, **chosen.checked({name: options[name] for name in SETTINGS})}
    theta, gradients = _given(options)
    steps, states = zip(*trace(chosen, theta, gradients, settings), strict=True)
    return {
        "name": row.name,
        "update": row.update,
        "source": sources()[row.source].title,
        "theta0": _shown(theta, options),
        "settings": settings,
        **_rows(steps, options),
        "state_elements": {name: _size(value) for name, value in states[-1].items()},
        **(_against_torch(row.name, theta, gradients, settings, steps[-1].theta, options) if options["torch"] else {}),
    }


def _given(options: Options) -> tuple[Array, list[Array]]:
    """The weight and the gradient of every step, which are repeated for more steps than there are gradients; all with an axis."""
    import numpy as np

    gradients = [np.array(gradient, float) for gradient in options["gradient"] or (1.0,)]
    theta = np.array(options["theta"], float)
    if theta.ndim == 0:  # one number for all
        theta = np.broadcast_to(theta, gradients[0].shape).copy()
    for gradient in gradients:
        if gradient.shape != theta.shape:
            raise PlanError(
                f"a gradient of {_shape(gradient)} for a weight of {_shape(theta)}", field="gradient", value=gradient.tolist(),
                valid=f"{_shape(theta)}, steps with colons between them",
            )  # fmt: skip
    count = options["steps"] or len(gradients)
    if count * theta.size > TRACED:
        raise PlanError(f"{count} steps of {_shape(theta)}", field="steps", value=count, valid=f"at most {TRACED:,} numbers in all")
    return np.atleast_1d(theta), [np.atleast_1d(gradients[t % len(gradients)]) for t in range(count)]


def _shape(x: Array) -> str:
    return " × ".join(map(str, x.shape)) + " numbers" if x.ndim else "one number"


def _shown(value: Any, options: Options) -> Any:
    """A quantity of the weight's shape: one number where the weight was given as one."""
    single = not isinstance(options["theta"], list) and not isinstance((options["gradient"] or (1.0,))[0], list)
    found = plain(value)
    return found[0] if single and isinstance(found, list) else found


def _rows(steps: Sequence[Traced], options: Options) -> Payload:
    """Every step, and what people ask first: where it ended, and the largest step."""
    largest = max(steps, key=lambda one: one.over_lr)
    return {
        "steps": [
            {
                "t": one.t, "gradient": _shown(one.gradient, options), "theta": _shown(one.theta, options),
                "over_lr": plain(one.over_lr), "trace": {name: _shown(value, options) for name, value in one.trace.items()},
            }
            for one in steps
        ],
        "theta": _shown(steps[-1].theta, options), "over_lr": plain(steps[-1].over_lr),
        "largest": {"t": largest.t, "over_lr": plain(largest.over_lr)},
    }  # fmt: skip


def _size(state: Any) -> int:
    """Elements of a state: of an array, of several, or the codes of a blocked one."""
    if hasattr(state, "codes"):
        return int(state.codes.size)
    return sum(part.size for part in state) if isinstance(state, tuple) else int(state.size)


def _against_torch(
    name: str, theta: Array, gradients: Sequence[Array], settings: Payload, ours: Array, options: Options
) -> Payload:
    """Where torch.optim's steps lead, how far that is from ours, and what it does otherwise."""
    try:
        from bursar.measure import updates
    except ImportError:
        raise BursarError("comparing needs PyTorch", field="torch", valid="pip install 'bursar[torch]'") from None
    theirs = updates.stepped(name, theta, gradients, settings)
    return {
        "torch": {
            "theta": _shown(theirs, options),
            "difference": plain(float(abs(theirs - ours).max())),
            "departures": updates.departures(name, settings),
        }
    }
