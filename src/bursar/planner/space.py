"""What a search goes through: the axes, their usual values, and constraints as masks of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from bursar import jobs, marks, recompute
from bursar.dims import divisors
from bursar.errors import PlanError, shown
from bursar.machines.devices import Device
from bursar.model import Model
from bursar.ops.moe import Experts
from bursar.parallel import context, data, offload
from bursar.parallel.schedules import SCHEDULES
from bursar.plan import Plan
from bursar.precision import RECIPES
from bursar.rules.rule import Job
from bursar.step import Step
from bursar.training import Training
from bursar.tree import Architecture

MAX_MICRO_BATCH = 16
VIRTUAL = (2, 4, 8)
LEAST_TOKENS = 2048  # of a sequence on a context-parallel rank
LISTS = ("mlp", "layernorm", "core_attn,mlp", "moe_act", "layernorm,moe_act", "mla_up_proj", "layernorm,mla_up_proj,moe_act", "moe")
SHARDS = ("all", "domain")
BASE = Plan()
DEGREES = ("tensor", "context", "expert", "expert_tensor", "micro_batch")
Values = tuple[Any, ...]


@dataclass(frozen=True)
class Space:
    """What is searched: a job on a cluster. `fixed` says which values an axis has in place of the usual ones, `also` which it has
    beside them; what is no axis stays as it is in `base`."""

    architecture: Architecture
    device: Device
    devices: int
    length: int
    global_batch: int
    base: Plan = BASE
    mask: str = "full"
    fixed: Mapping[str, Values] = field(default_factory=dict, hash=False)
    also: Mapping[str, Values] = field(default_factory=dict, hash=False)

    @property
    def job(self) -> Job:
        return Job(self.length, self.global_batch, self.devices, tuple(self.device.peaks))

    def training(self, plan: Plan, *, checked: bool = True) -> Training:
        return Training(
            self.architecture,
            plan,
            self.device,
            length=self.length,
            global_batch=self.global_batch,
            mask=self.mask,
            checked=checked,
        )

    def values(self, axis: str) -> Values:
        """The values of an axis."""
        own = self.fixed.get(axis) or AXES[axis].usual(self)
        return tuple(dict.fromkeys([*own, *self.also.get(axis, ())]))

    def axes(self) -> dict[str, list[Any]]:
        """Every axis with its values, as they are written."""
        return {name: [axis.write(value) for value in self.values(name)] for name, axis in AXES.items()}

    def settings(self) -> Iterator[Plan]:
        """The choices that change every block: precision, offload, sequence parallelism."""
        for precision, hosted, sequence in product(self.values("precision"), self.values("offload"), self.values("sp")):
            yield replace(self.base, precision=precision, offload=hosted, sequence=sequence)

    def pipelines(self) -> Iterator[tuple[int, str, int]]:
        """Stages, schedule and virtual stages of every pipeline."""
        for stages in self.values("pp"):
            for name in self.values("schedule"):
                if stages == 1 and name == "1f1b":
                    yield 1, name, 1
                elif stages > 1:
                    for virtual in self.values("vp") if SCHEDULES[name].fixed is None else (1,):
                        yield stages, name, virtual

    def shardings(self, stages: int) -> Iterator[tuple[int, str]]:
        """ZeRO stages with the ranks that states are sharded over."""
        for zero, shard in product(self.values("zero"), self.values("shard")):
            usual = stages == 1 or zero <= 1 or "zero" in self.fixed
            if usual and (zero > 0 or shard == "all"):
                yield zero, shard

    def cuts(self, setting: Plan) -> Iterator[tuple[Plan, dict[str, Any]]]:
        """The ways to cut a block, with the degrees of each: ways of context parallelism differ only where there is any, and
        sequence parallelism is there only beside tensor parallelism."""
        both = len(self.values("sp")) > 1
        for place, comm in enumerate(self.values("cp_comm")):
            every = self._degrees([cp for cp in self.values("cp") if cp > 1 or place == 0])
            alone = every["tensor"] == 1
            for sequence, rows in ((True, ~alone), (False, alone)) if setting.sequence else ((False, ~alone | (not both)),):
                if rows.any():
                    own = {name: values[rows] for name, values in every.items()}
                    yield replace(setting, context_comm=comm, sequence=sequence), own

    def _degrees(self, contexts: list[int]) -> dict[str, Any]:
        """tp, cp, ep, etp and micro-batch of every candidate."""
        experts = bool(experts_of(self.architecture))
        rows = [
            (tp, cp, ep, etp, mb)
            for tp, cp, ep, mb in product(self.values("tp"), contexts, self.values("ep"), self.values("micro_batch"))
            for etp in dict.fromkeys([given or tp for given in self.values("etp")] if experts else [tp])
        ]
        return dict(zip(DEGREES, np.array(rows, dtype=np.float64).reshape(-1, len(DEGREES)).T.copy(), strict=True))


def experts_of(architecture: Architecture) -> list[Experts]:
    """The experts of a model's layers."""
    return [line.op for _, line in architecture.walk(Step(1, 1)) if isinstance(line.op, Experts)]


