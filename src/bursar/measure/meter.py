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

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from bursar.errors import BursarError
from bursar.machines.devices import Device
from bursar.machines.devices import device as device_named
from bursar.measure import machines
from bursar.measure.batches import Later, given_lengths, read
from bursar.measure.lengths import Batch, Counting, Flops
from bursar.measure.memory_use import Gap, Standing, Use, gaps, use
from bursar.measure.sinks import sinks
from bursar.measure.traced_batches import Traced
from bursar.model import Model, load
from bursar.precision import recipe
from bursar.training import Training
from bursar.tree import Architecture

NONE = Flops(0, 0, 0)
DTYPES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}


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
        tree = _architecture(model, config, job)
        self.counting = Traced(model) if tree is None else Counting(tree, mask, mode, images)
        self.peak = peak if peak is not None else self._peak(device, precision)
        self.sinks, self.standing = sinks(log), Standing(self.module)
        self.steps = 0
        self.sums = Sums()
        self.later: list[Later] = []
        self.began: float | None = None

    def _peak(self, device: str | Device | None, precision: str | None) -> float | None:
        """FLOP/s of one device at its dense peak; None on a CPU, which the catalog has no peak of."""
        named = device_named(device) if isinstance(device, str) else device
        found = named or (self.job and self.job.device) or machines.here(self.at)
        if found is None:
            return None
        if precision is None and self.job is None:
            dtype = next((p.dtype for p in self.module.parameters()), None) if self.module else None
            if dtype not in DTYPES:
                raise BursarError(
                    "the dtype that runs is not known", field="precision", value=dtype, valid="precision=NAME or peak=FLOP/s"
                )
            precision = DTYPES[dtype]
        chosen = recipe(precision) if precision is not None else self.job.plan.recipe  # type: ignore[union-attr]
        return found.peak(chosen.compute).si

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
        self._wait()
        began = time.perf_counter()
        yield
        self._wait()
        if self.began is not None:
            self.began += time.perf_counter() - began

    def read(self) -> Reading:
        """A reading of what went through since the last one, handed to the log. Raises BursarError where nothing has."""
        if self.began is None or not self.sums.steps:
            raise BursarError(
                "nothing went through since the last reading", field="step", valid="meter.add(batch), then meter.step()"
            )
        self._wait()
        ended = time.perf_counter()
        for fetch in self.later:
            batch = fetch()
            self.sums.enter(batch, self.counting.of(batch))
        found = self._reading(ended - self.began)
        self.later, self.sums, self.began = [], Sums(), time.perf_counter()
        for sink in self.sinks:
            sink(found.values(), self.steps)
        return found

    def _wait(self) -> None:
        if self.at.type == "cuda":
            torch.cuda.synchronize(self.at)

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


def _architecture(given: Any, config: Any, job: Training | None) -> Architecture | None:
    """What is counted; None for a module that has no config.

    Raises BursarError where a module has other parameters than its config says, or some that are not trained."""
    if config is not None:
        return _read(config).architecture
    if job is not None:
        return job.architecture
    if not isinstance(given, torch.nn.Module):
        return _read(given).architecture
    own: Any = getattr(given, "config", None)
    if not hasattr(own, "to_json_string"):
        return None
    found = load(json.loads(own.to_json_string()))  # a config.json as transformers writes it
    steering = sum(tensor.numel() for name, tensor in given.named_buffers() if name.endswith("e_score_correction_bias"))
    here = sum(parameter.numel() for parameter in given.parameters()) + steering
    if here != found.params() or not all(parameter.requires_grad for parameter in given.parameters()):
        raise BursarError(
            f"{type(given).__name__} has {here:,} parameters, its config {found.params():,}, or some are frozen", field="model",
            valid="config=MODEL, a bursar Model of what is trained (Model.tuned(plan)), or job=",
        )  # fmt: skip
    return found.architecture


def _read(given: Any) -> Model:
    if isinstance(given, (str, dict)):
        return load(given)
    if isinstance(given, Model):
        return given
    raise BursarError(
        f"no meter for {type(given).__name__}", field="model", valid="a module, a Model, a config, a name of the catalog"
    )
