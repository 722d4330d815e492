"""Proves the update rules that PyTorch has not, and that rules and table agree: a rule for every row, whose states have the names,
elements and bytes that the row says. The papers' pseudo-code is written out here in another form; rules for matrices turn with
them (their update of UGVᵀ is U·update(G)·Vᵀ). `oracle/test_update_rules.py` compares the others with torch.optim.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from bursar.errors import PlanError
from bursar.facts import sources
from bursar.optimizers import OPTIMIZERS
from bursar.optimizers.states import Weight
from bursar.theory import accumulation, lineage, problems, race
from bursar.theory.updates import RULES, matrices
from bursar.theory.updates.eight_bits import Blocked, dynamic_map, pack, unpack
from bursar.theory.updates.rule import Array, State

SHAPES = [(7,), (64, 48), (3, 4, 5), (1500, 30), (70, 80), (5000,)]


def elements(state: Any) -> int:
    """How many numbers a state has; of a blocked one its codes."""
    if isinstance(state, Blocked):
        return state.codes.size
    return sum(part.size for part in state) if isinstance(state, tuple) else state.size  # type: ignore[no-any-return]


def size(state: Any) -> int:
    """Bytes with four to a number that is in no block."""
    return state.codes.nbytes + state.maxima.nbytes if isinstance(state, Blocked) else 4 * elements(state)


def gradients(shape: tuple[int, ...], count: int, seed: int = 0) -> list[Array]:
    draw = np.random.default_rng(seed)
    return [draw.standard_normal(shape) for _ in range(count)]


def run(name: str, theta: Array, given: list[Array], **settings: Any) -> tuple[Array, State]:
    state = RULES[name].start(theta)
    for t, gradient in enumerate(given, 1):
        theta, state, _ = RULES[name].step(theta, gradient, state, t, **settings)
    return theta, state


# ── rules and table ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_row_has_a_rule() -> None:
    assert list(RULES) == list(OPTIMIZERS)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", RULES)
def test_a_rule_makes_the_states_of_its_row(name: str, shape: tuple[int, ...]) -> None:
    """At the start and after steps (but for Shampoo's on long vectors, whose roots take seconds): names and elements of every
    state, bytes of all."""
    theta, row = np.random.default_rng(0).standard_normal(shape), OPTIMIZERS[name]
    steps = 0 if name == "shampoo" and shape[0] > 1000 else 2
    for state in (RULES[name].start(theta), run(name, theta, gradients(shape, steps))[1]):
        assert {key: elements(value) for key, value in state.items()} == {
            one.name: one.elements(Weight(shape)) for one in row.states
        }
        assert sum(map(size, state.values())) == row.bytes_of(Weight(shape))


def test_soap_leaves_long_sides_alone() -> None:
    shape = (10_001, 3)
    _, state = run("soap", np.zeros(shape), gradients(shape, 2))
    assert [factor.shape for factor in state["factors"]] == [(0, 0), (3, 3)]
    assert elements(state["factors"]) == OPTIMIZERS["soap"].states[2].elements(Weight(shape)) == 9


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_a_pure_function(name: str) -> None:
    """Weight, gradient and state that went in are as they were; the same input gives the same output."""
    theta, given = np.random.default_rng(0).standard_normal((64, 80)), gradients((64, 80), 3)
    start, kept = theta.copy(), [gradient.copy() for gradient in given]
    once, again = run(name, theta, given)[0], run(name, theta, given)[0]
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(theta, start)
    np.testing.assert_array_equal(given, kept)


def test_settings_that_a_rule_has_not_are_refused() -> None:
    with pytest.raises(PlanError, match="sgd has no beta1") as caught:
        RULES["sgd"].checked({"lr": 0.1, "beta1": 0.9})
    assert "weight_decay" in str(caught.value.valid)


# ── the papers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_momentum_as_an_average_steps_less() -> None:
    """v ← γv + (1−γ)g is 1−γ of the classical velocity in every step."""
    given = gradients((5,), 6)
    classical, _ = run("momentum", np.zeros(5), given, lr=0.1, momentum=0.8)
    average, _ = run("momentum", np.zeros(5), given, lr=0.1, momentum=0.8, momentum_form="average")
    np.testing.assert_allclose(average, 0.2 * classical, rtol=1e-14)
    with pytest.raises(PlanError, match="momentum_form=ema"):
        run("momentum", np.zeros(5), given, momentum_form="ema")


def test_lars() -> None:
    """Weights of norm 5, gradients of norm 1: the first step is η·κ·5/(1 + 5λ)·(g + λθ)."""
    theta, gradient = np.array([3.0, 4.0]), np.array([0.6, 0.8])
    after, state = run("lars", theta, [gradient, gradient], lr=2.0, momentum=0.5, weight_decay=0.1, trust=0.01)
    first = 2.0 * 0.01 * 5 / 1.5 * (gradient + 0.1 * theta)
    second_theta = theta - first
    ratio = 0.01 * np.linalg.norm(second_theta) / (1 + 0.1 * np.linalg.norm(second_theta))
    second = 0.5 * first + 2.0 * ratio * (gradient + 0.1 * second_theta)
    np.testing.assert_allclose(after, second_theta - second, rtol=1e-14)
    np.testing.assert_allclose(state["momentum"], second, rtol=1e-14)


def test_lamb_scales_adam() -> None:
    """Adam's step (its moments do not look at the weight) plus λθ, made as long as the weight is; N9.17's ratio is 5/1."""
    theta, given = np.array([3.0, 4.0]), gradients((2,), 5)
    weight, state = theta, RULES["lamb"].start(theta)
    adam, adam_state = np.zeros(2), RULES["adam"].start(theta)
    for t, gradient in enumerate(given, 1):
        moved, adam_state, _ = RULES["adam"].step(adam, gradient, adam_state, t, lr=1.0, eps=1e-6)
        update = (adam - moved) + 0.2 * weight
        expected = weight - 0.1 * np.linalg.norm(weight) / np.linalg.norm(update) * update
        weight, state, _ = RULES["lamb"].step(weight, gradient, state, t, lr=0.1, eps=1e-6, weight_decay=0.2)
        np.testing.assert_allclose(weight, expected, rtol=1e-13)
        adam = moved
    trace = RULES["lamb"].step(theta, np.array([1.0, 0.0]), RULES["lamb"].start(theta), 1, weight_decay=0.0).trace
    assert trace["trust_ratio"] == pytest.approx(5, rel=2e-6)


def test_lion() -> None:
    """Every element moves by η, whatever its gradient: the sign of β₁m + (1−β₁)g, not of m."""
    after, state = run("lion", np.zeros(2), [np.array([1.0, 1.0]), np.array([-0.05, -20.0])], lr=0.1, beta1=0.9, beta2=0.99)
    m = 0.01 * 1.0  # after the first step; 0.9·0.01 − 0.1·0.05 > 0 and 0.9·0.01 − 0.1·20 < 0
    np.testing.assert_allclose(after, [-0.2, 0.0], atol=1e-15)
    np.testing.assert_allclose(state["exp_avg"], [0.99 * m - 0.01 * 0.05, 0.99 * m - 0.01 * 20])


def test_sophia_is_newtons_step_where_it_may_and_a_sign_where_not() -> None:
    """Without averages, m/(γh) with γh = curvature is Newton's step −g/h; beyond 1 it is clipped; a step that is given no curvature
    keeps the old one."""
    rule, theta = RULES["sophia"], np.array([0.5, 3.0])
    settings = {"lr": 1.0, "beta1": 0.0, "beta2": 0.0, "gamma": 1.0, "weight_decay": 0.0}
    hessian = np.array([4.0, 2.0])
    first = rule.step(theta, hessian * theta, rule.start(theta), 1, curvature=hessian, **settings)
    np.testing.assert_allclose(first.theta, [0, 2])
    second = rule.step(first.theta, hessian * first.theta, first.state, 2, **settings)
    np.testing.assert_allclose(second.theta, [0, 1])
    np.testing.assert_array_equal(second.state["hessian"], hessian)


def test_schedule_free_keeps_an_average_that_is_never_stored() -> None:
    """The paper's three sequences, x stored: y = (1−β)z + βx, gradients at y, x the mean of all z."""
    theta, given = np.array([1.0, -2.0, 0.5]), gradients((3,), 8)
    x = z = theta
    v = np.zeros(3)
    y = theta
    for t, gradient in enumerate(given, 1):
        v = 0.99 * v + 0.01 * gradient**2
        z = z - 0.05 * (gradient / (np.sqrt(v / (1 - 0.99**t)) + 1e-8) + 0.1 * y)
        x = x + (z - x) / t
        y = 0.1 * z + 0.9 * x
    ours, state = run("schedule-free", theta, given, lr=0.05, beta2=0.99, weight_decay=0.1)
    np.testing.assert_allclose(ours, y, rtol=1e-12)
    np.testing.assert_allclose((ours - 0.1 * state["z"]) / 0.9, x, rtol=1e-12)


def turned(name: str, shape: tuple[int, int], **settings: Any) -> float:
    """How far a rule's weights after five steps are from turning with the problem: ‖W(UGVᵀ) − U·W(G)·Vᵀ‖ / ‖W‖."""
    given, draw = gradients(shape, 5), np.random.default_rng(5)
    u, v = (np.linalg.qr(draw.standard_normal((side, side)))[0] for side in shape)
    plain, _ = run(name, np.zeros(shape), given, **settings)
    after, _ = run(name, np.zeros(shape), [u @ gradient @ v.T for gradient in given], **settings)
    return float(np.linalg.norm(after - u @ plain @ v.T) / np.linalg.norm(plain))


@pytest.mark.parametrize(
    ("name", "shape", "settings"),
    [
        ("muon", (6, 9), {}),
        ("shampoo", (6, 9), {}),
        ("shampoo", (9, 6), {"every": 2}),
        ("soap", (6, 6), {"every": 2}),  # square: the first gradient's null space has no eigenvectors of its own
        ("soap", (6, 6), {"every": 100}),
    ],
)
def test_rules_for_matrices_turn_with_them(name: str, shape: tuple[int, int], settings: dict[str, Any]) -> None:
    assert turned(name, shape, **settings) < 1e-7
    assert turned("adam", shape) > 0.1  # element by element it does not


def test_shampoo_of_diagonal_gradients_is_adagrad() -> None:
    """L = R = Σg² + ε on the diagonal, whose fourth roots on both sides are AdaGrad's root with ε inside (without momentum)."""
    given = [np.diag(gradient) for gradient in gradients((4,), 6)]
    ours, _ = run("shampoo", np.zeros((4, 4)), given, lr=0.1, beta1=0.0, eps=1e-6)
    theirs, _ = run("adagrad", np.zeros(4), [np.diag(gradient) for gradient in given], lr=0.1, eps=1e-6, eps_inside=True)
    np.testing.assert_allclose(np.diag(ours), theirs, rtol=1e-10)


def test_shampoo_of_blocks_is_shampoo_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrices, "BLOCK", 4)
    given = gradients((6, 7), 3)
    whole, _ = run("shampoo", np.zeros((6, 7)), given)
    for rows in (slice(0, 4), slice(4, 6)):
        for columns in (slice(0, 4), slice(4, 7)):
            part, _ = run("shampoo", np.zeros((6, 7))[rows, columns], [gradient[rows, columns] for gradient in given])
            np.testing.assert_allclose(whole[rows, columns], part, rtol=1e-12)


