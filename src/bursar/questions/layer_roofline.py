"""The operators of a layer on the roofline of a device: what each computes and moves, what the device allows at its peaks, and what
it is predicted to reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bursar.machines.devices import Device
from bursar.ops.collective import Collective
from bursar.questions.ridge import bound
from bursar.seconds import operator_time
from bursar.training import Training
from bursar.tree import Block, Line


class Point(NamedTuple):
    """The forward pass of an operator: FLOPs, bytes, predicted seconds, and the seconds that its products and its bytes take at the
    peaks of the device."""

    path: str
    op: str
    flops: int
    bytes: float
    seconds: float
    compute_s: float
    memory_s: float

    @property
    def share(self) -> float:
        """Of what the device allows at its peaks, reached."""
        return max(self.compute_s, self.memory_s) / self.seconds


class Layer(NamedTuple):
    """A kind of layer and the points of its operators, in order."""

    kind: str
    points: tuple[Point, ...]


def layers(training: Training) -> tuple[Layer, ...]:
    """One layer of every kind, on a rank of a plan of ints."""
    device = training.device
    assert device is not None
    found: dict[int, Layer] = {}
    for stage in training.stages:
        for _, _, block in stage.layers:
            if id(block) not in found:
                found[id(block)] = Layer(block.kind, tuple(_points(block, training, device)))
    return tuple(found.values())


def _points(block: Block, training: Training, device: Device) -> Iterator[Point]:
    for line in block.walk(training.step):
        if not isinstance(line.op, Collective):
            point = _point(line, training, device)
            if point.bytes and point.seconds:
                yield point


def _point(line: Line, training: Training, device: Device) -> Point:
    """An operator that reads the weights of many experts reads all of them."""
    op, recipe = line.op, training.plan.recipe
    kernel = training.kernels.of(op)
    moved, _, width = operator_time.traffic(line, kernel, recipe.rate)
    if line.nested and op.engine != "vector" and op.engine != "attention":
        moved += (line.instances - 1) * op.weights()
    flops = op.flops(line.step.as_causal if kernel.skips_masked else line.step)
    dtype = recipe.compute if op.quantised or recipe.operand is None else recipe.activation
    at_peak = bound(flops, moved * width, device.peak(dtype).si, device.memory_bandwidth.si)
    seconds, _ = operator_time.seconds(line, kernel, recipe.rate, training.machine.roofline)
    return Point(
        line.path, type(op).__name__, flops, float(moved * width), float(seconds), float(at_peak.compute), float(at_peak.memory)
    )
