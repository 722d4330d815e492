"""Activation recomputation (arXiv:1604.06174; selective: arXiv:2205.05198 section 5): what is kept, and what runs again.

none             every operator keeps what its implementation keeps.
selective        the attention core keeps its inputs only and runs again in the backward pass.
a list           of modules as Megatron-Core names them: core_attn,layernorm,mlp,moe_act,mla_up_proj,moe,shared_experts.
full             a layer keeps its input only; its whole forward pass runs again.
full:n           n layers together keep the input of the first; all n are back while the group's backward pass runs.
full:first=n     the first n layers of a chunk of a stage as under `full`, the others keep everything.

A reentrant checkpoint runs all of its forward pass again. A non-reentrant one stops once the last tensor that its backward pass
needs is there, which is before its last product. The state of the random generators that a checkpoint saves is on the host.

`none`, `selective` and `full` with reentrant checkpoints are read off the operators. Anything else is a rewrite of a rank's layers,
which marks every operator (`marks.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from bursar.dims import Dim
from bursar.errors import PlanError, UnknownNameError, shown
from bursar.kernels import Kernels
from bursar.ops.attention import AttentionCore
from bursar.step import Step
from bursar.tree import Block, Extra, Input, Keeps, Kept, Op

MODES = ("none", "selective", "full")
MARKED = "marked"
CHECKPOINTS = ("reentrant", "non-reentrant")
MODULES = ("moe", "shared_experts", "mlp", "mla_up_proj", "core_attn", "moe_act", "layernorm")  # of two that hold a line, the first


class Spec(NamedTuple):
    """What is recomputed: modules of a layer, or whole layers: `group` together, of every chunk the `first` (None: all)."""

    modules: tuple[str, ...] = ()
    full: bool = False
    group: int = 1
    first: int | None = None


_FULL = re.compile(r"full(?::(first=)?([1-9]\d{0,5}))?")


@lru_cache(maxsize=256)
def spec(mode: str) -> Spec:
    """A recompute mode, read; refused with what would be valid."""
    if mode in ("none", "selective"):
        return Spec(("core_attn",) if mode == "selective" else ())
    if found := _FULL.fullmatch(mode):
        number = int(found[2] or 1)
        return Spec(full=True, first=number) if found[1] else Spec(full=True, group=number)
    words = tuple(word.strip() for word in mode.split(","))
    for word in words:
        if word not in MODULES:
            raise PlanError(f"unknown recompute {shown(mode)}", field="recompute", value=mode, valid=VALID)
    return Spec(words)


VALID = (*MODES, "full:N", "full:first=N", *MODULES)


def check(mode: str, checkpoint: str = CHECKPOINTS[0]) -> None:
    """Refuse a mode or a kind of checkpoint that there is not."""
    if mode not in MODES:
        spec(mode)
    if checkpoint not in CHECKPOINTS:
        raise UnknownNameError("checkpointing", checkpoint, CHECKPOINTS)


# ── what is kept, and what runs again ───────────────────────────────────────────────────────────────────────────────────────


def kept(block: Block, step: Step, keeps: Keeps, mode: str) -> Iterator[Kept]:
    """What a layer still holds between its forward and its backward pass. Tables of all layers stay in any mode."""
    if mode == "full":
        given = ((name, op) for name, op in block.lines.items() if isinstance(op, Input) and not op.source)
        yield from (Kept(name, op.makes, op.made(block.sees(step))) for name, op in given)
        yield from (item for item in block.kept(step, keeps) if item.shared)
    elif mode == MARKED:
        yield from block.kept(step, _as_marked(keeps))
    else:
        yield from block.kept(step, _inputs_of_the_core(keeps) if mode == "selective" else keeps)


def runs_again(op: Op, mode: str) -> bool:
    """Whether an operator of a layer is executed a second time."""
    if mode == MARKED:
        return op.mark is not None and op.mark.again
    return mode == "full" or (mode == "selective" and isinstance(op, AttentionCore))


def executed_again(block: Block, step: Step, mode: str, kernels: Kernels | None = None) -> Dim:
    """FLOPs of the forward passes that run again in one layer. Where a run stops early in an attention core of several kernels, its
    last product does not run."""
    again = [line for line in block.walk(step) if runs_again(line.op, mode)]
    total = sum([line.op.flops(line.step) for line in again])
    if kernels is None:
        return total
    cut = [line for line in again if line.op.mark and line.op.mark.last and kernels.of(line.op).scratch]
    return total - sum([line.op.value_flops(line.step) for line in cut if isinstance(line.op, AttentionCore)])


def _inputs_of_the_core(keeps: Keeps) -> Keeps:
    def kept_without_core(op: Op, wire: str, step: Step) -> tuple[str | Extra, ...]:
        items = keeps(op, wire, step)
        shared = [item for item in items if isinstance(item, Extra) and item.shared]
        return (*op.reads, *shared) if isinstance(op, AttentionCore) else items

    return kept_without_core


def _as_marked(keeps: Keeps) -> Keeps:
    def kept_as_marked(op: Op, wire: str, step: Step) -> tuple[str | Extra, ...]:
        items, mark = keeps(op, wire, step), op.mark
        if mark is None:
            return items
        if mark.inside:
            return (*mark.holds, *(item for item in items if isinstance(item, Extra) and item.shared))
        return tuple(item for item in items if not (isinstance(item, str) and item in mark.drops))

    return kept_as_marked