def test_an_inverse_root_is_one() -> None:
    root = np.random.default_rng(0).standard_normal((5, 5))
    square = root @ root.T
    found = matrices.inverse_root(square, 4, 0.0)
    np.testing.assert_allclose(np.linalg.matrix_power(found, 4) @ square, np.eye(5), atol=1e-8)


def test_soap_of_a_vector_is_adam_a_step_later() -> None:
    """The first gradient sets up and moves nothing."""
    given = gradients((5,), 6)
    ours, _ = run("soap", np.ones(5), given, lr=0.1, beta1=0.9, beta2=0.95, weight_decay=0.0)
    # the authors add ε to √v and not to √v̂: ε is out of the way
    theirs, _ = run("adam", np.ones(5), given[1:], lr=0.1, beta1=0.9, beta2=0.95, eps=0.0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_soap_is_adam_in_its_basis() -> None:
    """With eigenvectors kept after the first step, Adam on QₗᵀGQᵣ and its weights turned back."""
    given = gradients((5, 4), 6)
    ours, state = run("soap", np.zeros((5, 4)), given, lr=0.1, eps=0.0, weight_decay=0.0, every=100)
    left, right = state["eigenbasis"]
    inside, _ = run("adam", np.zeros((5, 4)), [left.T @ g @ right for g in given[1:]], lr=0.1, beta1=0.95, beta2=0.95, eps=0.0)
    np.testing.assert_allclose(ours, left @ inside @ right.T, atol=1e-10)


@pytest.mark.parametrize("shape", [(8, 8), (5, 12), (12, 5)], ids=str)
def test_muons_update_is_near_orthogonal(shape: tuple[int, int]) -> None:
    """Singular values between 0.6 and 1.3 (Jordan et al.) on the vectors of G, however long G is."""
    gradient = gradients(shape, 1)[0]
    update = matrices.newton_schulz(1e3 * gradient)
    u, s, v = np.linalg.svd(gradient, full_matrices=False)
    in_basis = u.T @ update @ v.T
    np.testing.assert_allclose(in_basis, np.diag(np.diag(in_basis)), atol=1e-10)
    assert all(0.6 < value < 1.3 for value in np.diag(in_basis)[s > 0.1 * s[0]])


# ── blocks of 8 bits ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_dynamic_map() -> None:
    """256 values each; the first and last ones of bitsandbytes 0.50.2's create_dynamic_map to FP32's rounding."""
    signed, unsigned = dynamic_map(True), dynamic_map(False)
    assert len(set(signed.tolist())) == len(set(unsigned.tolist())) == 256
    np.testing.assert_allclose(signed[:3], [-0.99296874, -0.9789063, -0.96484375], rtol=2e-7)
    np.testing.assert_allclose(unsigned[:3], [0, 3.2500003e-07, 7.7499999e-07], rtol=2e-7)
    np.testing.assert_array_equal(sorted(-signed[:127]), signed[128:-1])  # but for 0 and 1 every value has its negative
    assert signed[127] == 0 and signed[-1] == unsigned[-1] == 1


@pytest.mark.parametrize("signed", [True, False])
def test_packing_takes_the_nearest_value(signed: bool) -> None:
    x = np.random.default_rng(0).standard_normal(1000) * 10.0 ** np.random.default_rng(1).integers(-5, 3, 1000)
    x = x if signed else x * x
    held = pack(x, 256, signed)
    assert held.maxima.tolist() == [np.float32(np.max(np.abs(x[i : i + 256]))) for i in range(0, 1000, 256)]
    book, scale = dynamic_map(signed).astype(float), np.repeat(held.maxima, 256)[:1000]
    nearest = np.argmin(np.abs(book[None, :] - (x / scale)[:, None]), axis=1)
    np.testing.assert_array_equal(held.codes, nearest)
    np.testing.assert_allclose(unpack(held, (1000,), 256, signed), book[nearest] * scale)


def test_eight_bits_follow_adamw() -> None:
    """One step is AdamW's, as moments are rounded after it; after 20 the weights have moved nearly as far."""
    given = [np.ones(4096) * 0.5 + 0.1 * noise for noise in gradients((4096,), 20)]
    theta = np.zeros(4096)
    np.testing.assert_array_equal(run("adamw-8bit", theta, given[:1])[0], run("adamw", theta, given[:1])[0])
    narrow, wide = run("adamw-8bit-256", theta, given)[0], run("adamw", theta, given)[0]
    assert 0 < np.linalg.norm(narrow - wide) < 0.03 * np.linalg.norm(wide)


def test_paged_rules_are_those_of_their_kind() -> None:
    given, theta = gradients((5000,), 3), np.zeros(5000)
    for paged, plain in (("paged-adamw", "adamw"), ("paged-adamw-8bit", "adamw-8bit-256")):
        np.testing.assert_array_equal(run(paged, theta, given)[0], run(plain, theta, given)[0])


# ── races, accumulation, lineage ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", problems.PROBLEMS)
def test_gradients_of_problems_are_those_of_their_losses(name: str) -> None:
    """Against central differences; the Hessian's diagonal against those of the gradient."""
    found = problems.problem(name, 3)
    theta = found.start + 0.1 * np.random.default_rng(0).standard_normal(found.start.shape)
    for place in np.ndindex(theta.shape):
        step = np.zeros_like(theta)
        step[place] = 1e-5
        slope = (found.loss(theta + step) - found.loss(theta - step)) / 2e-5
        bend = (found.gradient(theta + step)[place] - found.gradient(theta - step)[place]) / 2e-5
        assert found.gradient(theta)[place] == pytest.approx(slope, rel=1e-5, abs=1e-7)
        assert found.curvature(theta)[place] == pytest.approx(bend, rel=1e-5, abs=1e-7)


def test_a_race_is_won_by_the_lowest_loss() -> None:
    found = problems.problem("quadratic")
    runs = race.race(("sgd", "momentum", "adam"), found, 100)
    assert [one.final for one in runs] == sorted(one.final for one in runs)
    assert [one.name for one in runs][-1] == "sgd"  # condition 1e4: plain descent needs some 1e4 steps
    assert runs == race.race(("sgd", "momentum", "adam"), found, 100)
    for one in runs:
        assert one.final == min(race.run(one.name, found, 100, lr).final for lr in race.GRID)
        assert one.losses[0] == found.loss(found.start)


def test_a_run_that_diverges_ends() -> None:
    assert race.run("sgd", problems.problem("quadratic"), 1000, 10.0).final == math.inf


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("problem", ["rosenbrock", "matrix"])
def test_every_rule_goes_downhill(name: str, problem: str) -> None:
    [best] = race.race((name,), problems.problem(problem), 60)
    assert best.final < 0.7 * best.losses[0]


def test_only_weighted_micro_batches_are_the_whole_batch() -> None:
    """Micro-batches of 8, 8 and 2 samples; of equal ones the plain mean is right too, and a sum is as many times too large."""
    parts, whole = accumulation.least_squares((8, 8, 2))
    errors = accumulation.accumulated(parts, (8, 8, 2)).errors(whole)
    assert errors["weighted"] < 1e-14 and errors["divided"] > 0.1
    parts, whole = accumulation.least_squares((8, 8, 8, 8))
    found = accumulation.accumulated(parts, (8, 8, 8, 8))
    np.testing.assert_allclose(found.divided, whole, rtol=1e-13)
    np.testing.assert_allclose(found.summed, 4 * whole, rtol=1e-13)


def test_the_lineage_has_every_optimizer_after_its_parents() -> None:
    rows = {one.name: one for one in lineage.lineage()}
    assert set(rows) == set(OPTIMIZERS)
    for one in rows.values():
        assert one.source in sources() and one.idea["en"] and one.idea["zh"]
        assert all(rows[parent].year <= one.year for parent in one.parents)
    assert rows["adagrad"].parents == ("sgd",)  # not momentum: S1-53
    assert set(rows["adam"].parents) == {"rmsprop", "momentum"}
    depth = lineage.generations()
    assert all(depth[one.name] > depth[parent] for one in rows.values() for parent in one.parents)
