"""The meter in a loop of Accelerate: readings go to the accelerator's trackers.

found = meter(accelerator, model, optimizer=optimizer)
for batch in loader:
    found.add(batch)
    ...
    if accelerator.sync_gradients:
        found.step()
"""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator

from bursar.measure.meter import Meter


def meter(accelerator: Accelerator, model: Any, **settings: Any) -> Meter:
    """The meter of a prepared model, with the settings of `Meter`; its parallel ranks are those of the accelerator."""

    def write(values: dict[str, Any], step: int) -> None:
        accelerator.log(values, step=step)

    if accelerator.num_processes > 1 and "ranks" not in settings:
        settings.setdefault("group", torch.distributed.group.WORLD)
    log = [write, *([settings.pop("log")] if "log" in settings else [])]
    return Meter(accelerator.unwrap_model(model), log=log, **settings)
