"""Where the variance rules come from, step by step in symbols.

Every step is an equation that SymPy made, by integrals, limits and solutions; its text is in the reports' words under
`init_derive_<key>`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sympy as sp

from bursar.theory.initialization import schemes
from bursar.theory.steps import Derivations, Step

n_in, n_out, n, d, L, v, k = sp.symbols("n_in n_out n d L v k", positive=True)
var_w, var_x, var_y, var_g, limit, slope = (
    sp.Symbol(name, positive=True) for name in ("Var(w)", "Var(x)", "Var(y)", "Var(g)", "l", "c")
)
z, w = sp.symbols("z w", real=True)
DENSITY = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)


def _solved(condition: Any, source: str, key: str) -> Step:
    (root,) = sp.solve(condition, var_w)
    return Step(key, sp.Eq(var_w, root), source)


def _moment(integrand: Any, low: Any, high: Any) -> Any:
    return sp.simplify(sp.integrate(integrand * DENSITY, (z, low, high)))


@cache
def xavier() -> tuple[Step, ...]:
    """2/(n_in + n_out), what it tends to, and the limit of a uniform distribution."""
    source = "glorot-2010"
    forward, backward = (_solved(sp.Eq(fan * var_w, 1), source, key) for fan, key in ((n_in, "forward"), (n_out, "backward")))
    mean = sp.simplify(2 / (1 / forward.equation.rhs + 1 / backward.equation.rhs))
    assert sp.simplify(mean - schemes.xavier(n_in, n_out, 1)) == 0
    uniform = sp.integrate(w**2 / (2 * limit), (w, -limit, limit))
    (bound,) = sp.solve(sp.Eq(uniform, mean), limit)
    return (
        Step("sum", sp.Eq(var_y, n_in * var_w * var_x), "variance"),
        forward,
        Step("gradient_sum", sp.Eq(sp.Symbol("Var(g_x)"), n_out * var_w * var_g), "variance"),
        backward,
        Step("harmonic", sp.Eq(var_w, mean), source),
        Step("wide", sp.Eq(sp.Mul(n_in, var_w, evaluate=False), sp.limit(mean * n_in, n_in, sp.oo)), source),
        Step("square", sp.Eq(var_w, sp.simplify(mean.subs({n_in: n, n_out: n}))), source),
        Step("uniform", sp.Eq(sp.Symbol("Var(U)"), uniform), "variance"),
        Step("limit", sp.Eq(limit, sp.simplify(bound)), source),
    )


@cache
def he() -> tuple[Step, ...]:
    """What a ReLU and a leaky one leave of the second moment, and the variance that makes it good."""
    source = "he-2015"
    right = _moment(z**2, 0, sp.oo)
    leaky = sp.factor(right + _moment((slope * z) ** 2, -sp.oo, 0))
    rule = _solved(sp.Eq(n_in * var_w * leaky, 1), source, "he_rule")
    assert sp.simplify(rule.equation.rhs - schemes.he(n_in, 2 / (1 + slope**2))) == 0
    return (
        Step("second_moment", sp.Eq(var_y, n_in * var_w * sp.Symbol("E[x^2]")), source),
        Step("relu_half", sp.Eq(sp.Symbol("E[relu(z)^2]"), right), source),
        Step("leaky", sp.Eq(sp.Symbol("E[leaky(z)^2]"), leaky), source),
        rule,
        Step("he_relu", sp.Eq(var_w, rule.equation.rhs.subs(slope, 0)), source),
        Step("relu_variance", sp.Eq(sp.Symbol("Var(relu(z))"), right - _moment(z, 0, sp.oo) ** 2), "variance"),
    )


@cache
def truncated() -> tuple[Step, ...]:
    """What a cut at ±k standard deviations leaves of the variance."""
    inside, square = (_moment(integrand, -k, k) for integrand in (sp.Integer(1), z**2))
    left = sp.simplify(square / inside)
    written = 1 - 2 * k * DENSITY.subs(z, k) / inside
    assert sp.simplify(left - written) == 0
    return (
        Step("inside", sp.Eq(sp.Symbol("P"), inside), "johnson-1994"),
        Step("cut_variance", sp.Eq(sp.Symbol("Var(cut)"), written), "johnson-1994"),
    )


@cache
def residual() -> tuple[Step, ...]:
    """How a stream grows with its branches, and what 1/√(2L) does about it."""
    stream = 1 + 2 * L * v
    scaled = sp.simplify(stream.subs(v, schemes.residual(sp.sqrt(v), L)))
    grown = sp.Symbol("Var(stream)")
    return (
        Step("stream", sp.Eq(grown, stream), "variance"),
        Step("stream_scaled", sp.Eq(grown, scaled), "gpt2"),
    )


@cache
def attention() -> tuple[Step, ...]:
    """The variance of q·k, and the scale that takes it back."""
    scale = sp.Symbol("s", positive=True)
    (kept,) = sp.solve(sp.Eq(scale**2 * d, 1), scale)
    return (
        Step("logits", sp.Eq(sp.Symbol("Var(q·k)"), d), "transformer"),
        Step("logit_scale", sp.Eq(scale, kept), "transformer"),
    )


DERIVATIONS: Derivations = {
    "xavier": xavier,
    "he": he,
    "truncated": truncated,
    "residual": residual,
    "attention": attention,
}
