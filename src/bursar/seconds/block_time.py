"""Seconds of one micro-batch through a block: its operators on the roofline, its collectives, and what overlap hides of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from bursar import recompute
from bursar.dims import Dim, at_least, at_most
from bursar.formula import formula
from bursar.kernels import Kernels
from bursar.machines.machine import Machine, placed
from bursar.machines.network import Network
from bursar.machines.roofline import Roofline
from bursar.ops.attention import AttentionCore
from bursar.ops.collective import Collective
from bursar.ops.context import Ring
from bursar.parallel import overlap
from bursar.plan import Plan
from bursar.seconds.collective_time import collective
from bursar.seconds.operator_time import seconds
from bursar.step import Step
from bursar.tree import Block, Line, Op


class Pace(NamedTuple):
    """Seconds of one micro-batch."""

    forward: Dim
    backward: Dim
    recompute: Dim
    tensor_parallel: Dim
    expert_parallel: Dim
    context_parallel: Dim
    launching: Dim = 0  # what launching its kernels outlasts them


class Timed(NamedTuple):
    """A line of a block, with the seconds of its forward and its backward pass."""

    line: Line
    there: Dim
    back: Dim


def timed(block: Block, step: Step, plan: Plan, kernels: Kernels, machine: Machine) -> Iterator[Timed]:
    """The lines of a block in order."""
    rate, roof = plan.recipe.rate, machine.roofline
    for line in block.walk(step):
        if isinstance(line.op, Collective):
            yield Timed(line, *collective(line, line.op, rate["activation"], machine, plan))
        else:
            yield Timed(line, *seconds(line, kernels.of(line.op), rate, roof))


def pace(
    block: Block, step: Step, plan: Plan, kernels: Kernels, machine: Machine, mode: str, lines: Iterable[Timed] | None = None
) -> Pace:
    """Seconds of one micro-batch through one block; `lines` are those of the block before it is recomputed, if they are known."""
    forward: Dim = 0
    backward: Dim = 0
    again: Dim = 0
    talk = {group: _Talk() for group in ("tensor", "expert", "context")}
    products = _Talk()
    around = _Context()
    launched = 0
    hides = "tensor" in plan.overlap and plan.sequence
    every = timed(block, step, plan, kernels, machine) if lines is None else _again(block, step, lines)
    for line, there, back in every:
        op = line.op
        again_too = recompute.runs_again(op, mode)
        if isinstance(op, Collective):
            if op.group == "context":
                around.sends(op, there, back)
                there = back = 0
            talk[op.group].add(there, back, _launches(op, again_too), twice=again_too)
            continue
        if type(there) is int and there == 0:
            continue
        launched += _launches(op, again_too)
        forward = forward + there
        backward = backward + back
        if hides and op.engine == "matmul":
            products.add(there, back)
        if isinstance(op, AttentionCore):
            around.attends(there, back, twice=again_too)
        if again_too:
            again = again + there
    backward = backward + accumulation(block, plan, machine)
    tensor = _beside_products(talk["tensor"], products, plan, machine) if hides else talk["tensor"].all
    routed = talk["expert"].all
    if "expert" in plan.overlap:
        routed = overlap.exposed(routed, forward + backward, machine.price["expert"])
    own = Pace(forward, backward, again, tensor, routed, around.exposed())
    if plan.launch == "graph":
        return own
    calls = launched + sum([said.calls * at_most(_ways(plan, group) - 1, 1) for group, said in talk.items() if said.calls])
    return own._replace(launching=launching(calls, machine.launch, sum(own)))


def pace_once(block: Block, step: Step, plan: Plan, kernels: Kernels, machine: Machine, mode: str) -> Pace:
    """The same for plans of ints, once for all plans that cut the block alike."""
    return _paces(block, step, plan.within, kernels, machine.roofline, machine.network, mode)


@lru_cache(maxsize=1024)
def _paces(block: Block, step: Step, plan: Plan, kernels: Kernels, roof: Roofline, network: Network, mode: str) -> Pace:
    return pace(block, step, plan, kernels, placed(roof, network, plan), mode)


def _again(block: Block, step: Step, lines: Iterable[Timed]) -> Iterator[Timed]:
    """The lines of a recomputed block, whose operators are marked, with the same seconds."""
    return (known._replace(line=line) for line, known in zip(block.walk(step), lines, strict=True))


@formula("seconds that the host takes beyond the kernels it launches", "s", "vtrain")
def launching(calls: Dim, each: Dim, busy: Dim) -> Dim:
    """A device waits where its kernels are shorter than their launches, all together."""
    return at_least(calls * each - busy, 0)


def accumulation(block: Block, plan: Plan, machine: Machine) -> Dim:
    """Seconds of adding a block's gradients to buffers, where the backward pass makes them apart. Fused products add them."""
    if plan.grad_buffer != "accumulated":
        return 0
    width = plan.recipe.rate["weight"] + 2 * plan.recipe.rate["gradient"]
    return machine.roofline.traffic(sum(block.trained), width)


class _Talk:
    """Seconds forward and backward, and how often the host calls."""

    def __init__(self) -> None:
        self.there: Dim = 0
        self.back: Dim = 0
        self.calls = 0

    def add(self, there: Dim, back: Dim, calls: int = 0, *, twice: bool = False) -> None:
        self.there = self.there + (2 * there if twice else there)
        self.back = self.back + back
        self.calls += calls

    @property
    def all(self) -> Dim:
        return self.there + self.back


def _launches(op: Op, again: bool) -> int:
    """Passes in which the host launches an operator."""
    if isinstance(op, Collective):
        return bool(op.forward) * (1 + again) + bool(op.backward and not op.still)
    return 1 + again + (not op.still)


def _ways(plan: Plan, group: str) -> Dim:
    """Ranks of a group that talks within a micro-batch."""
    return {"tensor": plan.tensor, "expert": plan.expert, "context": plan.context}[group]


def _beside_products(said: _Talk, products: _Talk, plan: Plan, machine: Machine) -> Dim:
    """Seconds of tensor parallelism that the products do not hide."""
    price, first = machine.price["tensor"], 1 / plan.tensor
    there = overlap.exposed(said.there, products.there, price, first)
    return there + overlap.exposed(said.back, products.back, price, first)


class _Context:
    """What a block sends to its context group: a ring runs beside the attention core and costs what outlasts it, the rest waits.
    Where the core runs again, keys and values come again."""

    def __init__(self) -> None:
        self.waits: tuple[Dim, Dim] = (0, 0)
        self.ring: tuple[Dim, Dim] | None = None
        self.core: tuple[Dim, Dim] = (0, 0)
        self.passes = 1

    def sends(self, op: Collective, there: Dim, back: Dim) -> None:
        if isinstance(op, Ring):
            before = self.ring or (0, 0)
            self.ring = before[0] + there, before[1] + back
        else:
            self.waits = self.waits[0] + there, self.waits[1] + back

    def attends(self, there: Dim, back: Dim, *, twice: bool) -> None:
        if self.ring:
            self.core = self.core[0] + there, self.core[1] + back
        self.passes = 2 if twice else 1

    def exposed(self) -> Dim:
        there, back = self.waits
        if self.ring:
            there = there + at_least(self.ring[0] - self.core[0], 0)
            back = back + at_least(self.ring[1] - self.core[1], 0)
        return self.passes * there + back
