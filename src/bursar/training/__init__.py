"""A training job: what it holds, how long a step takes, what a run costs."""

from __future__ import annotations

from bursar import ledger
from bursar.dims import Dim, split
from bursar.errors import PlanError
from bursar.ledger import Ledger
from bursar.plan import repeated_flops as marked_flops
from bursar.training.flops import repeated_flops, sequence_flops
from bursar.training.timing import Timing

__all__ = ["Training", "repeated_flops", "sequence_flops"]


class Training(Timing):
    """A model trained by a plan on a device: its bytes, its seconds, and what both come to."""

    def ledger(self) -> Ledger:
        """What one micro-batch costs one rank of every stage that differs, operator by operator."""
        books = [ledger.of_stage(stage, self.step, self.plan, self.kernels) for stage in self.stages]
        return Ledger(tuple(entry for book in books for entry in book))

    @property
    def model_flops(self) -> Dim:
        """Model FLOPs of a step: forward and both gradients of every sequence."""
        return self._passes_of_a_step * sequence_flops(self.architecture, self.length, self.mask, self._together)

    @property
    def executed_flops(self) -> Dim:
        """Model FLOPs and the forward passes that recomputation runs again, by the same counting rule."""
        if self.plan.marked:
            again = marked_flops(self.architecture, self.length, self.mask, self.plan.whole, self._together)
        else:
            again = repeated_flops(self.architecture, self.length, self.mask, self.plan.recompute)
        return self.model_flops + self._passes_of_a_step * again

    @property
    def _together(self) -> int:
        """Sequences whose FLOPs are counted at once: DoRA has products that a micro-batch pays once, all others add up."""
        return self.plan.micro_batch if self.plan.adapter == "dora" else 1

    @property
    def _passes_of_a_step(self) -> Dim:
        return split(self.global_batch, self._together)

    def utilization(self, flops: Dim) -> Dim:
        """FLOPs of a step over what the devices could do in its time, at the dense peak of the dtype that runs."""
        if self.device is None:
            raise PlanError("a utilization needs a device", field="device", valid="--device NAME")
        peak = self.device.peak(self.plan.recipe.compute).si
        return flops / (self.seconds.step * self.plan.devices * peak)
