"""Where the closed forms come from, step by step in symbols: the optimum of an additive law from Lagrange's condition, and the
exponents of compute that Kaplan's and Hoffmann's fits imply.

Every step is an equation that SymPy made of the one before; its text is in the reports' words under `derive_<key>`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sympy as sp

from bursar.scaling import law as named
from bursar.scaling.forms import Additive
from bursar.scaling.laws.kaplan import compute_exponent
from bursar.theory.steps import Derivations, Step

N, D, C, lam, mu = sp.symbols("N D C lambda mu", positive=True)
E, A, B, alpha, beta = sp.symbols("E A B alpha beta", positive=True)


@cache
def frontier(law: str = "epoch-huber") -> tuple[Step, ...]:
    """N*(C), D*(C) and L*(C) of L = E + A/N^α + B/D^β on 6ND = C, with a law's numbers."""
    form = named(law).form
    assert isinstance(form, Additive)
    source = "hoffmann-2022"
    loss = E + A / N**alpha + B / D**beta
    lagrangian = loss + mu * (6 * N * D - C)
    in_n, in_d = (sp.Eq(sp.simplify(x * sp.diff(lagrangian, x)), 0) for x in (N, D))
    balance = sp.Eq(*[sp.expand(-x * sp.diff(loss, x)) for x in (N, D)])
    log_n = sp.Symbol("n", real=True)
    equation = sp.Eq(sp.log(alpha * A) - alpha * log_n, sp.log(beta * B) - beta * (sp.log(C / 6) - log_n))
    (solved,) = sp.solve(equation, log_n)
    params = sp.powsimp(sp.exp(sp.expand_log(solved, force=True)))
    assert _equal(sp.log(params), solved)
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    best_n = G * (C / 6) ** (beta / (alpha + beta))
    best_d = (C / 6) ** (alpha / (alpha + beta)) / G
    assert _equal(sp.log(best_n), solved) and _equal(sp.log(6 * best_n * best_d), sp.log(C))
    best_loss = E + (A * G**-alpha + B * G**beta) * (C / 6) ** (-alpha * beta / (alpha + beta))
    values = {"a": form.a, "b": 1 - form.a, "G": form.G, "gamma": form.alpha * form.beta / (form.alpha + form.beta)}
    return (
        Step("loss", sp.Eq(sp.Symbol("L"), loss), source, form.constants),
        Step("budget", sp.Eq(C, 6 * N * D), source, {}),
        Step("lagrange_n", in_n, source, {}),
        Step("lagrange_d", in_d, source, {}),
        Step("balance", balance, source, {}),
        Step("logs", sp.Eq(log_n, sp.expand_log(solved, force=True)), source, {}),
        Step("best_n", sp.Eq(sp.Symbol("N_opt"), best_n), source, {"G": values["G"], "a": values["a"]}),
        Step("best_d", sp.Eq(sp.Symbol("D_opt"), best_d), source, {"G": values["G"], "b": values["b"]}),
        Step("best_loss", sp.Eq(sp.Symbol("L_opt"), best_loss), source, {"gamma": values["gamma"]}),
    )  # fmt: skip


@cache
def hoffmann() -> tuple[Step, ...]:
    """The exponents of approach 3 from its unrounded constants."""
    form = named("hoffmann-unrounded").form
    assert isinstance(form, Additive)
    a = beta / (alpha + beta)
    source = "hoffmann-2022"
    known = {"alpha": form.alpha, "beta": form.beta}
    return (
        *frontier("hoffmann-unrounded")[4:5],
        Step("exponent_n", sp.Eq(sp.Symbol("a"), a), source, {**known, "a": form.a}),
        Step("exponent_d", sp.Eq(sp.Symbol("b"), sp.simplify(1 - a)), source, {**known, "b": 1 - form.a}),
    )


@cache
def kaplan() -> tuple[Step, ...]:
    """The exponents of compute from L(N, S), the critical batch and C = 6NBS."""
    a_n, a_s, a_b, S, n_c, s_c, b_c, L = sp.symbols("alpha_N alpha_S alpha_B S N_c S_c B_star L", positive=True)
    source = "kaplan-2020"
    of_n, of_s = (n_c / N) ** a_n, (s_c / S) ** a_s
    batch = b_c * L ** (-1 / a_b)
    inverse = 1 / a_n + 1 / a_s + 1 / a_b
    a_c = sp.simplify(1 / inverse)
    numbers = {"alpha_N": 0.077, "alpha_B": 0.21, "alpha_S": 0.76}
    value = compute_exponent(*numbers.values())
    # compute is 6·N·B(L)·S; at a given loss, and so at a given batch, the least N·S has this balance of its two terms
    balance = sp.Eq(*[sp.powsimp(sp.simplify(-x * sp.diff(term, x))) for x, term in ((N, of_n), (S, of_s))])
    return (
        Step("kaplan_loss", sp.Eq(L, of_n + of_s), source, numbers),
        Step("kaplan_batch", sp.Eq(sp.Symbol("B_crit"), batch), source, {}),
        Step("kaplan_balance", balance, source, {}),
        Step("kaplan_powers", sp.Eq(N * S * sp.Symbol("B_crit"), sp.Symbol("k") * L ** (-inverse)), source, {}),
        Step("kaplan_compute", sp.Eq(sp.Symbol("alpha_C"), a_c), source, {"alpha_C": value}),
        Step("kaplan_n", sp.Eq(sp.Symbol("p_N"), sp.simplify(a_c / a_n)), source, {"p_N": value / 0.077}),
        Step("kaplan_b", sp.Eq(sp.Symbol("p_B"), sp.simplify(a_c / a_b)), source, {"p_B": value / 0.21}),
        Step("kaplan_s", sp.Eq(sp.Symbol("p_S"), sp.simplify(a_c / a_s)), source, {"p_S": value / 0.76}),
        Step("kaplan_d", sp.Eq(sp.Symbol("p_D"), sp.simplify(1 - a_c / a_n)), source, {"p_D": 1 - value / 0.077}),
    )  # fmt: skip


def _equal(left: Any, right: Any) -> bool:
    return bool(sp.simplify(sp.expand_log(left - right, force=True)) == 0)


DERIVATIONS: Derivations = {"frontier": frontier, "hoffmann": hoffmann, "kaplan": kaplan}
