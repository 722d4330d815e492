"""What a rank of every stage works on: its blocks, its part of the batch, and the device that runs them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from bursar.dims import Dim, split
from bursar.errors import PlanError
from bursar.kernels import Kernels
from bursar.machines.devices import Device, Rates, rates_of
from bursar.machines.machine import Machine, placed
from bursar.machines.network import Network, network
from bursar.machines.roofline import Roofline, roofline
from bursar.parallel.pipeline import Stage
from bursar.plan import Plan
from bursar.rules import Job, check
from bursar.step import Step
from bursar.tree import Architecture, Block


class Trainable(Protocol):
    """Anything that is built as an architecture, such as a Model."""

    @property
    def architecture(self) -> Architecture: ...


@dataclass(frozen=True, eq=False)
class Work:
    """A model trained by a plan on a device, with sequences of `length` tokens and `global_batch` of them per step.

    With ints every number is exact and every rule of `rules.py` is checked; with arrays in the plan it is many plans at once
    (`checked=False`: their mask comes from `rules.mask`).
    """

    model: Architecture | Trainable
    plan: Plan
    device: Device | None = None
    length: int = 2048
    global_batch: Dim = None  # dp · micro_batch, unless given
    mask: str = "full"
    checked: bool = True
    rates: Rates | None = None  # what the device achieves, where that was measured; else what is known of its kind

    def __post_init__(self) -> None:
        if self.global_batch is None:
            object.__setattr__(self, "global_batch", self.plan.data * self.plan.micro_batch)
        if self.checked:
            peaks = tuple(self.device.peaks) if self.device else None
            check(self.architecture, self.plan, Job(self.length, self.global_batch, peaks=peaks))

    @cached_property
    def architecture(self) -> Architecture:
        """The model with what the plan trains of it."""
        return self.plan.tuned(self.model if isinstance(self.model, Architecture) else self.model.architecture)

    @cached_property
    def kernels(self) -> Kernels:
        """What runs the operators."""
        return self.plan.kernels_of(self.architecture.family)

    @cached_property
    def step(self) -> Step:
        """A rank's tokens of one micro-batch."""
        return Step(self.plan.micro_batch, split(self.length, self.plan.context, "seq", "cp"), 0, self.mask)

    @cached_property
    def micro_batches(self) -> Dim:
        """Micro-batches of a step on one rank."""
        return split(self.global_batch, self.plan.data * self.plan.micro_batch, "global batch", "dp·micro_batch")

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One rank of every stage that differs, each the first of its kind."""
        return self.plan.stages(self.architecture)

    @cached_property
    def _modes(self) -> dict[Block, str]:
        """Every block with its recompute mode: only layers are recomputed."""
        layers = {block: self.plan.mode for stage in self.stages for _, _, block in stage.layers}
        ends = {block: "none" for stage in self.stages for block in (*stage.stem, *stage.tail)}
        return {**layers, **ends}

    @cached_property
    def machine(self) -> Machine:
        return placed(self.roofline, self.network, self.plan)

    @cached_property
    def roofline(self) -> Roofline:
        return roofline(self._given, self.plan.recipe, self.rates)

    @cached_property
    def network(self) -> Network:
        return network(self._given, self.plan.devices, self.rates)

    @property
    def achieved(self) -> Rates:
        """The rates that its seconds are predicted at."""
        return self.rates or rates_of(self._given)

    @property
    def _given(self) -> Device:
        """The device that seconds are those of."""
        if self.device is None:
            raise PlanError("a time needs a device", field="device", valid="--device NAME")
        return self.device
