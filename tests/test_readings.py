"""Every registered formula gives the same number in its three readings: ints, SymPy symbols, float64 arrays.

For each formula the dimensions of a sample become symbols, whose substituted value must equal the int reading exactly, and
arrays of several plans, each of which must equal its own int reading to float64 rounding. Whole models follow: what a family
says in letters is what it says in numbers.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from fractions import Fraction
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import pytest
import sympy

import bursar
from bursar import catalog, facts, families, ledger
from bursar.formula import FORMULAS
from bursar.kernels import IMPLEMENTATIONS
from bursar.machines.network import Group, Network
from bursar.machines.roofline import Roofline
from bursar.memory.overheads import Buffers, Connected
from bursar.model import Model, load
from bursar.notation import LETTERS
from bursar.ops.adapters import Adapter, Magnitude, ScaledAdd
from bursar.ops.attention import Attention, AttentionCore, CrossAttention
from bursar.ops.blocks import gated_mlp
from bursar.ops.clamped import ClampedGated
from bursar.ops.collective import AllToAll, Collective, Copy, Gather, GatherOnce, Meet, Reduce, Scatter
from bursar.ops.context import ContextCollective, GatherKeys, HeadAttention, Ring, SpreadAttention, SwapHeads
from bursar.ops.contrast import Similarity
from bursar.ops.conv import ShortConv
from bursar.ops.delta import Decay, DeltaRule
from bursar.ops.elementwise import Activation, Add, Bias, Concat, Dropout, Gated, LayerNorm, Pointwise, RMSNorm, Rotary, Slice
from bursar.ops.learned import ClassToken, PositionBias
from bursar.ops.lightning import LightningAttention
from bursar.ops.linear import Embedding, Head, Linear, Loss, PositionEmbedding, Router, Tokens
from bursar.ops.llama4 import InputWeightedExperts, Tempered, UnitNorm
from bursar.ops.moe import Experts
from bursar.ops.norms import GroupNorm, HeadNorm, PlainLayerNorm, PlainRMSNorm, ScanNorm, WideNorm
from bursar.ops.patches import Conv, Pixels
from bursar.ops.pooled import OneToken, PooledAttention
from bursar.ops.relative import DistanceBias, DistanceKeys, RelativeAttention
from bursar.ops.scaled import Scaled
from bursar.ops.scan import WKV, BlockDiagonal, LinearRecurrence, ScanGate, SelectiveScan, ShiftMix, StateSpaceDual, TokenShift
from bursar.ops.shared import SharedLinear, SharedNorm
from bursar.ops.softcap import SoftCap
from bursar.ops.sparse import Index, IndexLinear, IndexNorm, IndexRotary, SelectedAttention, Shared
from bursar.ops.windows import WindowAttention
from bursar.optimizers import OPTIMIZERS
from bursar.parallel.fsdp import Unit, Units
from bursar.parallel.schedules import SCHEDULES, Passes, Schedule
from bursar.precision import RECIPES
from bursar.step import Step
from bursar.theory.convolution import Convolution
from bursar.theory.elementwise import Elementwise
from bursar.theory.jacobian import Jacobian
from bursar.theory.mlp import Layer, Mlp
from bursar.theory.products import Product
from bursar.tree import Architecture, Block, Input, Nested, Op, dims_of

FACES = ("bursar.cli", "bursar.report", "bursar.web", "bursar.measure", "bursar.__main__")
for found in pkgutil.walk_packages(bursar.__path__, "bursar.", onerror=lambda name: None):
    if not found.name.startswith(FACES):
        import_module(found.name)  # so that every formula registers itself

ROUNDING = 1e-12  # a few float64 roundings of 2⁻⁵³ each
STRETCHES = (1, 2, 3)  # an array holds the sample with all its dimensions times 1, 2 and 3, so that what divides still does


# ── three readings of one thing ──────────────────────────────────────────────────────────────────────────────────────────


def letter(name: str, value: int) -> sympy.Symbol:
    """A symbol for a dimension; only one that may be zero is not known to be positive."""
    return sympy.Symbol(name, integer=True, **({"positive": True} if value else {"nonnegative": True}))


def spread(value: int) -> np.ndarray:
    return np.array([float(value * stretch) for stretch in STRETCHES])


def flat(result: Any) -> list[Any]:
    """The numbers of a result: one, or those of tuples in tuples."""
    return [number for part in result for number in flat(part)] if isinstance(result, tuple) else [result]


def substituted(expression: Any, numbers: dict[str, Any]) -> Any:
    """A symbolic result at its numbers; an int result stands for itself."""
    expression = sympy.sympify(expression)
    return expression.subs({symbol: exact(numbers[symbol.name]) for symbol in expression.free_symbols})


def exact(number: Any) -> sympy.Rational:
    return sympy.Rational(number.numerator, number.denominator)


def agree(read: Callable[[Callable[[str, int], Any]], Any], number: type = int) -> None:
    """`read` computes a result from a function that turns (name, sample value) into a dimension: all its readings agree."""
    numbers: dict[str, Any] = {}

    def noted(name: str, value: int) -> Any:
        numbers[name] = number(value)
        return numbers[name]

    whole = flat(read(noted))
    symbolic = flat(read(letter))
    assert [substituted(part, numbers) for part in symbolic] == [exact(part) for part in whole]

    arrays = flat(read(lambda name, value: spread(value)))
    for index, stretch in enumerate(STRETCHES):
        expected = flat(read(lambda name, value, stretch=stretch: number(value * stretch)))
        got = [float(np.broadcast_to(part, len(STRETCHES))[index]) for part in arrays]
        assert got == pytest.approx([float(part) for part in expected], rel=ROUNDING)


# ── operators ────────────────────────────────────────────────────────────────────────────────────────────────────────────

EXPERT = Block({"x": Input(6), **gated_mlp("x", 6, 10)}, "expert")
SHARED: dict[str, Any] = {"over": 4, "copies": 2}  # ranks that share the tokens; ranks that hold the same weights
OPERATORS: tuple[Op, ...] = (
    Input(8, **SHARED),
    Linear("x", 6, 8, "column", bias=False, unit=2, **SHARED),
    Linear("x", 6, 8, "row", bias=True),
    Adapter("x", 6, 2, "replicated", **SHARED),
    ScaledAdd("a", "b", 8),
    Magnitude("a", "b", 8, product="a", d_in=6, rank=2),
    Router("x", 6, 8, **SHARED),
    Router("x", 6, 8, correction=True, bias=True),
    Head("x", 6, 40, **SHARED),
    Head("x", 6, 40, tied="embedding"),
    Tokens(),
    Embedding("ids", 40, 6, **SHARED),
    Embedding("ids", 40, 6, tied="embedding"),
    PositionEmbedding("ids", 32, 6),
    Loss("logits", 40, **SHARED),
    Attention("q", "k", "v", 4, 2, 8, 6, 28),
    Attention("q", "k", "v", 4, 2, 8, 6, 28, window=5, dropout=0.1, **SHARED),
    Attention("q", "k", "v", 4, 4, 8, 8, 64, window=500, causal=False),
    Attention("q", "k", "v", 4, 2, 8, 8, 64, chunk=8, sinks=True),
    Attention("q", "k", "v", 4, 2, 8, 8, 64, window=5, softcap=True),
    CrossAttention("q", "k", "v", 4, 2, 8, 6, 28),
    WindowAttention("q", "k", "v", 4, 4, 8, 8, 0, within=4, **SHARED),
    OneToken(6),
    ScanGate("z", "x", 6),
    ScanNorm("x", 6, 4),
    Pixels(6, 4),
    PooledAttention("q", "k", "v", 4, 4, 8, 8, 0),
    RelativeAttention("q", "k", "v", 4, 4, 8, 8, 64, r="r"),
    DistanceKeys(6, 32, 8),
    DistanceBias(4, 8),
    Linear("x", 6, 8, "column", source=True),
    Conv("x", 3, 8, 2, 2, data=True),
    Conv("x", 6, 8, 3, 1, per_token=2, bias=False, **SHARED),
    ClassToken("x", 6, **SHARED),
    PositionBias(32, 4),
    RMSNorm("x", 6, 4, **SHARED),
    LayerNorm("x", 6),
    PlainLayerNorm("x", 6, 4),
    HeadNorm("x", 6, 4, **SHARED),
    WideNorm("x", 24, **SHARED),
    PlainRMSNorm("x", 6, 4),
    GroupNorm("x", 6, 4, **SHARED),
    SelectiveScan("x", "dt", "b", "c", 8, 4, **SHARED),
    StateSpaceDual("x", "dt", "b", "c", 8, 6, 4, 2, 5),
    BlockDiagonal("x", 4, 6, **SHARED),
    LinearRecurrence("x", "i", "r", 8, **SHARED),
    WKV("k", "v", 8, **SHARED),
    TokenShift("x", 6),
    ShiftMix("x", 6, "y", **SHARED),
    SharedLinear("x", 6, 8, "column", unit=2, **SHARED),
    SharedNorm("x", 6, 4),
    SoftCap("x", 40, **SHARED),
    Similarity("x", "y", 6, **SHARED),
    LayerNorm("x", 6, 4, bias=False),
    Activation("x", 6),
    Bias("x", 6, **SHARED),
    Dropout("x", 6, p=0.1),
    Dropout("x", 6),
    Rotary("x", 12, 4, **SHARED),
    Slice("x", 6),
    Concat("x", "y", 6, 8, **SHARED),
    Add("x", "y", 6, **SHARED),
    Gated("x", "y", 10),
    Scaled("s", "x", 6, **SHARED),
    ShortConv("x", 8, 4, **SHARED),
    ShortConv("x", 8, 4, bias=True, function=None),
    Decay("x", 8, heads=4, **SHARED),
    DeltaRule("q", "k", "v", "g", "b", 2, 4, 6, 8, decays=4, chunk=8),
    DeltaRule("q", "k", "v", "g", "b", 4, 4, 6, 6, decays=24, chunk=5, **SHARED),
    LightningAttention("q", "k", "v", 4, 6, 8, **SHARED),
    LightningAttention("q", "k", "v", 4, 6, 5),
    Experts("x", "router", 8, 3, 6, block=EXPERT, gathered=2, **SHARED),
    Experts("x", "router", 8, 3, 6, block=EXPERT, busy=3, mean=2),
    Copy("x", 6, 4),
    Reduce("x", 6, 4),
    Meet("x", 1, 4),
    Gather("x", 6, 4),
    GatherOnce("x", 6, 4),
    Scatter("x", 6, 4, **SHARED),
    AllToAll("x", 6, 4, **SHARED),
    SpreadAttention("q", "k", "v", 4, 2, 8, 6, 28, context=4),
    SpreadAttention("q", "k", "v", 4, 2, 8, 6, 28, window=5, context=2),
    HeadAttention("q", "k", "v", 4, 2, 8, 6, 28, context=4),
    Ring("k", 6, 4),
    GatherKeys("k", 6, 4),
    SwapHeads("q", 6, 4),
    ClampedGated("x", "y", 10),
    UnitNorm("x", 6, 4, **SHARED),
    Tempered("x", 6, **SHARED),
    InputWeightedExperts("x", "router", 8, 3, 6, block=EXPERT, gathered=2, **SHARED),
    IndexLinear("x", 6, 8, "replicated", **SHARED),
    IndexNorm("x", 6, **SHARED),
    IndexRotary("x", 12, 4, **SHARED),
    Index("q", "k", "w", 4, 8, 5, **SHARED),
    SelectedAttention("q", "k", "v", 4, 4, 8, 8, 64, window=5),
    Shared("x", 6, 4, **SHARED),
)  # fmt: skip
ABSTRACT = {AttentionCore, Collective, ContextCollective, Nested, Pointwise}  # operators that others are made of
STEPS: tuple[Step, ...] = tuple(Step(4, 16, past, mask) for past in (0, 7) for mask in ("full", "causal"))

Reading = Callable[[str, int], Any]


def reread(op: Op, dim: Reading, path: str = "") -> Op:
    """The operator with every dimension replaced, those of a nested block too."""
    sizes = {name: dim(f"{path}{name}", value) for name, value in dims_of(op).items() if value is not None}
    if isinstance(op, Experts):
        lines = {name: reread(part, dim, f"{path}{name}.") for name, part in op.block.lines.items()}
        return replace(op, **sizes, block=Block(lines, op.block.kind))
    return replace(op, **sizes)


def step_of(step: Step, dim: Reading) -> Step:
    sizes = {f.name: dim(f"step.{f.name}", getattr(step, f.name)) for f in fields(step) if f.type == "Dim"}
    return replace(step, **sizes)


def operator_samples(function: Callable[..., Any]) -> Iterator[Callable[[Reading], Any]]:
    """The readings of a method on every sample operator whose class has it."""
    takes_step = "step" in inspect.signature(function).parameters
    for op in OPERATORS:
        if getattr(type(op), function.__name__, None) is function:
            for step in STEPS if takes_step else STEPS[:1]:
                yield lambda dim, op=op, step=step: function(reread(op, dim), *([step_of(step, dim)] if takes_step else []))


# ── everything else: what is read three ways, and how the formula is called with it ─────────────────────────────────────


class Sample(NamedTuple):
    """Sample dimensions of a formula and its call. Rates of a machine and quotients are read as Fractions to stay exact."""

    dims: dict[str, int]
    call: Callable[..., Any]
    number: type = int


LINKS = {"link": 450, "link_latency": 3, "domain": 8, "port": 50, "port_latency": 5}
GROUPS = ((2, 4), (4, 4), (16, 1), (1, 16), (16, 16))  # (ranks, stride): within a domain of 8, and over more of them
RATES = {
    "matmul": 700, "narrow": 1400, "grouped": 2, "attention": 600, "attention_length": 64, "attention_head": 32,
    "attention_backward": 3, "attention_older": 5, "scan": 3, "memory": 3, "permute": 4, "loss": 6, "overhead": 2,
    "cast_bytes": 7,
}  # fmt: skip


def _pairs(window: int | None, past: int, mask: str, causal: bool) -> Sample:
    dims = {"sequences": 2, "queries": 16, "past": past, **({} if window is None else {"window": window})}
    return Sample(dims, lambda f, window=None, **step: f(Step(**step, mask=mask), window, causal))


def _ring_or_pairs(ways: int, stride: int) -> Sample:
    dims = {**LINKS, "ways": ways, "stride": stride}
    return Sample(dims, lambda f, ways, stride, **links: f(Network(**links), ways, stride), Fraction)


def _message(stride: int) -> Sample:
    dims = {**LINKS, "size": 1000, "stride": stride}
    return Sample(dims, lambda f, size, stride, **links: f(Network(**links), size, stride), Fraction)


def _products(flops: int, **kind: bool) -> Sample:
    dims = {**RATES, "flops": flops}
    return Sample(dims, lambda f, flops, **rates: f(Roofline(**rates), flops, **kind), Fraction)


def _attending(ratio: int) -> Sample:
    dims = {**RATES, "flops": 10**7, "length": 32, "head": 16, "ratio": ratio}
    return Sample(dims, lambda f, flops, length, head, ratio, **rates: f(Roofline(**rates), flops, length, head, ratio), Fraction)


def _own_rate(kind: str) -> Sample:
    dims = {**RATES, "elements": 900, "width": 2}
    return Sample(dims, lambda f, elements, width, **rates: f(Roofline(**rates), kind, elements, width), Fraction)


def _casting() -> Sample:
    return Sample({**RATES, "elements": 900}, lambda f, elements, **rates: f(Roofline(**rates), elements), Fraction)


def _traffic() -> Sample:
    dims = {**RATES, "elements": 900, "width": 2}
    return Sample(dims, lambda f, elements, width, **rates: f(Roofline(**rates), elements, width), Fraction)


def _passing(**how: bool) -> Callable[..., Any]:
    rates = {"weight": 2, "gradient": 2, "master": 4}

    def call(f: Callable[..., Any], **sizes: Any) -> Any:
        unit = Unit(**sizes)
        return f(Units(((5, unit), (1, unit.plus(unit))), unit.plus(unit, 3), unit.whole), rates, **how)

    return call


def _group_seconds(collective: str) -> Sample:
    dims = {
        "ring": 3, "pairs": 2, "latency": 5, "small": 10, "reduce": 7, "reduce_latency": 9, "reduce_small": 40, "neighbours": 4,
        "rounds": 3, "size": 1000,
    }  # fmt: skip
    return Sample(dims, lambda f, size, **group: f(Group(**group), collective, size), Fraction)


def _deduplicated() -> Sample:
    dims = {"ring": 3, "pairs": 2, "latency": 5, "across": 6, "within": 4, "ways": 8, "domains": 2, "size": 1000, "top_k": 2}
    return Sample(dims, lambda f, size, top_k, **group: f(Group(**group), size, top_k), Fraction)


def _name(function: Callable[..., Any]) -> str:
    return next(name for name, found in FORMULAS.items() if found.function is function)


def _in_flight(kind: Schedule, micro_batches: int) -> Sample:
    return Sample({"m": micro_batches}, lambda f, m: f(2, 8, kind.chunks(3), m))


def _idle(kind: Schedule, micro_batches: int) -> Sample:
    dims = {"forward": 5, "input": 7, "weight": 4, "message": 1, "m": micro_batches}
    return Sample(dims, lambda f, m, **passes: f(Passes(**passes), 8, kind.chunks(3), m), Fraction)


SAMPLES: dict[str, tuple[Sample, ...]] = {
    "step.Step.pairs": tuple(
        _pairs(window, past, mask, causal)
        for window in (None, 5, 100) for past in (0, 7) for mask in ("full", "causal") for causal in (True, False)
    ),
    **{_name(kind.in_flight): tuple(_in_flight(kind, m) for m in (3, 6, 32)) for kind in SCHEDULES.values()},
    **{_name(kind.idle): (_idle(kind, 30), _idle(kind, 64)) for kind in SCHEDULES.values()},
    "parallel.data.held": tuple(
        Sample({"weights": weights, "ways": 8}, lambda f, stage=stage, **dims: f(**dims, stage=stage))
        for weights in (4096, 4099) for stage in (0, 1, 2, 3)
    ),
    "parallel.fsdp.chunk": tuple(
        Sample({"rows": rows, "columns": 6, "ways": 8}, lambda f, rows, columns, ways: f((rows, columns), ways))
        for rows in (4, 32, 33)
    ),
    "parallel.fsdp.passing": tuple(
        Sample({"whole": 90, "shard": 12, "gathered": 96}, _passing(reshard=reshard, replicated=replicated))
        for reshard in (False, True) for replicated in (False, True)
    ),
    "machines.network.Group.seconds": tuple(
        map(_group_seconds, ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "ring")),
    ),
    "machines.network.Network.bandwidth": tuple(_ring_or_pairs(ways, stride) for ways, stride in GROUPS),
    "machines.network.Network.pairs": tuple(_ring_or_pairs(ways, stride) for ways, stride in GROUPS),
    "machines.network.Network.message": tuple(_message(stride) for stride in (1, 4, 8)),
    "machines.network.Group.deduplicated": (_deduplicated(),),
    "machines.torus.spanned": tuple(
        Sample({"ways": ways, "devices": 64}, lambda f, **dims: f(axes=3, **dims)) for ways in (1, 4, 16, 64)
    ),
    "machines.torus.hops": (Sample({"ways": 16, "spans": 1}, lambda f, **dims: f(**dims), Fraction),),
    "machines.network.distinct": (Sample({"places": 8, "top_k": 2}, lambda f, **dims: f(**dims), Fraction),),
    "parallel.overlap.exposed": tuple(
        Sample({"sent": 100, "beside": beside, "price": 2}, lambda f, **dims: f(**dims), Fraction) for beside in (60, 300)
    ),
    "machines.roofline.Roofline.compute": (
        _products(10**7), _products(10**7, grouped=True), _products(10**7, narrow=True), _products(10**7, narrow=True, grouped=True)
    ),
    "machines.roofline.Roofline.attend": (_attending(1), _attending(3)),
    "machines.roofline.Roofline.moved": (_own_rate("experts"), _own_rate("loss")),
    "machines.roofline.Roofline.cast": (_casting(),),
    "machines.roofline.Roofline.traffic": (_traffic(),),
    "optimizers.states.blockwise": tuple(
        Sample({"elements": elements, "block": 256}, lambda f, **dims: f(**dims)) for elements in (4095, 4096, 5000)
    ),
    "optimizers.states.kronecker_of_vector": tuple(Sample({"length": n}, lambda f, **dims: f(**dims)) for n in (7, 1024, 2500)),
    **{
        f"optimizers.states.{name}": tuple(
            Sample({"rows": rows, "columns": columns}, lambda f, **dims: f(**dims))
            for rows, columns in ((12, 30), (2500, 1024), (128, 20_000))
        )
        for name in ("factored", "kronecker", "eigenbasis", "newton_schulz", "preconditioned", "rotated")
    },
    "optimizers.states.newton_schulz_bytes": (Sample({"rows": 12, "columns": 30, "width": 4}, lambda f, **dims: f(**dims)),),
    "optimizers.step_temporary": (
        Sample({"owned": 100, "loop": 30, "per_element": 1, "width": 4, "cast": 2}, lambda f, **dims: f(**dims)),
    ),
    "parallel.offload.exposed": tuple(
        Sample({"down": down, "up": 300, "link": 55, "beside": beside}, lambda f, **dims: f(**dims), Fraction)
        for down in (100, 900) for beside in (1, 50)
    ),
    "parallel.offload.around": (Sample({"down": 100, "up": 300, "link": 55}, lambda f, **dims: f(**dims), Fraction),),
    "parallel.offload.host_step": (Sample({"moved": 1000, "ranks": 8, "memory": 42}, lambda f, **dims: f(**dims), Fraction),),
    "memory.overheads.Connected.bytes": (
        Sample(
            {"collective": 1, "peers": 7, "network": 1, "each": 576, "peer": 384, "shared": 128},
            lambda f, each, peer, shared, **counts: f(Connected("expert", **counts), Buffers(each, peer, shared)),
        ),
    ),
    "memory.overheads.allocated": (
        Sample({"tensor_bytes": 10_000, "count": 30, "workspaces": 64}, lambda f, **dims: f(block=512, **dims)),
    ),
    **{
        f"questions.budget.{name}": (Sample(dims, lambda f, **dims: f(**dims)),)
        for name, dims in {
            "flops_per_token": {"params": 70}, "flops": {"flops_per_token": 420, "tokens": 15},
            "flops_done": {"device_seconds": 30, "peak_flop_per_s": 990, "mfu": 2}, "flops_of_days": {"pf_days": 3},
            "device_seconds": {"devices": 8, "seconds": 60}, "seconds_of_hours": {"device_hours": 5}, "seconds": {"days": 4},
            "cost_usd": {"device_hours": 7, "price": 2}, "tokens": {"steps": 9, "batch_tokens": 11},
            "tokens_at_ratio": {"params": 70, "tokens_per_param": 20},
        }.items()
    },
    **{
        name: (Sample(dims, lambda f, **dims: f(**dims), Fraction),)
        for name, dims in {
            "questions.goodput.job_mtbf": {"device_seconds": 900, "devices": 7},
            "questions.goodput.writing": {"size": 1000, "bandwidth": 3},
            "questions.goodput.checkpoint": {"parameters": 100, "weight": 2, "masters": 400, "states": 800},
            "questions.goodput.young": {"write": 2, "mtbf": 9}, "questions.goodput.daly": {"write": 2, "mtbf": 9},
            "questions.goodput.useful": {"interval": 60, "mtbf": 900, "restarts": 2, "attempts": 3},
            "questions.energy.energy_kwh": {"device_hours": 50, "watts": 700, "pue": 2},
            "questions.energy.co2_kg": {"kwh": 70, "kg_per_kwh": 3},
        }.items()
    },
    "questions.ridge.ridge": (Sample({"peak": 990, "bandwidth": 33}, lambda f, **dims: f(**dims), Fraction),),
    "questions.ridge.ceiling": tuple(
        Sample({"intensity": intensity, "ridge": 30}, lambda f, **dims: f(**dims), Fraction) for intensity in (7, 300)
    ),
    "questions.ridge.bound": (
        Sample({"flops": 100, "moved": 900, "peak": 990, "bandwidth": 33}, lambda f, **dims: f(**dims), Fraction),
    ),
    "seconds.block_time.launching": tuple(
        Sample({"calls": 40, "each": 3, "busy": busy}, lambda f, **dims: f(**dims)) for busy in (70, 200)
    ),
    "questions.conventions.heads_flops": (
        Sample({"tokens": 12, "keys": 6, "heads": 4, "width": 8}, lambda f, **dims: f(**dims)),
    ),
    "seconds.step_time.update_bytes": tuple(
        Sample({"parameters": 1000, "gradient": 2, "weight": 2, "master": master, "state": 8}, lambda f, **dims: f(**dims))
        for master in (0, 4)
    ),
}  # fmt: skip


def _convolution(f: Callable[..., Any], size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, **dims: Any) -> Any:
    return f(Convolution(**dims, sizes=(size, 2 * size), kernel=(kernel, kernel), stride=(stride, stride),
                         padding=(padding, padding), dilation=(dilation, dilation)))  # fmt: skip


AXIS = {"size": 32, "kernel": 3, "stride": 2, "padding": 1, "dilation": 2}
SAMPLES |= {
    **{
        f"theory.products.Product.{name}": (
            Sample({"rows": 5, "inner": 7, "columns": 3}, lambda f, **dims: f(Product(**dims))),
        )
        for name in ("multiplications", "additions", "exact", "flops", "moved")
    },
    "theory.convolution.positions": (Sample(AXIS, lambda f, **dims: f(**dims)),),
    **{
        f"theory.convolution.Convolution.{name}": (
            Sample({"batch": 8, "channels": 6, "d_out": 4, "groups": 2, **AXIS}, _convolution),
        )
        for name in ("flops", "exact")
    },
    "theory.elementwise.Elementwise.flops": (
        Sample(
            {"rows": 5, "width": 7, "special": 3, "each": 4, "row": 2, "roots": 1},
            lambda f, each, row, roots, **dims: f(Elementwise("norm", "", each, row, each, roots), **dims),
        ),
    ),
    **{
        f"theory.jacobian.Jacobian.{name}": tuple(
            Sample({"rows": 5, "inner": 7, "columns": 3}, lambda f, operand=operand, **dims: f(Jacobian(operand, Product(**dims))))
            for operand in "XA"
        )
        for name in ("entries", "filled", "flops")
    },
    **{
        f"theory.mlp.Layer.{name}": (
            Sample({"batch": 64, "d_in": 32, "d_out": 10}, lambda f, **dims: f(Layer(1, 2, **dims))),
        )
        for name in ("activation_flops", "update_flops")
    },
    **{
        f"theory.mlp.Mlp.{name}": (
            Sample({"batch": 64, "x": 32, "h": 128, "y": 10}, lambda f, batch, x, h, y: f(Mlp(batch, (x, h, h, y)))),
        )
        for name in (
            "weights", "forward", "forward_exact", "backward", "backward_exact", "backward_with_input", "loss_flops",
            "loss_gradient_flops",
        )
    },
}  # fmt: skip


def readings(name: str) -> Iterator[tuple[Callable[[Reading], Any], type]]:
    """Every sample of a formula as a function of the reading, with the number type of its exact reading."""
    function = FORMULAS[name].function
    for sample in SAMPLES.get(name, ()):
        yield lambda dim, s=sample: s.call(function, **{key: dim(key, value) for key, value in s.dims.items()}), sample.number
    for read in operator_samples(function):
        yield read, int


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_the_three_readings_agree(name: str) -> None:
    samples = list(readings(name))
    assert samples, f"{name} has no sample: add its operator to OPERATORS or its arguments to SAMPLES"
    for read, number in samples:
        agree(read, number)


def test_every_operator_has_a_sample() -> None:
    def below(kind: type[Op]) -> Iterator[type[Op]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    ours = {op for op in below(Op) if op.__module__.startswith("bursar.")}  # replays in `benchmarks/` have stand-ins
    assert {type(op) for op in OPERATORS} == ours - ABSTRACT


def test_every_sample_has_a_formula() -> None:
    assert set(SAMPLES) <= set(FORMULAS)


# ── sources ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

CITED = sorted(
    {f.source for f in FORMULAS.values()}
    | {i.source for i in IMPLEMENTATIONS.values()}
    | {r.source for r in RECIPES.values()}
    | {o.source for o in OPTIMIZERS.values()}
)


@pytest.mark.parametrize("source", CITED)
def test_what_a_formula_cites_is_a_source(source: str) -> None:
    assert source in facts.sources()


# ── whole models ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _models_of(family: str) -> list[str]:
    return [name for name in catalog.names() if families.file_of(catalog.entry(name).values["model_type"]) == family]


FAMILIES = {family: _models_of(family) for family in families.names()}
MODELS = [name for models in FAMILIES.values() for name in models]
BATCH, LENGTH = 2, 640


def letters_of(model: Model) -> dict[str, int]:
    """The numbers of a config under the letters of the notation."""
    values = {**model.published.values, **model.published.values.get("text_config", {})}
    numbers = {letter: values[key] for key, letter in LETTERS.items() if values.get(key) is not None}
    return {**numbers, "b": BATCH, "s": LENGTH}


def stretched(architecture: Architecture, by: Any) -> Architecture:
    """Every dimension of every operator times a number, or times an array of numbers."""
    return architecture.replace(
        lambda path, op: replace(op, **{name: value * by for name, value in dims_of(op).items() if value is not None})
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_model(family: str) -> None:
    assert FAMILIES[family]


@pytest.mark.parametrize("name", MODELS)
def test_parameters_in_letters_are_the_parameters(name: str) -> None:
    model = load(name)
    in_words, in_ints = model.parameters(words=True), model.parameters()
    numbers = letters_of(model)
    assert substituted(model.params(words=True), numbers) == model.params() == in_ints.total
    assert substituted(in_words.active, numbers) == in_ints.active
    assert {path: substituted(part, numbers) for path, part in in_words.components.items()} == in_ints.components


@pytest.mark.parametrize("mask", ["full", "causal"])
@pytest.mark.parametrize("name", MODELS)
def test_flops_in_letters_are_the_flops(name: str, mask: str) -> None:
    model = load(name)
    length = min(LENGTH, model.architecture.max_length or LENGTH)
    in_words, in_ints = model.flops(mask=mask, words=True), model.flops(length, BATCH, mask)
    numbers = {**letters_of(model), "s": length}
    assert substituted(in_words.forward, numbers) == in_ints.forward
    assert substituted(in_words.backward, numbers) == in_ints.backward
    assert {kind: substituted(part, numbers) for kind, part in in_words.by_kind.items()} == in_ints.by_kind


@pytest.mark.parametrize("name", [models[0] for models in FAMILIES.values() if models])
def test_the_array_reading_of_a_model_is_the_int_reading_of_each_plan(name: str) -> None:
    architecture = load(name).architecture
    step = Step(*(np.array([float(size * by) for by in STRETCHES]) for size in (BATCH, LENGTH)), 0, "causal")
    book = ledger.of_model(stretched(architecture, np.array(STRETCHES, dtype=float)), step)
    for index, by in enumerate(STRETCHES):
        ints = ledger.of_model(stretched(architecture, by), Step(BATCH * by, LENGTH * by, 0, "causal"))
        for quantity, expected in ints.by("quantity").items():
            assert book.where(quantity=quantity).total()[index] == pytest.approx(expected, rel=ROUNDING)
