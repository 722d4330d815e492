"""`Meter`: tokens, exact FLOPs, MFU, HFU and memory of a training loop, in three lines of it.

    meter = Meter(model, optimizer=optimizer, log="meter.jsonl")
    for batch in loader:
        meter.add(batch)  # every micro-batch
        ...
        meter.step()  # after optimizer.step()

Model FLOPs are those of the tokens that are no padding, forward and backward, every product once; MFU is their rate over the dense
peak (arXiv:2204.02311, appendix B). Executed FLOPs are those of whole rows, padding included, and of what is computed again for the
backward pass; HFU is their rate over the same peak. The clock stops for nothing but a reading: until then no GPU is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from bursar.errors import BursarError
from bursar.machines.devices import Device
from bursar.measure.batches import Later, given_lengths, read
from bursar.measure.counted import architecture
from bursar.measure.counted import peak as peak_of
from bursar.measure.lengths import Batch, Counting
from bursar.measure.memory_use import Standing, gaps, use
from bursar.measure.reading import Reading, Sums
from bursar.measure.sinks import sinks
from bursar.measure.timing import wait
from bursar.measure.traced_batches import Traced
from bursar.training import Training


class Meter:
    """Meters a training loop; `step` returns a Reading every `every` steps (0: `read` is called for one), and None in between.

    model      a transformers model (its config is read), a bursar Model, a config as a dict, a name of the catalog; any other
               module is traced once for every shape of batch
    config     what is counted in place of the module's own config: a Model (with what a plan freezes and adapts), a dict, a name
    optimizer  whose states are counted
    job        what was predicted (a bursar.Training): its device, precision and recomputation are taken, its memory is compared
    device     of the catalog; that of the GPU at hand is found by its name, and an unknown one is refused
    precision  whose dense peak counts; by default that of the module's dtype. `peak` is one in FLOP/s that is no catalog's
    mask       "full" counts every pair of a sequence, as papers do, "causal" those that are attended to
    recompute  "none", "selective" or "full": what runs again counts for HFU
    varlen     packed rows run sequence by sequence (flash attention with position ids), and not as a whole
    replica    devices that one replica of the model is cut over; `ranks`, replicas whose batches are as large as this one's
    group      process group of the data-parallel ranks, in place of `ranks`: their sums are gathered, so every rank meters
    log        where readings go (`sinks`)
    """

    def __init__(
        self,
        model: Any,
        *,
        config: Any = None,
        optimizer: torch.optim.Optimizer | None = None,
        job: Training | None = None,
        device: str | Device | None = None,
        precision: str | None = None,
        peak: float | None = None,
        mask: str = "full",
        recompute: str | None = None,
        images: int = 0,
        varlen: bool = False,
        replica: int = 1,
        ranks: int = 1,
        group: Any = None,
        every: int = 10,
        log: Any = None,
    ) -> None:
        if min(replica, ranks) < 1 or every < 0:
            raise BursarError(f"replica={replica}, ranks={ranks}, every={every}", field="every", value=every, valid="1 or more")
        self.module = model if isinstance(model, torch.nn.Module) else None
        self.optimizer, self.job, self.every, self.varlen = optimizer, job, every, varlen
        self.replica, self.ranks, self.group = replica, ranks, group
        self.at = next((p.device for p in self.module.parameters()), torch.device("cpu")) if self.module else torch.device("cpu")
        mode = recompute or (job.plan.recompute if job else "none")
        tree = architecture(model, config, job)
        self.counting = Traced(model) if tree is None else Counting(tree, mask, mode, images)
        self.peak = peak if peak is not None else peak_of(self.module, self.at, job, device, precision)
        self.sinks, self.standing = sinks(log), Standing(self.module)
        self.steps = 0
        self.sums = Sums()
        self.later: list[Later] = []
        self.began: float | None = None

    def add(self, batch: Any = None, *, lengths: Any = None) -> None:
        """A micro-batch that goes through the model: the mapping or the tensors that it is called with, or the lengths of its
        sequences. Raises BursarError where no sequences are in it."""
        if self.began is None:
            self.began = time.perf_counter()
        if isinstance(self.counting, Traced):
            self.sums.enter(self.counting.batch(batch), self.counting.of(batch))
            return
        found = given_lengths(lengths) if lengths is not None else read(batch, self.varlen)
        if isinstance(found, Batch):
            self.sums.enter(found, self.counting.of(found))
        else:
            self.later.append(found)

    def step(self) -> Reading | None:
        """The optimizer has made a step."""
        self.steps += 1
        self.sums.steps += 1
        return self.read() if self.sums.steps == self.every else None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What runs inside (an evaluation, a checkpoint) is no part of the time."""
        wait(self.at)
        began = time.perf_counter()
        yield
        wait(self.at)
        if self.began is not None:
            self.began += time.perf_counter() - began

    def read(self) -> Reading:
        """A reading of what went through since the last one, handed to the log. Raises BursarError where nothing has."""
        if self.began is None or not self.sums.steps:
            raise BursarError(
                "nothing went through since the last reading", field="step", valid="meter.add(batch), then meter.step()"
            )
        wait(self.at)
        ended = time.perf_counter()
        for fetch in self.later:
            batch = fetch()
            self.sums.enter(batch, self.counting.of(batch))
        found = self._reading(ended - self.began)
        self.later, self.sums, self.began = [], Sums(), time.perf_counter()
        for sink in self.sinks:
            sink(found.values(), self.steps)
        return found

    def _reading(self, seconds: float) -> Reading:
        samples, tokens, run, model, executed, ranks = self._joined()
        used = use(self.standing, self.optimizer, self.at)
        words = isinstance(self.counting, Counting)
        return Reading(
            self.steps, self.sums.steps, seconds, samples, tokens if words else None, run if words else None, model, executed,
            ranks * self.replica, self.peak, used, gaps(used, self.job) if self.job else (),
        )  # fmt: skip

    def _joined(self) -> tuple[int, ...]:
        """The sums of all ranks, and how many these are."""
        own = (self.sums.samples, self.sums.tokens, self.sums.run, self.sums.model, self.sums.executed)
        if self.group is None:
            return (*[self.ranks * part for part in own], self.ranks)
        count = torch.distributed.get_world_size(self.group)
        every: list[Any] = [None] * count
        torch.distributed.all_gather_object(every, own, group=self.group)
        return (*[sum(column) for column in zip(*every, strict=True)], count)
