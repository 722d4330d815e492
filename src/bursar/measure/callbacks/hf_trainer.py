"""The meter in transformers' Trainer: `meter(trainer)` before `trainer.train()`.

Every micro-batch is counted as `training_step` gets it, so compiled and wrapped models are metered alike. Readings join what the
Trainer logs, at its own steps and to its own trackers. Evaluation is no part of the time; saving is.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainerCallback

from bursar.measure.meter import Meter


class _Watch(TrainerCallback):
    """Counts steps, and adds a reading to whatever is logged after some."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.meter.optimizer = given.get("optimizer")

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.meter.step()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **given: Any) -> None:
        if logs is None or "loss" not in logs or not self.meter.sums.steps:
            return
        values = self.meter.read().values()
        logs.update(values)
        state.log_history[-1].update(values)


def meter(trainer: Any, **settings: Any) -> Meter:
    """The meter of a Trainer, with the settings of `Meter`; its parallel ranks are those of the Trainer."""
    if torch.distributed.is_initialized() and "ranks" not in settings:
        settings.setdefault("group", torch.distributed.group.WORLD)
    found = Meter(trainer.model, every=0, **settings)
    step, evaluate = trainer.training_step, trainer.evaluate

    def counted(model: Any, inputs: Any, *args: Any, **given: Any) -> Any:
        found.add(inputs)
        return step(model, inputs, *args, **given)

    def apart(*args: Any, **given: Any) -> Any:
        with found.paused():
            return evaluate(*args, **given)

    trainer.training_step, trainer.evaluate = counted, apart
    trainer.callback_handler.callbacks.insert(0, _Watch(found))  # before those that write what is logged
    return found