# ── the axes ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Axis(NamedTuple):
    """An axis: its usual values, and how a value is read from text and written."""

    usual: Callable[[Space], Values]
    read: Callable[[str], Any]
    write: Callable[[Any], Any] = lambda value: value


def _whole(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 10**6:
        raise ValueError("whole numbers of 1 or more")
    return int(text)


def _word(*valid: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in valid:
            raise ValueError(", ".join(valid))
        return text

    return read


def _stage(text: str) -> int:
    return int(_word(*map(str, data.STAGES))(text))


def _tensor_of_experts(text: str) -> int:
    return 0 if text == "tp" else _whole(text)


def _modes(text: str) -> str:
    recompute.check(text.replace("+", ","))
    return text.replace("+", ",")


def _hosted(text: str) -> tuple[str, ...]:
    return offload.read(text.replace("+", ","))


def _modes_of(space: Space) -> Values:
    """Of the lists of modules those that a layer of the model has."""
    blocks = [run.block for run in space.architecture.trunk]
    return (*recompute.MODES, *[words for words in LISTS if marks.missing(words, blocks) is None])


AXES: Mapping[str, Axis] = MappingProxyType({
    "tp": Axis(lambda s: tuple(d for d in divisors(s.devices) if d <= s.device.domain.si), _whole),
    "cp": Axis(lambda s: tuple(d for d in divisors(s.devices) if d == 1 or d * LEAST_TOKENS <= s.length), _whole),
    "cp_comm": Axis(lambda s: tuple(context.COMMS), _word(*context.COMMS)),
    "pp": Axis(lambda s: tuple(d for d in divisors(s.devices) if d <= s.architecture.layers), _whole),
    "schedule": Axis(lambda s: tuple(SCHEDULES), _word(*SCHEDULES)),
    "vp": Axis(lambda s: VIRTUAL, _whole),
    "ep": Axis(lambda s: tuple(divisors(min([op.experts for op in experts_of(s.architecture)], default=1))), _whole),
    "etp": Axis(lambda s: (1, 0), _tensor_of_experts, lambda value: value or "tp"),
    "micro_batch": Axis(lambda s: tuple(d for d in divisors(s.global_batch) if d <= MAX_MICRO_BATCH), _whole),
    "zero": Axis(lambda s: data.STAGES, _stage),
    "shard": Axis(lambda s: SHARDS, _word(*SHARDS)),
    "recompute": Axis(_modes_of, _modes),
    "sp": Axis(lambda s: (True,), lambda text: _word("on", "off")(text) == "on", lambda value: "on" if value else "off"),
    "offload": Axis(lambda s: (s.base.offload,), _hosted, lambda value: "+".join(value) or "none"),
    "precision": Axis(lambda s: (s.base.precision,), _word(*RECIPES)),
})  # fmt: skip


def constraints(text: str | Mapping[str, Values] | None, field: str) -> dict[str, Values]:
    """Values of axes: tp=4/8,schedule=1f1b/zb-v,recompute=core_attn+mlp/full."""
    if not isinstance(text, str):
        return dict(text or {})
    found: dict[str, Values] = {}
    for part in text.split(","):
        name, _, words = part.strip().partition("=")
        if name not in AXES:
            raise PlanError(f"{field}={shown(part)}: no axis of a search", field=field, value=part, valid=tuple(AXES))
        try:
            found[name] = tuple(AXES[name].read(word.strip()) for word in words.split("/"))
        except ValueError as error:
            raise PlanError(f"{field}={shown(part)}", field=field, value=part, valid=str(error)) from None
    return found


def space_of(model: Model, options: dict[str, Any], device: Device) -> tuple[Space, jobs.Batch]:
    """The search space of a set of options, and its batch."""
    devices = jobs.device_count(options, device)
    if devices is None:
        raise PlanError("a search needs a number of devices", field="devices", valid="--devices N or --nodes N")
    length = model.length(options["seq"])
    found = jobs.batch(options, length, lambda exact: jobs.suited(exact, devices))
    if found is None:
        raise PlanError("a search needs a global batch", field="global_batch", valid="--global-batch or --global-batch-tokens")
    base = Plan(
        kernels=options["kernels"],
        precision=options["precision"],
        grad_dtype=options["grad_dtype"],
        optimizer=options["optimizer"],
        state_dtype=options["state_dtype"],
        update=options["optimizer_step"],
        offload=options.get("offload", ()),
        **jobs.tuning(options),
    )
    masks = constraints(options.get("fix"), "fix"), constraints(options.get("also"), "also")
    return Space(model.architecture, device, devices, length, found.sequences, base, options["mask"], *masks), found
