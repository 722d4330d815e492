"""Seconds of one operator where it stands in a block: which of the device's rates it runs at, and what it moves beside."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from bursar.dims import Dim, at_least, at_most
from bursar.kernels import Implementation
from bursar.machines.roofline import HEAD, Roofline
from bursar.ops.attention import Attention, AttentionCore
from bursar.ops.context import HeadAttention
from bursar.ops.delta import DeltaRule
from bursar.ops.elementwise import Bias
from bursar.ops.lightning import LightningAttention
from bursar.ops.linear import Linear
from bursar.ops.scan import StateSpaceDual
from bursar.step import Step
from bursar.tree import Extra, Line

CHUNKED = (StateSpaceDual, DeltaRule, LightningAttention)  # recurrences that are products of chunks
OLDER = "flash-2"  # kernels made for the generation before
OWN_RATE = ("experts", "loss")  # slots whose traffic has a rate of its own
# elements of FP32 that move where a bias is added expert by expert, weighted by the router, forward and backward: b·p out; it and
# the product in, their sum out; joined, in and out; rounded, in and out (Megatron-Core, TEGroupedMLP._apply_bias, line by line)
BY_EXPERT = (7, 10)
FP32 = 4
# implementations of several kernels, each of which writes what the next one reads; what they keep is part of that
COMPOSED = frozenset({
    "composed", "module", "module-fp32", "log-softmax", "log-softmax-fp32", "log-softmax-narrow", "fp32", "fp32-shifted",
    "fp32-shifted-alone", "unshifted",
})  # fmt: skip


def seconds(line: Line, kernel: Implementation, rate: Mapping[str, int | Fraction], roof: Roofline) -> tuple[Dim, Dim]:
    """Seconds of the forward and the backward pass of an operator; one that moves nothing takes none. `rate` says the bytes of an
    element of every kind of tensor."""
    op, step = line.op, line.step
    moved, backward_moved, width = traffic(line, kernel, rate)
    if type(moved) is int and moved == 0:
        return 0, 0
    if op.engine == "vector":
        if line.nested and isinstance(op, Bias):
            there, back = [roof.traffic(passes * op.made(step), FP32) for passes in BY_EXPERT]
            return there, back if op.trainable else 0
        if op.slot in OWN_RATE:
            return roof.moved(op.slot, moved, width), 0 if op.still else roof.moved(op.slot, backward_moved, width)
        return roof.traffic(moved, width), 0 if op.still else roof.traffic(backward_moved, width)
    seen = step.as_causal if kernel.skips_masked else step
    inputs, weights = op.gradients(seen)
    gradients = inputs + weights if kernel.rerun is None else inputs + weights + kernel.rerun(op, seen)
    if op.engine == "attention":
        return _attention(line, kernel, seen, gradients, roof.traffic(moved, width), roof.traffic(backward_moved, width), roof)
    narrow = op.quantised and bool(roof.cast_bytes)
    if line.nested:
        there, back = _grouped(line, op.flops(seen), gradients, moved, width, roof, narrow=narrow)
    else:
        there = at_least(roof.compute(op.flops(seen), narrow=narrow), roof.traffic(moved, width))
        back = 0 if op.still else at_least(roof.compute(gradients, narrow=narrow), roof.traffic(backward_moved, width))
    if not (narrow and isinstance(op, Linear)):
        return there, back
    return there + roof.cast(op.tokens(step) * op.d_in), back if op.still else back + roof.cast(op.made(step))


def traffic(line: Line, kernel: Implementation, rate: Mapping[str, int | Fraction]) -> tuple[Dim, Dim, int | Fraction]:
    """Elements that the forward and the backward pass of an operator move, and the bytes of one; none, if it moves nothing."""
    op, step = line.op, line.step
    moved, backward_moved = op.moved(step), op.backward_moved(step)
    width = rate["activation"] if op.cast is None else rate[op.makes]  # under autocast it may be FP32
    if type(moved) is int and moved == 0:
        return 0, 0, width
    if kernel.scratch:
        scratch = kernel.scratch(op, step)
        moved, backward_moved = moved + scratch, backward_moved + 2 * scratch
    if kernel.name in COMPOSED:
        between = _between(line, kernel, rate) / width
        moved, backward_moved = moved + 2 * between, backward_moved + 2 * between
    return moved, backward_moved, width


def _between(line: Line, kernel: Implementation, rate: Mapping[str, int | Fraction]) -> Dim:
    """Bytes that the kernels of a composed implementation hand to each other and to its backward pass."""
    kept = kernel.keeps(line.op, line.path.rpartition(".")[2], line.step)
    return sum([item.elements * rate[item.kind] for item in kept if isinstance(item, Extra) and item.of is None])


def _grouped(
    line: Line, flops: Dim, gradients: Dim, moved: Dim, width: int | Fraction, roof: Roofline, *, narrow: bool
) -> tuple[Dim, Dim]:
    """Seconds of one product for every expert of a rank. Each is too short to hide its traffic behind the products of others: the
    weights of all of them are read, and their gradients are written."""
    op = line.op
    everything = roof.traffic(moved + (line.instances - 1) * op.weights(), width)
    times = op.trainable + op.passes
    there = roof.compute(flops, narrow=narrow, grouped=True) + everything
    return there, roof.compute(gradients, narrow=narrow, grouped=True) + times * everything if times else 0


def _attention(
    line: Line, kernel: Implementation, seen: Step, gradients: Dim, moved: Dim, backward: Dim, roof: Roofline
) -> tuple[Dim, Dim]:
    """Seconds of an attention core, whose rate depends on how many keys a query goes through and on the size of a head. Recurrences
    go through chunks of one size, at a rate of their own."""
    op = line.op
    if isinstance(op, CHUNKED):
        found = at_least(roof.compute(gradients, chunked=True), backward)
        return at_least(roof.compute(op.flops(seen), chunked=True), moved), 0 if op.still else found
    length = op.span(line.step) if isinstance(op, HeadAttention) else line.step.queries
    if isinstance(op, Attention) and op.window is not None and kernel.skips_masked:
        length = at_most(length, op.window)
    head = op.head_dim if isinstance(op, AttentionCore) else HEAD
    ratio = roof.attention_older if kernel.name == OLDER else 1
    return (
        at_least(roof.attend(op.flops(seen), length, head, ratio), moved),
        0 if op.still else at_least(roof.attend(gradients, length, head, ratio * roof.attention_backward), backward),
    )
