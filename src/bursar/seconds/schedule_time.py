"""What the schedules of the pipeline wait for, from the seconds of its ranks: a rank's passes, and those beside the slowest."""

from __future__ import annotations

from bursar.dims import Dim, at_least, choose
from bursar.kernels import Kernels
from bursar.machines.machine import Machine
from bursar.parallel.schedules import Passes
from bursar.parallel.waiting import has_product
from bursar.plan import Plan
from bursar.seconds import operator_time
from bursar.seconds.block_time import Pace
from bursar.step import Step
from bursar.tree import Block


def weight_pass(block: Block, step: Step, plan: Plan, kernels: Kernels, machine: Machine) -> Dim:
    """Seconds of a block's weight gradients: of the backward pass of each product, their share of its FLOPs."""
    total: Dim = 0
    for line in block.walk(step):
        if has_product(line.op):
            inputs, weights = line.op.gradients(line.step)
            _, back = operator_time.seconds(line, kernels.of(line.op), plan.recipe.rate, machine.roofline)
            total = total + back * weights / at_least(inputs + weights, 1)  # a tower that sees nothing has none
    return total


def parted(own: Pace, weight: Dim, again: Dim) -> Passes:
    """A rank's seconds as the passes of a schedule. Collectives are as long in each pass: running all of a layer `again` is one
    more."""
    talk = own.tensor_parallel + own.expert_parallel + own.context_parallel
    forward = own.forward + talk / choose(again, 3, 2)
    return Passes(forward, sum(own) - forward - weight, weight)


def beside_the_slowest(ranks: list[Passes], counts: list[int], chunks: int) -> Passes:
    """A micro-batch through one chunk, on the average of the ranks beside the slowest; `counts` says how many ranks are alike."""
    slow = ranks[0]
    for other in ranks[1:]:
        wins = other.all > slow.all
        slow = Passes(*[choose(wins, new, old) for new, old in zip(other, slow, strict=True)])
    parts = zip(zip(*ranks, strict=True), slow, strict=True)
    divisor = (sum(counts) - 1) * chunks
    sums = [(sum([part * n for part, n in zip(of_ranks, counts, strict=True)]), most) for of_ranks, most in parts]
    return Passes(*[(total - most) / divisor for total, most in sums])
