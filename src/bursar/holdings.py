"""What of a rank's weights costs more or less than a flat rate per parameter: copies of quantised products, states that follow from
shapes, and what an optimizer step needs for a while.

A plan whose optimizer and precision are flat has `NOTHING` of it, and no block is walked. Amounts are those of whole blocks of one
rank, by the group of ranks that share them (dense weights, experts); `data.held` shards them as it shards parameters, so that bytes
of states are dealt evenly, as `optimizers` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bursar.dims import Dim, at_least, ceil_div, choose, most
from bursar.optimizers import step_temporary
from bursar.optimizers.states import Weight
from bursar.parallel import data
from bursar.plan import Plan
from bursar.precision import bits_of, size
from bursar.tree import Block, Nested

GROUPS = ("data", "expert_data")
SUMS = ("products", "states", "managed", "flops")  # amounts of a share that add up


class Loop(NamedTuple):
    """Elements of intermediates of a for-loop over weights: at the worst weight after the first, of the first, left by the last."""

    inner: Dim = 0
    first: Dim = 0
    last: Dim = 0

    def then(self, other: Loop) -> Loop:
        """This loop, and another one after it."""
        return Loop(most([self.inner, other.inner, self.last + other.first]), self.first, other.last)

    @property
    def peak(self) -> Dim:
        return at_least(self.inner, self.first)


class Share(NamedTuple):
    """What the weights of one group amount to."""

    products: Dim = 0  # elements of weights of quantised products
    states: Dim = 0  # bytes of optimizer states, managed memory apart
    managed: Dim = 0  # bytes of them in managed memory
    flops: Dim = 0  # of the matrix products of an update
    workspace: Dim = 0  # bytes that the update of the largest weight needs
    loop: Loop = Loop()

    def times(self, count: Dim) -> Share:
        """So many of the same, one after another."""
        if self is NO_WEIGHTS:
            return self
        inner, first, last = self.loop
        repeated = Loop(at_least(inner, choose(count > 1, last + first, 0)), first, last)
        return self._replace(**{name: getattr(self, name) * count for name in SUMS}, loop=repeated)

    def then(self, other: Share) -> Share:
        """These weights, and others after them."""
        if self is NO_WEIGHTS or other is NO_WEIGHTS:
            return self if other is NO_WEIGHTS else other
        added = {name: getattr(self, name) + getattr(other, name) for name in SUMS}
        return self._replace(**added, workspace=at_least(self.workspace, other.workspace), loop=self.loop.then(other.loop))


NO_WEIGHTS = Share()


class Holding(NamedTuple):
    """The shares of a block or a stage."""

    dense: Share = NO_WEIGHTS
    experts: Share = NO_WEIGHTS
    block: Dim = 0  # elements of weights of quantised products in the largest block

    @property
    def shares(self) -> tuple[Share, Share]:
        return self.dense, self.experts

    def of_rank(self, name: str, plan: Plan, use: str) -> Dim:
        """An amount as one rank holds it: sharded like its weights, gradients or optimizer states (`use`)."""
        amounts = zip(GROUPS, (getattr(share, name) for share in self.shares), strict=True)
        return sum([getattr(data.held(amount, plan.shards(group), plan.zero), use) for group, amount in amounts])


NOTHING = Holding()


def of_block(block: Block, plan: Plan) -> Holding:
    """What the weights of a block amount to."""
    if plan.flat:
        return NOTHING
    found = [NO_WEIGHTS, NO_WEIGHTS]
    for share, experts in _shares(block, plan, 1, False):
        found[experts] = found[experts].then(share)
    dense, inside = found
    return Holding(dense, inside, dense.products + inside.products)


def together(parts: Iterable[tuple[Holding, Dim]]) -> Holding:
    """The blocks of a stage in order, each as often as it is there."""
    total = NOTHING
    for part, times in parts:
        if part is not NOTHING:
            total = Holding(
                total.dense.then(part.dense.times(times)),
                total.experts.then(part.experts.times(times)),
                at_least(total.block, part.block),
            )
    return total


def _shares(block: Block, plan: Plan, instances: Dim, experts: bool) -> Iterator[tuple[Share, bool]]:
    """Every weight of a block that amounts to something, and whether it is an expert's. A frozen one has no states, and works
    in the working dtype where it is stored in a format of its own."""
    for op in block.lines.values():
        quantises = op.quantised and op.stored is None and bool(plan.recipe.products)
        for name, shape in (op.shapes() if op.trainable or quantises else {}).items():
            weight = Weight(shape, op.kind not in ("embedding", "logits"))
            share = Share(products=weight.elements if quantises and name == "weight" else 0)
            yield (_trained(share, weight, plan) if op.trainable else share).times(instances), experts
        if isinstance(op, Nested):
            yield from _shares(op.block, plan, instances * op.instances, True)


def _trained(share: Share, weight: Weight, plan: Plan) -> Share:
    """The share of a trained weight, with what the optimizer has for it."""
    chosen, width = plan.states, plan.recipe.rate["state"]
    managed = chosen.managed(weight)
    live, left = (chosen.intermediates.live, chosen.intermediates.left) if chosen.intermediates else (0, 0)
    return share._replace(
        states=chosen.bytes_of(weight) - managed,
        managed=managed,
        flops=chosen.products(weight) if chosen.products else 0,
        workspace=at_least(managed, chosen.workspace(weight, width) if chosen.workspace else 0),
        loop=Loop(0, live * weight.elements, left * weight.elements),
    )


def weight_bytes(own: Holding, elements: Dim, plan: Plan) -> Dim:
    """Bytes of a rank's working weights, `elements` of them: quantised products have copies or a narrower format. Where weights are
    sharded, copies are made of what is gathered, and go with it."""
    recipe = plan.recipe
    if not recipe.products or plan.sharding == "per-parameter" or (plan.zero >= 3 and recipe.copies):
        return size(elements, recipe.rate["weight"])
    products = own.of_rank("products", plan, "weight")
    return size(elements - products, recipe.rate["weight"]) + size(products, recipe.rate["product"])


def copies_at_work(own: Holding, plan: Plan) -> Dim:
    """Bytes of the quantised copies of a gathered block."""
    rate = plan.recipe.rate
    return size(own.block, rate["product"] - rate["weight"]) if plan.zero >= 3 and plan.recipe.copies else 0


def state_bytes(own: Holding, elements: Dim, plan: Plan) -> Dim:
    """Bytes of a rank's optimizer states on the device, for the `elements` that it updates."""
    if plan.states.flat:
        return size(elements, plan.states.bytes_per_parameter or 0)
    return own.of_rank("states", plan, "state")


