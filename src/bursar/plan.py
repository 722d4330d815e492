"""A plan: how a job is cut over devices, and the one order in which its rewrites apply.

    tree → adapters → tensor and sequence parallelism → context parallelism → expert parallelism → pipeline stages → recomputation
         → (kernels, precision)

Degrees may be ints, or float64 arrays that hold many plans at once; structure (recompute mode, ZeRO stage, pipeline
length, kernels) is one for all plans of an array. Sequence parallelism is structure too: where an array has it, no plan of it
has one tensor-parallel rank.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from bursar import adapters, marks, recompute
from bursar.adapters import Tuning
from bursar.dims import Dim, is_array, is_symbol, split
from bursar.errors import PlanError, UnknownNameError
from bursar.kernels import Kernels, autocast
from bursar.optimizers import Optimizer, check_update, optimizer
from bursar.parallel import context, data, expert, offload, overlap, pipeline, tensor
from bursar.parallel.pipeline import Stage
from bursar.parallel.schedules import schedule
from bursar.precision import Recipe, recipe
from bursar.step import Step
from bursar.tree import Architecture, Block

# field → name on the command line, in JSON and in messages
CLI_NAMES: dict[str, str] = {
    "tensor": "tp", "sequence": "sp", "expert": "ep", "expert_tensor": "etp", "pipeline": "pp", "data": "dp", "zero": "zero",
    "micro_batch": "micro_batch", "recompute": "recompute", "kernels": "kernels", "precision": "precision",
    "grad_dtype": "grad_dtype", "optimizer": "optimizer", "context": "cp", "context_comm": "cp_comm",
    "shard_group": "shard_group", "sharding": "sharding", "reshard": "reshard",
    "expert_load": "expert_load",
    "lora_rank": "lora_rank", "adapter": "adapter", "lora_targets": "lora_targets", "lora_dropout": "lora_dropout",
    "weights": "weights", "freeze_layers": "freeze_layers", "checkpoint": "checkpointing",
    "schedule": "schedule", "virtual": "vp", "layout": "layout",
    "grad_buffer": "grad_buffer", "gathered": "gathered", "state_dtype": "state_dtype", "update": "optimizer_step",
    "offload": "offload", "overlap": "overlap", "expert_comm": "ep_comm",
    "launch": "launch",
}  # fmt: skip
# gradients have buffers from the start (Megatron, DeepSpeed), are made by the first backward pass (PyTorch, set_to_none), or are
# made by every one in the dtype of the weights and added to buffers at its end (nanotron)
GRAD_BUFFERS = ("allocated", "lazy", "accumulated")
LAUNCHES = ("eager", "graph")  # operators are launched one by one, or as CUDA graphs
GATHERED = ("again", "kept")  # inputs that sequence parallelism gathers come again in the backward pass, or stay
CHOICES: dict[str, tuple[str, ...]] = {
    "gathered": GATHERED, "grad_buffer": GRAD_BUFFERS, "expert_comm": expert.COMMS, "launch": LAUNCHES, "sharding": data.SHARDINGS,
    "context_comm": tuple(context.COMMS),
}  # fmt: skip
DEGREES = ("tensor", "expert", "expert_tensor", "pipeline", "data", "micro_batch", "context")
COUNTS = (*DEGREES, "virtual")


@dataclass(frozen=True)
class Plan:
    """The degrees and choices of a training job."""

    tensor: Dim = 1
    sequence: bool = False
    expert: Dim = 1
    expert_tensor: Dim = None  # the tensor-parallel size, unless given
    pipeline: int = 1
    data: Dim = 1
    zero: int = 0
    micro_batch: Dim = 1
    recompute: str = "none"
    kernels: str = "fused"
    precision: str = "bf16"
    grad_dtype: str | None = None
    optimizer: str = "adamw"
    context: Dim = 1
    context_comm: str = "ring"
    shard_group: Dim = None  # ranks that states are sharded over; all that hold the same weights, unless given
    sharding: str = "flat"
    reshard: bool = True
    expert_load: str = "uniform"
    lora_rank: int = 0
    adapter: str = "lora"
    lora_targets: str | None = None
    lora_dropout: float = 0.0
    weights: str | None = None
    freeze_layers: int = 0
    checkpoint: str = "reentrant"
    schedule: str = "1f1b"
    virtual: int = 1  # chunks of a rank, where the schedule leaves it open
    layout: tuple[int, ...] | None = None  # layers of each stage, or of each chunk
    grad_buffer: str = "allocated"
    gathered: str = "again"
    state_dtype: str | None = None
    update: str = "fused"
    offload: tuple[str, ...] = ()  # what lives on the host; a text with commas is read
    overlap: tuple[str, ...] = overlap.USUAL  # which communication runs beside compute; a text with commas is read
    expert_comm: str = "all-to-all"
    launch: str = LAUNCHES[0]

    def __post_init__(self) -> None:
        if self.expert_tensor is None:
            object.__setattr__(self, "expert_tensor", self.tensor)
        recompute.check(self.recompute, self.checkpoint)
        adapters.check(self.tuning)
        expert.shares(self.expert_load)
        schedule(self.schedule)
        for name, valid in CHOICES.items():
            if getattr(self, name) not in valid:
                raise UnknownNameError(CLI_NAMES[name], getattr(self, name), valid)
        if self.zero not in data.STAGES:
            raise PlanError(f"zero={self.zero}", field="zero", value=self.zero, valid=data.STAGES)
        if self.update != "fused":
            check_update(optimizer(self.optimizer), self.update)
        if self.offload != ():
            object.__setattr__(self, "offload", offload.read(self.offload))
        if self.overlap is not overlap.USUAL:
            object.__setattr__(self, "overlap", overlap.read(self.overlap))
        for name in COUNTS if self.shard_group is None else (*COUNTS, "shard_group"):
            _check_count(CLI_NAMES[name], getattr(self, name))

    @property
    def devices(self) -> Dim:
        return self.tensor * self.context * self.pipeline * self.data

    @cached_property
    def many(self) -> bool:
        """Whether it is many plans at once."""
        return any(is_array(getattr(self, name)) for name in DEGREES)

    @property
    def data_context(self) -> Dim:
        """Ranks that hold the same dense weights: their gradients are summed over the batch and over the parts of a sequence."""
        return self.data * self.context

    @cached_property
    def expert_data(self) -> Dim:
        """Ranks of a stage that hold the same experts."""
        return split(self.tensor * self.data_context, self.expert * self.expert_tensor, "tp·cp·dp", "ep·etp")

    def sharers(self, group: str) -> Dim:
        """Ranks that hold the same weights of a group of parameters: dense ones ("data") or experts ("expert_data")."""
        return (self.data_context if group == "data" else self.expert_data) * schedule(self.schedule).copies

    @cached_property
    def replicas(self) -> Dim:
        """Groups of ranks that each hold all states of the same weights."""
        return 1 if self.shard_group is None else split(self.data_context, self.shard_group, "cp·dp", "shard_group")

    def shards(self, group: str) -> Dim:
        """Ranks that the states of a group of parameters are sharded over."""
        whole = self.sharers(group)
        return whole if self.shard_group is None else split(whole, self.replicas, f"{group} ranks", "replicas")

    @cached_property
    def recipe(self) -> Recipe:
        return recipe(self.precision, self.grad_dtype, self.state_dtype)

    @cached_property
    def states(self) -> Optimizer:
        return optimizer(self.optimizer).stored_as(int(self.recipe.rate["state"]))

    @cached_property
    def flat(self) -> bool:
        """Whether every parameter costs the same bytes, and none of them for a while in the optimizer step."""
        return self.states.flat and self.states.workspace is None and not self.recipe.products and self.update != "for-loop"

    @cached_property
    def tuning(self) -> Tuning:
        """What of the model is trained."""
        inputs = self.checkpoint == "reentrant" and self.recompute.startswith("full")
        options = self.lora_rank, self.adapter, self.lora_targets, self.lora_dropout, self.weights, self.freeze_layers
        return Tuning(*options, input_grads=inputs)

    def tuned(self, architecture: Architecture) -> Architecture:
        """The model with its adapters and frozen weights."""
        return adapters.tune(architecture, self.tuning) if self.lora_rank or self.freeze_layers else architecture

    @cached_property
    def marked(self) -> bool:
        """Whether recomputation is a rewrite of the layers, rather than one of the modes that are read off the operators."""
        if self.recompute not in recompute.MODES:
            return True
        tuned = bool(self.lora_rank or self.freeze_layers)
        return self.recompute != "none" and (tuned or self.checkpoint == "non-reentrant")

    @property
    def mode(self) -> str:
        """The recompute mode of its layers as they are cut."""
        return recompute.MARKED if self.marked else self.recompute

    def kernels_of(self, family: str) -> Kernels:
        """The implementations that run a family's operators."""
        return Kernels.named(self.kernels, family, wide=self.recipe.activation == "fp32", quantised=self.recipe.operand is not None)

    @property
    def scatters(self) -> bool:
        """Whether tensor-parallel ranks share the tokens outside of their products: one rank alone has none to share, and gathers
        into no buffer (Megatron-LM turns sequence parallelism off)."""
        return self.sequence and not (type(self.tensor) is int and self.tensor == 1)

    def block(self, block: Block) -> Block:
        """One rank's part of a block."""
        cut = tensor.shard(block, self.tensor, sequence=self.scatters)
        cut = tensor.keeping(cut) if self.gathered == "kept" else cut
        cut = context.shard(cut, self.context, self.context_comm)
        return expert.shard(
            cut,
            expert=self.expert,
            expert_tensor=self.expert_tensor,
            tensor=self.tensor,
            sequence=self.scatters,
            load=self.expert_load,
        )

    def cast(self, block: Block, family: str) -> Block:
        """A block under torch.autocast."""
        return autocast.applied(block, self.kernels_of(family).table, family)

    def stages(self, architecture: Architecture) -> tuple[Stage, ...]:
        """One rank's part of every pipeline stage that differs."""
        if self.many:
            return _stages(architecture, self, self.marked)
        shape = replace(
            self.cut, pipeline=self.pipeline, schedule=self.schedule, virtual=self.virtual, layout=self.layout,
            recompute=self.recompute if self.marked else "none", checkpoint=self.checkpoint if self.marked else "reentrant",
        )  # fmt: skip
        return _stages_cached(architecture, shape, self.marked)

    @cached_property
    def cut(self) -> Plan:
        """What a rank's part of a block depends on; plans that share it share the part."""
        return Plan(
            self.tensor, self.scatters, self.expert, self.expert_tensor,
            context=self.context, gathered=self.gathered, context_comm=self.context_comm, expert_load=self.expert_load,
            kernels=self.kernels if self.recipe.autocast else "fused", precision=self.precision if self.recipe.autocast else "bf16",
        )  # fmt: skip

    @cached_property
    def whole(self) -> Plan:
        """Its stages alone, every operator whole."""
        return Plan(
            pipeline=self.pipeline, schedule=self.schedule, virtual=self.virtual, layout=self.layout, recompute=self.recompute,
            checkpoint=self.checkpoint, kernels=self.kernels, precision=self.precision,
        )  # fmt: skip

    @cached_property
    def undivided(self) -> Plan:
        """Its choices without its degrees, on which the load of a block that is cut already does not depend."""
        return Plan(
            precision=self.precision, grad_dtype=self.grad_dtype, optimizer=self.optimizer, state_dtype=self.state_dtype,
            update=self.update, grad_buffer=self.grad_buffer if self.zero < 2 else GRAD_BUFFERS[0],
        )  # fmt: skip

    @cached_property
    def within(self) -> Plan:
        """Its choices without those on which the seconds of a block do not depend, once it is cut and recomputed: the batch, the
        pipeline, and how states are sharded."""
        return replace(
            self, micro_batch=1, pipeline=1, schedule="1f1b", virtual=1, layout=None, data=1, zero=0, shard_group=None,
            sharding=data.SHARDINGS[0], reshard=True, recompute="none", checkpoint=recompute.CHECKPOINTS[0], offload=(),
        )  # fmt: skip

    def options(self) -> dict[str, object]:
        """The plan by the names of the command line."""
        return {name: getattr(self, field) for field, name in CLI_NAMES.items()}


