"""Chains of products: the order of the brackets changes the cost, never the result.

The cheapest bracketing is found by dynamic programming over all its parts (Godbole, 1973): with A_i (n_{i−1}, n_i),

    cost(i, k) = min over j of cost(i, j) + cost(j + 1, k) + 2·n_{i−1}·n_j·n_k
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import comb
from typing import NamedTuple

from bursar.errors import PlanError
from bursar.theory.products import Operand, Product, Term

LONGEST = 100  # matrices of a chain


class Bracketing(NamedTuple):
    """A way to multiply a chain: its cost in FLOP, its text, its shape, and its products in the order they are taken."""

    flops: int
    text: str
    shape: tuple[int, int]
    steps: tuple[Term, ...]

    def times(self, right: Bracketing) -> Bracketing:
        """The product of two parts."""
        term = Term("", Operand(self.text, self.shape), Operand(right.text, right.shape))
        flops = self.flops + right.flops + term.product.flops()
        return Bracketing(flops, f"({term.formula})", term.product.shapes[2], (*self.steps, *right.steps, term))


def matrices(shapes: tuple[tuple[int, int], ...]) -> list[Bracketing]:
    """The chain's matrices, A1 to An, checked to fit. Raises PlanError where two neighbours do not."""
    if not 2 <= len(shapes) <= LONGEST:
        raise PlanError(f"a chain of {len(shapes)} matrices", field="shapes", value=len(shapes), valid=f"2 to {LONGEST} of them")
    found = [Bracketing(0, f"A{index}", shape, ()) for index, shape in enumerate(shapes, 1)]
    for left, right in pairwise(found):
        _ = Term("", Operand(left.text, left.shape), Operand(right.text, right.shape)).product
    return found


def left_first(shapes: tuple[tuple[int, int], ...]) -> Bracketing:
    """((A1·A2)·A3)·…"""
    first, *rest = matrices(shapes)
    for matrix in rest:
        first = first.times(matrix)
    return first


def right_first(shapes: tuple[tuple[int, int], ...]) -> Bracketing:
    """A1·(A2·(A3·…))"""
    *rest, last = matrices(shapes)
    for matrix in reversed(rest):
        last = matrix.times(last)
    return last


def cheapest(shapes: tuple[tuple[int, int], ...]) -> Bracketing:
    """The bracketing of the fewest FLOPs, the leftmost split where several cost the same."""
    return _best(shapes, min)


def dearest(shapes: tuple[tuple[int, int], ...]) -> Bracketing:
    """The bracketing of the most FLOPs."""
    return _best(shapes, max)


def bracketings(count: int) -> int:
    """How many ways there are to bracket `count` matrices: the Catalan number of one less."""
    return comb(2 * (count - 1), count - 1) // count


def _best(shapes: tuple[tuple[int, int], ...], choose: Callable[..., int]) -> Bracketing:
    chain = matrices(shapes)
    sizes = [shapes[0][0], *[columns for _, columns in shapes]]
    cost: dict[tuple[int, int], int] = {(i, i): 0 for i in range(len(chain))}
    splits: dict[tuple[int, int], int] = {}
    for span in range(1, len(chain)):
        for i in range(len(chain) - span):
            k = i + span
            costs = {j: cost[i, j] + cost[j + 1, k] + Product(sizes[i], sizes[j + 1], sizes[k + 1]).flops() for j in range(i, k)}
            splits[i, k] = choose(costs, key=costs.__getitem__)
            cost[i, k] = costs[splits[i, k]]

    def bracketed(i: int, k: int) -> Bracketing:
        return chain[i] if i == k else bracketed(i, splits[i, k]).times(bracketed(splits[i, k] + 1, k))

    return bracketed(0, len(chain) - 1)
