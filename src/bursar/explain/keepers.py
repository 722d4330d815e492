"""Who keeps a tensor for the backward pass: every operator of a block that does, and as what."""

from __future__ import annotations

import re
from typing import NamedTuple

from bursar import recompute
from bursar.kernels import Kernels
from bursar.ops.attention import AttentionCore
from bursar.step import Step as Workload
from bursar.tree import Block, Extra, Nested, Op

MADE = "made"  # its own result
HELD = "held"  # the input of a checkpoint


class Keeper(NamedTuple):
    """An operator that keeps a tensor: its path, its slot, and what the tensor is to it: the field of a wire that it reads, `made`
    or `held`, or the name that its implementation gives to a tensor of its own. `wire` is the name that it reads it under."""

    path: str
    slot: str
    role: str
    wire: str


def keepers(block: Block, step: Workload, kernels: Kernels, mode: str, prefix: str = "") -> dict[str, list[Keeper]]:
    """Path of a kept tensor, as `Block.kept` names it → the operators that keep it, in order."""
    step = block.sees(step)
    found: dict[str, list[Keeper]] = {}
    for name, op in block.lines.items():
        for item, held in _items(op, name, step, kernels, mode):
            if isinstance(item, Extra):
                kept = block.extra(name, item, step)
                path, role, wire = kept.path, _named(item.name), kept.path
            else:
                path, role, wire = block.storage[item], HELD if held else _role(op, name, item), item
            shared = isinstance(item, Extra) and item.shared
            found.setdefault(path if shared else prefix + path, []).append(Keeper(prefix + name, op.slot, role, prefix + wire))
        if isinstance(op, Nested):
            for path, inner in keepers(op.block, op.inner(step), kernels, mode, f"{prefix}{name}.").items():
                found.setdefault(path, []).extend(inner)
    return found


def _items(op: Op, name: str, step: Workload, kernels: Kernels, mode: str) -> list[tuple[str | Extra, bool]]:
    """What an operator keeps under a recompute mode, and whether a checkpoint holds it as its input."""
    items = kernels.keeps(op, name, step)
    if mode == "selective" and isinstance(op, AttentionCore):
        return [
            *((read, False) for read in op.reads),
            *((item, False) for item in items if isinstance(item, Extra) and item.shared),
        ]
    if mode == recompute.MARKED and op.mark is not None:
        if op.mark.inside:
            held = [(wire, True) for wire in op.mark.holds]
            return [*held, *((item, False) for item in items if isinstance(item, Extra) and item.shared)]
        return [(item, False) for item in items if item not in op.mark.drops]
    return [(item, False) for item in items]


def _role(op: Op, name: str, wire: str) -> str:
    if wire == name:
        return MADE
    return next((field for field in op.wires if getattr(op, field) == wire), "other")


def _named(extra: str) -> str:
    """The name of an extra without what tells tables of different sizes, or placeholders of different lines, apart."""
    return re.sub(r"^(rotary|gradient placeholder|scores buffer).*", r"\1", extra).replace(" ", "_")
