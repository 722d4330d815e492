"""ZeRO: Memory Optimizations Toward Training Trillion Parameter Models (arXiv:1910.02054): states per rank, and what is sent.

Section 3.1 counts 2 + 2 + 12 bytes per parameter of mixed-precision Adam; section 5 and figure 1 shard them over the ranks.
"""

from __future__ import annotations

from typing import Any

import pytest
import sympy

from bursar import Plan
from bursar.dims import Dim
from bursar.machines.network import VOLUME
from bursar.parallel import data

PSI, RANKS = 7_500_000_000, 64  # figure 1
psi, n, shard = sympy.symbols("psi N_d shard", positive=True, integer=True)


def states(parameters: Dim, ways: Dim, plan: Plan) -> Dim:
    """Bytes of weights, gradients, FP32 masters and optimizer states that one rank holds."""
    own, rate = data.held(parameters, ways, plan.zero), plan.recipe.rate
    masters_and_states = rate["master"] + plan.states.bytes_per_parameter
    return own.weight * rate["weight"] + own.gradient * rate["gradient"] + own.state * masters_and_states


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"precision": "fp16", "optimizer": "adam"}, (2, 2, 4, 8)),  # section 3.1: K = 4 + 4 + 4 = 12, 16 in all
        ({"precision": "bf16", "optimizer": "adamw"}, (2, 2, 4, 8)),
        ({"precision": "bf16", "grad_dtype": "fp32"}, (2, 4, 4, 8)),  # gradients added up in FP32: 18
        ({"precision": "fp32", "optimizer": "adam"}, (4, 4, 0, 8)),  # no second copy of FP32 weights: 16
    ],
)
def test_section_3_1_bytes_per_parameter(options: dict[str, Any], parts: tuple[int, ...]) -> None:
    plan = Plan(**options)
    rate = plan.recipe.rate
    assert (rate["weight"], rate["gradient"], rate["master"], plan.states.bytes_per_parameter) == parts
    assert states(PSI, 1, plan) == sum(parts) * PSI


@pytest.mark.parametrize(
    ("zero", "printed"),
    [
        (0, 16 * psi),
        (1, 4 * psi + 12 * psi / n),  # P_os
        (2, 2 * psi + 14 * psi / n),  # P_os+g
        (3, 16 * psi / n),  # P_os+g+p
    ],
)
def test_figure_1_formulas(zero: int, printed: sympy.Expr) -> None:
    """With Ψ a multiple of the ranks, so that no shard is padded."""
    ours = states(n * shard, n, Plan(precision="fp16", zero=zero))
    assert sympy.simplify(ours - printed.subs(psi, n * shard)) == 0


@pytest.mark.parametrize(("zero", "gigabytes"), [(0, 120), (1, 31.40625), (2, 16.640625), (3, 1.875)])
def test_figure_1_numbers(zero: int, gigabytes: float) -> None:
    """31.4, 16.6 and 1.9 GB in print."""
    assert states(PSI, RANKS, Plan(precision="fp16", zero=zero)) == gigabytes * 10**9


def test_a_shard_is_padded_to_the_same_size_on_every_rank() -> None:
    assert data.held(10, 4, 3)[:3] == (3, 3, 3)
    assert data.held(10, 4, 1)[:3] == (10, 10, 3)


@pytest.mark.parametrize(("zero", "volume"), [(0, 2), (1, 2), (2, 2), (3, 3)])
def test_section_7_volume(zero: int, volume: int) -> None:
    """In units of Ψ elements, one micro-batch a step: an all-reduce is 2, stages 1 and 2 the same, stage 3 half as much again."""
    assert sum(VOLUME[sent.collective] for sent in data.traffic(zero)) == volume