def all_states(own: Holding, plan: Plan) -> Dim:
    """The same with those in managed memory."""
    return own.of_rank("states", plan, "state") + own.of_rank("managed", plan, "state")


def step_bytes(own: Holding, elements: Dim, plan: Plan) -> Dim:
    """Bytes that exist only during the optimizer step of a rank that updates `elements` parameters.

    The gradients are cast to the master's format first, where torch.optim steps over masters and the gradients are narrower. With
    sharded states a weight's intermediates are those of its shard; a matrix that the update needs whole is gathered.
    """
    if plan.flat and plan.update == "fused":
        return 0
    recipe, chosen = plan.recipe, plan.states
    if plan.update in ("cast", "flattened"):
        return size(elements, recipe.rate["master"] + (recipe.rate["gradient"] if plan.update == "flattened" else 0))
    per_element: Dim = 0
    cast: Dim = 0
    loop: Dim = 0
    if plan.update != "fused" and chosen.intermediates:
        if recipe.master and bits_of(recipe.gradient) < bits_of(recipe.master):
            cast = recipe.rate["master"]
        per_element = chosen.intermediates.foreach if plan.update == "foreach" else 0
        loop = _worst(own, plan) if plan.update == "for-loop" else 0
    workspace = most([share.workspace for share in own.shares])
    return step_temporary(elements, loop, per_element, recipe.rate["state"], cast) + workspace


def _worst(own: Holding, plan: Plan) -> Dim:
    """Elements of intermediates at the worst weight of a for-loop."""
    shards = [plan.shards(group) if plan.zero else 1 for group in GROUPS]
    return most([ceil_div(share.loop.peak, ways) for share, ways in zip(own.shares, shards, strict=True)])
