"""A reading of a meter: what went through in some steps, and at what rates."""

from __future__ import annotations

from dataclasses import dataclass

from bursar.measure.lengths import Batch, Flops
from bursar.measure.memory_use import Gap, Use


@dataclass(frozen=True)
class Reading:
    """What went through in some steps of all data-parallel ranks: tokens (None where the model has none) with and without padding,
    model and executed FLOPs, seconds of the loop. `devices` share them; `peak` is the dense peak of one, None where not known.
    `memory` and its `gaps` are of this rank."""

    step: int
    steps: int
    seconds: float
    samples: int
    tokens: int | None
    tokens_run: int | None
    model_flops: int
    executed_flops: int
    devices: int
    peak: float | None
    memory: Use
    gaps: tuple[Gap, ...]

    @property
    def tokens_per_s(self) -> float | None:
        return None if self.tokens is None else self.tokens / self.seconds

    @property
    def model_tflops_per_device(self) -> float:
        return self.model_flops / self.seconds / self.devices / 1e12

    @property
    def mfu(self) -> float | None:
        return None if self.peak is None else self.model_flops / (self.seconds * self.devices * self.peak)

    @property
    def hfu(self) -> float | None:
        return None if self.peak is None else self.executed_flops / (self.seconds * self.devices * self.peak)

    def explained(self, lang: str = "en") -> str:
        """The memory of this rank beside what was predicted, a line for every part; "" without a prediction."""
        return "\n".join([gap.explained(lang) for gap in self.gaps])

    def values(self) -> dict[str, int | float]:
        """What a logger takes: numbers by name, those left out that are not known."""
        found = {
            "seconds_per_step": self.seconds / self.steps,
            "samples_per_s": self.samples / self.seconds,
            "tokens_per_s": self.tokens_per_s,
            "padding": None if not self.tokens_run or self.tokens is None else 1 - self.tokens / self.tokens_run,
            "model_flops": self.model_flops,
            "executed_flops": self.executed_flops,
            "model_tflops_per_device": self.model_tflops_per_device,
            "mfu": self.mfu,
            "hfu": self.hfu,
            **{f"memory_{part}": value for part, value in self.memory._asdict().items()},
            **{f"memory_gap_{gap.part}": gap.difference for gap in self.gaps},
        }
        return {key: value for key, value in found.items() if value is not None}


@dataclass
class Sums:
    """What has gone through since a reading."""

    steps: int = 0
    samples: int = 0
    tokens: int = 0
    run: int = 0
    model: int = 0
    executed: int = 0

    def enter(self, batch: Batch, flops: Flops) -> None:
        self.samples += len(batch.lengths)
        self.tokens += batch.tokens
        self.run += batch.run
        self.model += flops.model
        self.executed += flops.executed
