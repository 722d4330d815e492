"""Activation recomputation (arXiv:1604.06174; selective: arXiv:2205.05198 section 5): what is kept, and what runs again.

none       every operator keeps what its implementation keeps.
selective  the attention core keeps its inputs only and runs again in the backward pass.
full       a layer keeps its input only; its whole forward pass runs again.
"""

from __future__ import annotations

from collections.abc import Iterator

from bursar.dims import Dim
from bursar.errors import UnknownNameError
from bursar.ops.attention import AttentionCore
from bursar.step import Step
from bursar.tree import Block, Extra, Input, Keeps, Kept, Op

MODES = ("none", "selective", "full")


def check(mode: str) -> None:
    if mode not in MODES:
        raise UnknownNameError("recompute", mode, MODES)


def kept(block: Block, step: Step, keeps: Keeps, mode: str) -> Iterator[Kept]:
    """What a layer still holds between its forward and its backward pass. Tables of all layers stay in any mode."""
    if mode == "full":
        given = ((name, op) for name, op in block.lines.items() if isinstance(op, Input) and not op.source)
        yield from (Kept(name, op.makes, op.made(block.sees(step))) for name, op in given)
        yield from (item for item in block.kept(step, keeps) if item.shared)
    else:
        yield from block.kept(step, _inputs_of_the_core(keeps) if mode == "selective" else keeps)


def runs_again(op: Op, mode: str) -> bool:
    """Whether an operator of a layer is executed a second time."""
    return mode == "full" or (mode == "selective" and isinstance(op, AttentionCore))


def executed_again(block: Block, step: Step, mode: str) -> Dim:
    """FLOPs of the forward passes that run again in one layer."""
    return sum(line.op.flops(line.step) for line in block.walk(step) if runs_again(line.op, mode))


def _inputs_of_the_core(keeps: Keeps) -> Keeps:
    def kept_without_core(op: Op, wire: str, step: Step) -> tuple[str | Extra, ...]:
        return op.reads if isinstance(op, AttentionCore) else keeps(op, wire, step)

    return kept_without_core
