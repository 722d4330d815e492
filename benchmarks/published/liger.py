"""Liger Kernel's benchmarks of single operators, forward and backward: cross-entropy, SwiGLU and GeGLU layers, RMSNorm, LayerNorm;
torch's peak around the operator on A100 and H100, inputs included. The harness retains the graph, so that its backward pass frees
nothing that was kept.

A case says which implementation of bursar stands for a provider. The harness holds input, result and its gradient; with the older
harness the gradients of the last repetition are still there, so that a new gradient is added to one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bursar.kernels import Kernels
from bursar.memory import parts
from bursar.memory.liveness import Passes
from bursar.ops.blocks import gated_mlp
from bursar.ops.elementwise import LayerNorm, RMSNorm
from bursar.ops.linear import Loss
from bursar.precision import recipe
from bursar.step import Step
from bursar.tree import Block, Input

from . import MIB, Row, table

STATISTIC = "max_memory_allocated around one operator"
LEFT_OUT = (
    "operators and providers without an implementation here: rotary embedding alone, preference losses, tiled layers, torch.compile"
)


class Case(NamedTuple):
    """An operator as a provider computes it: the kernels, the precision, and the block with its tokens, of a row's sizes."""

    kernels: str
    precision: str
    block: Callable[[int, Mapping[str, Any]], tuple[Block, int]]
    kept: bool = True  # gradients of the last repetition are there


def _cross_entropy(size: int, given: Mapping[str, Any]) -> tuple[Block, int]:
    tokens = given["B"] * given.get("T", given.get("S"))
    return Block({"x": Logits(size), "loss": Loss("x", size)}), tokens


def _gated(size: int, given: Mapping[str, Any]) -> tuple[Block, int]:
    hidden, function = given["hidden_size"], given["hidden_act"]
    lines = gated_mlp("x", hidden, given["intermediate_size"], function="gelu" if function.startswith("gelu") else function)
    return Block({"x": Input(hidden), **lines}), given.get("B", given.get("bsz")) * size


def _norm(kind: type[RMSNorm]) -> Callable[[int, Mapping[str, Any]], tuple[Block, int]]:
    def build(size: int, given: Mapping[str, Any]) -> tuple[Block, int]:
        return Block({"x": Input(size), "y": kind("x", size)}), given["M"] if "M" in given else given["S"] * given["B"]

    return build


class Logits(Input):
    """Logits that are given."""

    makes = "logits"


CASES = {
    ("cross_entropy", "liger"): Case("fused,loss=in-place", "fp32", _cross_entropy, kept=False),
    ("cross_entropy", "huggingface"): Case("sdpa,loss=log-softmax", "fp32", _cross_entropy),
    ("megatron_cross_entropy", "megatron-unfused"): Case("fused,loss=fp32", "bf16-pure", _cross_entropy, kept=False),
    ("megatron_cross_entropy", "megatron-fused"): Case("fused,loss=fp32-shifted", "bf16-pure", _cross_entropy, kept=False),
    ("swiglu", "huggingface"): Case("sdpa", "bf16-pure", _gated),
    ("swiglu", "liger"): Case("fused,gated=in-place", "bf16-pure", _gated),
    ("geglu", "huggingface"): Case("sdpa", "bf16-pure", _gated),
    ("geglu", "liger"): Case("fused,gated=in-place", "bf16-pure", _gated),
    ("rms_norm", "huggingface"): Case("sdpa", "bf16-pure", _norm(RMSNorm)),
    ("layer_norm", "huggingface"): Case("sdpa", "fp32", _norm(LayerNorm)),
    ("megatron_rms_norm", "megatron"): Case("fused", "bf16-pure", _norm(RMSNorm)),
    ("megatron_rms_norm", "torch"): Case("fused", "bf16-pure", _norm(RMSNorm)),
}  # fmt: skip

REASONS = {
    (
        "rms_norm",
        "huggingface",
    ): "torch of 2024 had five more BF16 tensors at the gradient of the square than the torch that was traced; not explained",
    ("swiglu", "huggingface"): "the sum of two gradients of the input, a third tensor of its size",
    ("geglu", "huggingface"): "the sum of two gradients of the input, a third tensor of its size",
}


def rows(folder: Path) -> Iterator[Row]:
    for row in table(folder, "liger_kernel_ops"):
        case = CASES.get((row["op"], row["provider"]))
        if case is None or row["mode"] != "full" or not row["peak_mem_mib"]:
            continue
        predicted = peak(case, int(float(row["x_value"])), json.loads(row["config_json"]))
        name = f"{row['row_id']} {row['op']} {row['provider']} {row['x_name']} {row['x_value']}"
        reason = REASONS.get((row["op"], row["provider"]), "")
        yield Row(name, float(predicted), float(row["peak_mem_mib"]) * MIB, "allocated", reason)


def peak(case: Case, size: int, given: Mapping[str, Any]) -> float:
    """Bytes at the highest moment of both passes of a block that is given its input."""
    block, tokens = case.block(size, given)
    rate, step = recipe(case.precision).rate, Step(1, tokens)
    kernels = Kernels.named(case.kernels, "llama", wide=case.precision == "fp32")
    sized = parts.sized(block, step, rate, kernels, "none", "growing" if any(block.trained) else "allocated")
    passes = Passes(sized)
    first, last = next(iter(block.lines)), list(block.lines)[-1]
    held = {name: block.lines[name].made(step) * rate[block.lines[name].makes] for name in (first, last)}
    staying = sized.wiring.stays
    backward = [passes.live(tuple(sorted(staying.union(moment.names)))).total for moment in passes.moments.backward]
    beside = sum([size_ for name, size_ in held.items() if name not in staying and block.lines[name].makes != "loss"])
    weights = sum(block.trained) * rate["weight"]
    return float(max(passes.totals[0], *backward) + beside + weights + (weights + held[first]) * case.kept)
