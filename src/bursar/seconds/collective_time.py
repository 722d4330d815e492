"""Seconds of a collective that a pass waits for, its copies sorted and padded."""

from __future__ import annotations

from fractions import Fraction

from bursar.dims import Dim, at_most
from bursar.machines.machine import DEDUPLICATED, Machine
from bursar.ops.collective import AllToAll, Collective
from bursar.plan import Plan
from bursar.tree import Line


def collective(line: Line, op: Collective, width: int | Fraction, machine: Machine, plan: Plan) -> tuple[Dim, Dim]:
    """Seconds of a collective's forward and backward pass, none of it hidden."""
    payload = op.payload(line.step) * width
    group = machine.groups[op.group]
    if plan.expert_comm == DEDUPLICATED and type(op) is AllToAll:
        one_way = group.deduplicated(payload, op.top_k)
        return one_way, 0 if op.still else one_way
    there = sum([group.seconds(kind, payload) for kind in op.forward])
    back = 0 if op.still else sum([group.seconds(kind, payload) for kind in op.backward])
    if type(op) is not AllToAll:
        return there, back
    sorting = _sorting(line, op, payload, machine)
    return there + sorting, back if op.still else back + sorting


def _sorting(line: Line, op: Collective, payload: Dim, machine: Machine) -> Dim:
    """Seconds of putting copies that arrived from rank after rank in the order of the experts, or back, where there are several;
    and of padding each expert's to blocks that narrow products take, or back (Megatron-Core, TEGroupedMLP.quantization_padding)."""
    several = at_most(line.instances - 1, 1) * at_most(op.ways - 1, 1)
    sorting = several * machine.roofline.moved("experts", 2 * payload, 1)
    return sorting + machine.roofline.traffic(2 * payload, 1) if machine.roofline.cast_bytes else sorting
