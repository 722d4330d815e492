"""The meter in Lightning: `Trainer(callbacks=[MeterCallback(model)])`. Readings go to the trainer's loggers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from lightning.pytorch import Callback

from bursar.measure.meter import Meter


def _as_it_is(batch: Any) -> Any:
    return batch


class MeterCallback(Callback):
    """Meters `model`, by default the LightningModule itself, with the settings of `Meter`; `inputs` makes of a batch what the model
    is called with."""

    def __init__(self, model: Any = None, *, inputs: Callable[[Any], Any] = _as_it_is, **settings: Any) -> None:
        self.model, self.inputs, self.settings = model, inputs, settings
        self.meter: Meter | None = None
        self.steps = 0
        self.evaluation = ExitStack()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        def write(values: dict[str, Any], step: int) -> None:
            for logger in trainer.loggers:
                logger.log_metrics(values, step)

        settings = {"every": trainer.log_every_n_steps, "optimizer": trainer.optimizers[0], **self.settings}
        if trainer.world_size > 1 and "ranks" not in settings:
            settings.setdefault("group", torch.distributed.group.WORLD)
        log = [write, *([settings.pop("log")] if "log" in settings else [])]
        self.meter = Meter(self.model or pl_module, log=log, **settings)
        self.steps = trainer.global_step

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self.meter is not None:
            self.meter.add(self.inputs(batch))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.meter is not None and trainer.global_step > self.steps:  # other batches only add up gradients
            self.steps = trainer.global_step
            self.meter.step()

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        if self.meter is not None:
            self.evaluation.enter_context(self.meter.paused())

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self.evaluation.close()
