"""Seconds of a step: every operator on the roofline, collectives, the pipeline, what data parallelism cannot hide.

    step = m·max τ + bubble + messages + exposed data parallelism + optimizer

with τ the seconds of one micro-batch on a rank and m the number of micro-batches (arXiv:2104.04473, section 2.2). Bubble and
messages are what the schedule waits for (`parallel/schedules`): of 1F1B Σ τ − max τ over all ranks. Overlap is a maximum: a
collective that runs beside a pass costs what outlasts it.
"""

from __future__ import annotations

from typing import NamedTuple

from bursar.dims import Dim, at_least, choose
from bursar.formula import formula
from bursar.parallel.pipeline import Stage
from bursar.seconds.block_time import Pace


class Seconds(NamedTuple):
    """Where a step's time goes, on the stage that sets the pace; the parts add up to the step."""

    forward: Dim
    backward: Dim
    recompute: Dim
    tensor_parallel: Dim
    expert_parallel: Dim
    context_parallel: Dim
    bubble: Dim
    pipeline: Dim
    data_parallel: Dim
    optimizer: Dim
    offload: Dim = 0
    launching: Dim = 0

    @property
    def step(self) -> Dim:
        return sum(self)


def of_stage(stage: Stage, paces: dict[int, Pace]) -> Pace:
    """Seconds of one micro-batch through a stage."""
    sums: list[Dim] = [0] * len(Pace._fields)
    for block, times in stage.blocks():
        sums = [total + part * times for total, part in zip(sums, paces[id(block)], strict=True)]
    return Pace(*sums)


@formula("bytes that an optimizer step moves", "B")
def update_bytes(parameters: Dim, gradient: Dim, weight: Dim, master: Dim, state: Dim) -> Dim:
    """Per parameter: read the gradient, read and write states and masters, write the working weight."""
    return parameters * (gradient + 2 * state + choose(master > 0, 2 * master + weight, 2 * weight))


def slowest(paces: tuple[Pace, ...]) -> Pace:
    """The stage that sets the pace."""
    best, longest = paces[0], sum(paces[0])
    for other in paces[1:]:
        seconds = sum(other)
        wins = seconds > longest
        best = Pace(*[choose(wins, new, old) for new, old in zip(other, best, strict=True)])
        longest = at_least(longest, seconds)
    return best
