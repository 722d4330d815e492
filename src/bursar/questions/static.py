"""What a number of parameters holds before any activation: working weights, gradients, masters and optimizer states.

No model is asked for: the account is that of one matrix with so many elements, by the same rules as every job's.
"""

from __future__ import annotations

from typing import NamedTuple

from bursar.errors import PlanError
from bursar.ops.linear import Linear
from bursar.optimizers import OPTIMIZERS
from bursar.plan import Plan
from bursar.training import Training
from bursar.tree import Architecture, Block, Input, Repeat


class Static(NamedTuple):
    """Bytes of one rank."""

    weights: int
    gradients: int
    master_weights: int
    optimizer_state: int

    @property
    def total(self) -> int:
        return sum(self)


def static(params: int, plan: Plan) -> Static:
    """The static bytes of `params` parameters under a plan of data parallelism.

    Raises PlanError where the optimizer's states follow from the shapes of matrices, which a number does not have.
    """
    if plan.states.bytes_per_parameter is None:
        flat = [name for name, known in OPTIMIZERS.items() if known.bytes_per_parameter is not None]
        raise PlanError(
            f"states of {plan.optimizer} follow from the shapes of matrices", field="optimizer", value=plan.optimizer,
            valid=f"{', '.join(flat)}; or bursar memory MODEL",
        )  # fmt: skip
    found = Training(_matrix(params), plan, length=1).memory()[0]
    return Static(found.weights, found.gradients, found.master_weights, found.optimizer_state)


def _matrix(params: int) -> Architecture:
    """A model that is one matrix."""
    block = Block({"x": Input(1), "w": Linear("x", 1, params, parallel="replicated")})
    return Architecture("parameters", (), (Repeat(1, block),), ())
