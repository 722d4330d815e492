"""Proves what optimizers hold: the register's bytes per parameter (groups 7 and 9) and states that follow from shapes, through the
public account of a job: whole, cut by tensor parallelism, spread by ZeRO, in experts, and for many plans at once.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy

import bursar
from bursar import Plan, Training
from bursar.cli import catalogs
from bursar.errors import PlanError, UnknownNameError
from bursar.facts import sources
from bursar.memory.peaks import Memory
from bursar.ops.linear import Linear
from bursar.optimizers import OPTIMIZERS, UPDATES, optimizer
from bursar.optimizers.states import Weight
from bursar.tree import Architecture, Block, Input, Repeat

GB = 10**9
H, F, L, KV, V = 4096, 14336, 32, 1024, 128256  # Llama-3-8B
MATRICES = [(H, H), (KV, H), (KV, H), (H, H), (F, H), (F, H), (H, F)]  # of a layer, (d_out, d_in)
HIDDEN = L * sum(rows * columns for rows, columns in MATRICES)
OTHERS = 2 * V * H + (2 * L + 1) * H  # embedding and output layer, norms


def one_matrix(rows: int, columns: int) -> Architecture:
    """A model that is one product."""
    block = Block({"x": Input(columns), "y": Linear("x", columns, rows, parallel="column")})
    return Architecture("matrix", (), (Repeat(1, block),), ())


SEVEN_B = one_matrix(70_000, 100_000)


def states(model: Architecture | bursar.model.Model, **options: object) -> int:
    return Training(model, Plan(**options), length=16).memory()[0].optimizer_state  # type: ignore[arg-type, no-any-return]


def step_bytes(model: Architecture | bursar.model.Model, **options: object) -> int:
    """What the optimizer holds for its step alone."""
    return Training(model, Plan(**options), length=16).update_bytes(0)  # type: ignore[arg-type, no-any-return]


@pytest.mark.parametrize(
    ("name", "gigabytes"), [("sgd", 0), ("momentum", 28), ("rmsprop", 28), ("adagrad", 28), ("adam", 56), ("lamb", 56)]
)
def test_states_of_seven_billion_parameters(name: str, gigabytes: int) -> None:
    """N7.12, N9.16: 0, 1 or 2 FP32 values per parameter."""
    assert states(SEVEN_B, optimizer=name) == gigabytes * GB
    assert optimizer(name).bytes_per_parameter == 4 * len(optimizer(name).states)


@pytest.mark.parametrize(
    ("name", "values"), [("nesterov", 1), ("lars", 1), ("lion", 1), ("sophia", 2), ("amsgrad", 3), ("schedule-free", 2)]
)
def test_other_states_that_are_as_large_as_the_weights(name: str, values: int) -> None:
    assert states(SEVEN_B, optimizer=name) == 4 * values * 7 * GB


def test_states_may_have_another_dtype() -> None:
    assert states(SEVEN_B, optimizer="adamw", state_dtype="bf16") == 2 * 2 * 7 * GB
    assert states(SEVEN_B, optimizer="adamw-8bit", state_dtype="bf16") == states(SEVEN_B, optimizer="adamw-8bit")
    with pytest.raises(UnknownNameError):
        _ = Plan(state_dtype="fp8").recipe


def test_eight_bits() -> None:
    """N7.13: a byte per value and state and an FP32 maximum per 2048: 7e9 values are 3,417,968.75 blocks."""
    assert optimizer("adamw-8bit").bytes_per_parameter == Fraction("2.00390625")
    assert states(SEVEN_B, optimizer="adamw-8bit") == 2 * (7 * GB + 4 * 3_417_969)
    assert states(SEVEN_B, optimizer="adamw-8bit-256") == 2 * (7 * GB + 4 * (7 * GB // 256))
    assert 7 * GB % 256 == 0


@pytest.mark.parametrize(("elements", "expected"), [(4095, 2 * 4 * 4095), (4096, 2 * (4096 + 4 * 2)), (4097, 2 * (4097 + 4 * 3))])
def test_small_tensors_keep_fp32_states(elements: int, expected: int) -> None:
    assert optimizer("adamw-8bit").bytes_of(Weight((elements,))) == expected


def test_paged_states_live_in_managed_memory() -> None:
    """From 100,000 elements on; maxima of blocks stay on the device, and the step calls back the states of the weight at work."""
    paged = optimizer("paged-adamw-8bit")
    assert paged.managed(Weight((99_999,))) == 0 and paged.managed(Weight((100_000,))) == 200_000
    model = bursar.load("llama-3-8b")
    norms = (2 * L + 1) * 2 * (H + 4 * H // 256)
    maxima = 2 * 4 * (HIDDEN + 2 * V * H) // 256
    assert states(model, optimizer="paged-adamw-8bit") == norms + maxima
    assert step_bytes(model, optimizer="paged-adamw-8bit") == 2 * V * H  # the embedding's
    assert states(model, optimizer="paged-adamw") == (2 * L + 1) * 8 * H


def test_adafactor_keeps_rows_and_columns() -> None:
    factors = L * sum(sum(shape) for shape in MATRICES) + 2 * (V + H)
    assert states(bursar.load("llama-3-8b"), optimizer="adafactor") == 4 * (factors + (2 * L + 1) * H)


def test_muon_keeps_a_momentum_for_hidden_matrices_and_adam_for_others() -> None:
    model = bursar.load("llama-3-8b")
    assert model.params() == HIDDEN + OTHERS
    assert states(model, optimizer="muon") == 4 * HIDDEN + 8 * OTHERS
    assert states(model, optimizer="muon", tensor=2) == 4 * HIDDEN // 2 + 8 * (V * H + (2 * L + 1) * H)  # norms are copied
    assert states(model, optimizer="muon", data=8, zero=1) == states(model, optimizer="muon") // 8


def test_shampoo_keeps_two_squares_of_each_block_twice() -> None:
    """1500 × 2048 are four blocks: two of 1024 × 1024 and two of 476 × 1024; a vector of 1500 has one square per piece."""
    squares = 2 * (1024**2 + 1024**2) + 2 * (476**2 + 1024**2)
    found = optimizer("shampoo")
    assert found.bytes_of(Weight((1500, 2048))) == 4 * (1500 * 2048 + 2 * squares)
    assert found.bytes_of(Weight((1500,))) == 4 * (1500 + 2 * (1024**2 + 476**2))


def test_soap_leaves_long_sides_alone() -> None:
    found = optimizer("soap")
    assert found.bytes_of(Weight((30_000, 768))) == 4 * (2 * 30_000 * 768 + 2 * 768**2)
    assert found.bytes_of(Weight((768, 768))) == 4 * (2 * 768**2 + 2 * 2 * 768**2)
    assert found.bytes_of(Weight((768,))) == 4 * 2 * 768


def test_every_expert_has_factors_of_its_own() -> None:
    """Mixtral-8x7B: 8 experts of three matrices in each of 32 layers, and a router 8 × 4096."""
    h, f, layers, experts, v = 4096, 14336, 32, 8, 32000
    attention = 2 * (h + h) + 2 * (h + 1024)
    layer = attention + experts * 3 * (h + f) + (experts + h) + 2 * h
    factors = layers * layer + 2 * (v + h) + h
    model = bursar.load("mixtral-8x7b")
    assert states(model, optimizer="adafactor") == 4 * factors
    eighth = factors - layers * (experts - 1) * 3 * (h + f)
    assert states(model, optimizer="adafactor", expert=8, data=8) == 4 * eighth


@pytest.mark.parametrize("name", ["muon", "adafactor", "shampoo", "soap", "adamw-8bit", "paged-adamw-8bit"])
@pytest.mark.parametrize("zero", [0, 1, 3])
def test_many_plans_at_once_are_each_plan(name: str, zero: int) -> None:
    model = bursar.load("mixtral-8x7b")
    tensor, data = [1, 2, 4], [8, 4, 2]
    many = Training(
        model, Plan(tensor=np.array(tensor, float), data=np.array(data, float), zero=zero, optimizer=name), bursar.device("b300"),
        length=64, checked=False,
    )  # fmt: skip
    for place, (t, d) in enumerate(zip(tensor, data, strict=True)):
        one = Training(model, Plan(tensor=t, data=d, zero=zero, optimizer=name), bursar.device("b300"), length=64)
        assert many.peak()[place] == one.peak()
        assert many.seconds.optimizer[place] == pytest.approx(one.seconds.optimizer, rel=1e-12)


@pytest.mark.parametrize("name", [name for name, found in OPTIMIZERS.items() if found.bytes_per_parameter is None])
def test_the_printed_bytes_per_parameter_are_those_of_a_matrix(name: str) -> None:
    found = optimizer(name)
    m, n = sympy.symbols("m n")
    printed = sympy.sympify(found.per_parameter.split(",")[0])
    for rows, columns in ((1024, 512), (640, 640), (100, 900)):
        assert printed.subs({m: rows, n: columns}) == Fraction(found.bytes_of(Weight((rows, columns))), rows * columns)


def test_every_row_is_complete() -> None:
    for name, found in OPTIMIZERS.items():
        assert found.name == name and found.update and found.flops > 0 and found.source in sources()
        assert bool(found.per_parameter) is (found.bytes_per_parameter is None), name
        assert found.bytes_of(Weight((2048, 2048))) == found.stored_as(4).bytes_of(Weight((2048, 2048)))


# ── the step ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_newton_schulz() -> None:
    """Five iterations on 4096 × 1024: X Xᵀ and its use 2·1024²·4096 each, the square of the Gram matrix 2·1024³."""
    found = optimizer("muon")
    assert found.products is not None and found.workspace is not None
    assert found.products(Weight((4096, 1024))) == 5 * (2 * 2 * 1024**2 * 4096 + 2 * 1024**3)
    assert found.products(Weight((4096, 1024), hidden=False)) == found.products(Weight((4096,))) == 0
    assert found.workspace(Weight((4096, 1024)), 4) == 4096 * 1024 * (4 + 2 * 2) + 2 * 2 * 1024**2


def test_the_step_of_llama_3_8b() -> None:
    """Pure BF16 as torch.optim has it: foreach makes a copy as large as the weights, 15 GiB; a loop over the weights two
    of the output layer beside that of the norm before it; one kernel nothing."""
    model, pure = bursar.load("llama-3-8b"), {"precision": "bf16-pure", "state_dtype": "bf16"}
    assert step_bytes(model, **pure) == 0
    assert step_bytes(model, **pure, update="foreach") == 2 * model.params() == 16_060_522_496
    assert step_bytes(model, **pure, update="for-loop") == 2 * (2 * V * H + H)
    assert step_bytes(model, **pure, update="foreach", data=8, zero=1) == 2 * model.params() // 8


def test_narrow_gradients_are_cast_to_the_format_of_the_masters() -> None:
    """torch.optim steps over FP32 masters with FP32 gradients; gradients that are FP32 already need no copy."""
    model = bursar.load("llama-3-8b")
    assert step_bytes(model, update="foreach") == (4 + 4) * model.params()
    assert step_bytes(model, update="foreach", grad_dtype="fp32") == 4 * model.params()
    assert step_bytes(model, update="foreach", optimizer="momentum", grad_dtype="fp32") == 0


def test_a_loop_over_weights_ends_where_two_neighbours_are_largest() -> None:
    """Adam holds two copies of the weight at work and one of the last: of three layers of one matrix, three copies."""
    block = Block({"x": Input(64), "y": Linear("x", 64, 64, parallel="column")})
    three = Architecture("matrices", (), (Repeat(3, block),), ())
    options = {"precision": "fp32", "update": "for-loop"}
    assert step_bytes(three, **options) == 4 * 3 * 64 * 64
    assert step_bytes(one_matrix(64, 64), **options) == 4 * 2 * 64 * 64
    assert step_bytes(three, **options, optimizer="nesterov") == 4 * 64 * 64  # the sum of the last weight is gone by then


@pytest.mark.parametrize("update", UPDATES)
def test_the_update_changes_nothing_else(update: str) -> None:
    job = Training(bursar.load("llama-3-8b"), Plan(update=update, micro_batch=8), length=8192)
    assert job.memory()[0]._replace(temporary=0) == Memory(
        *Training(job.model, Plan(micro_batch=8), length=8192).memory()[0]
    )._replace(temporary=0)


def test_what_was_not_traced_is_refused() -> None:
    with pytest.raises(PlanError, match="optimizer_step=foreach of lamb") as caught:
        Plan(optimizer="lamb", update="foreach")
    assert "adamw" in str(caught.value.valid)
    with pytest.raises(UnknownNameError):
        Plan(update="vectorised")


def test_the_verb_prints_numbers_where_they_are_numbers() -> None:
    rows = {row["name"]: row for row in catalogs.optimizers({})["optimizers"]}
    assert rows.keys() == OPTIMIZERS.keys()
    values = {name: row["state_per_param"] for name, row in rows.items()}
    assert [values[name] for name in ("sgd", "momentum", "rmsprop", "adagrad", "adam", "lamb")] == [
        0,
        4,
        4,
        4,
        8,
        8,
    ]  # N9.16 in FP32
    assert values["adamw-8bit"] == 2.00390625  # N7.13
    assert {name for name, value in values.items() if isinstance(value, str)} == {"adafactor", "muon", "shampoo", "soap"}
    assert {name for name, row in rows.items() if row["managed"]} == {"paged-adamw", "paged-adamw-8bit"}
    assert all(row["source"] and row["update"] for row in rows.values())