def _check_count(name: str, value: Dim) -> None:
    if not is_array(value) and not is_symbol(value) and (type(value) is not int or value < 1):
        raise PlanError(f"{name}={value!r}", field=name, value=value, valid="a whole number of 1 or more")


@lru_cache(maxsize=512)
def repeated_flops(architecture: Architecture, length: int, mask: str, plan: Plan, sequences: int = 1) -> Dim:
    """FLOPs of the forward passes that run again for so many sequences in one pass, over all ranks of a plan of whole operators."""
    step, copies, kernels = Step(sequences, length, 0, mask), schedule(plan.schedule).copies, plan.kernels_of(architecture.family)
    total: Dim = 0
    for stage in _stages_cached(architecture, plan, plan.recompute != "none"):
        layers = [(times, block) for prefix, times, block in stage.layers if prefix.startswith("layers.")]
        again = sum([times * recompute.executed_again(block, step, recompute.MARKED, kernels) for times, block in layers])
        total = total + len(stage.indices) * again
    return split(total, copies)


def _stages(architecture: Architecture, plan: Plan, marked: bool) -> tuple[Stage, ...]:
    cut: dict[int, Block] = {}
    done: dict[object, Block] = {}

    def part(block: Block) -> Block:
        if id(block) not in cut:
            cut[id(block)] = (_part if plan.many else _part_once)(block, plan.cut, architecture.family)
        return cut[id(block)]

    whole = pipeline.stages(architecture, plan.pipeline, plan.schedule, plan.virtual, plan.layout)
    cuts = [replace(stage, chunks=tuple([chunk.each(part) for chunk in stage.chunks])) for stage in whole]
    return tuple([_recomputed(stage, plan, done) for stage in cuts] if marked else cuts)


def _part(block: Block, cut: Plan, family: str) -> Block:
    """One rank's part of a block."""
    own = cut.block(block)
    return cut.cast(own, family) if cut.recipe.autocast else own


_part_once = lru_cache(maxsize=1024)(_part)


def _recomputed(stage: Stage, plan: Plan, done: dict[object, Block]) -> Stage:
    """A stage whose layers know what of them runs again."""
    chunks = [replace(c, layers=marks.applied(c.layers, plan.recompute, plan.checkpoint, done)) for c in stage.chunks]
    return replace(stage, chunks=tuple(chunks))


_stages_cached = lru_cache(maxsize=1024)(_stages)
