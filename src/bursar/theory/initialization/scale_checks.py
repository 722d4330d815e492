"""Checks of the numbers in an initialization call: bounds, means, and the size of the weights beside their fan-in."""

from __future__ import annotations

import math

from bursar.theory.initialization.drawn import Case, cut
from bursar.theory.initialization.right import FACTOR, Found, cut_call, keeps, near, normal_call, rules, uniform_call
from bursar.theory.initialization.truncation import kept

FAR = 6.0  # sigmas beyond which a bound cuts off 2e-9 of the weights
CUTS = 4.0  # sigmas from which on the standard deviation shrinks by less than 1e-3


def bounds(case: Case, default: bool) -> Found:
    """Bounds of trunc_normal_ so far out that they cut nothing; JAX's are sigmas already."""
    draw = case.draw
    if draw.kind != "trunc_normal" or bool({"a", "b"} & draw.written) == default:
        return None
    std, mean, a, b = (draw.number(name) for name in ("std", "mean", "a", "b"))
    low, high = (a - mean) / std, (b - mean) / std
    if min(abs(low), abs(high)) < FAR:
        return None
    meant = min(abs(a), abs(b)) if 1 <= min(abs(a), abs(b)) <= FAR else 2.0
    numbers = {"a": a, "b": b, "std": std, "low_sigmas": low, "high_sigmas": high, "sigmas": meant, "cut": meant * std}
    return numbers, cut_call(std, meant)


def shrinks(case: Case) -> Found:
    draw = case.draw
    if draw.kind != "trunc_normal" or case.drawn is None:
        return None
    std, mean, a, b = (draw.number(name) for name in ("std", "mean", "a", "b"))
    sigmas = min(b - mean, mean - a) / std
    if not 0 < sigmas < CUTS or keeps(case, case.drawn.variance):
        return None
    wider = std / math.sqrt(kept(sigmas))
    numbers = {"std": std, "sigmas": sigmas, "true_std": math.sqrt(cut(case).variance), "ratio": math.sqrt(kept(sigmas))}
    return numbers, cut_call(wider, sigmas)


def off_centre(case: Case) -> Found:
    """A mean that is not 0 adds fan_in · mean · E x to every output."""
    if case.drawn is None or case.draw.kind == "constant" or abs(case.drawn.mean) <= 1e-3 * math.sqrt(case.drawn.variance):
        return None
    mean = case.drawn.mean
    numbers = {"mean": mean, "sigmas": abs(mean) / case.std, "shift": case.found.fan_in * mean, "fan_in": case.found.fan_in}
    if case.draw.kind == "uniform":
        return numbers, uniform_call(case.wanted)
    return numbers, normal_call(case, case.drawn.variance if case.draw.kind == "normal" else case.wanted)


def no_scale(case: Case) -> Found:
    draw = case.draw
    plain = draw.kind == "normal" and draw.scale == 1.0 and draw.number("std") == 1.0
    if not plain or case.found.fan_in < 2 or case.layout == "embedding":
        return None
    fan_in = case.found.fan_in
    return {"fan_in": fan_in, "output_std": math.sqrt(fan_in), "std": math.sqrt(case.wanted)}, normal_call(case, case.wanted)


def limit_as_std(case: Case) -> Found:
    """U(±l) with l = √variance of a rule: a third of it."""
    draw = case.draw
    if draw.kind != "uniform" or case.drawn is None or case.drawn.mean != 0:
        return None
    limit = draw.number("b") * abs(draw.scale or 0.0)
    if keeps(case, limit**2 / 3) or not any(near(limit**2, rule) for rule in (case.wanted, *rules(case.found.fan_in))):
        return None
    return {"limit": limit, "variance": limit**2 / 3, "wanted": limit**2, "right_limit": math.sqrt(3) * limit}, uniform_call(
        limit**2
    )


def wrong_axis(case: Case) -> Found:
    """The scale is a rule of the other fan."""
    if case.draw.kind not in ("normal", "uniform", "trunc_normal") or case.drawn is None or not case.found.fan_out:
        return None
    fan_in, fan_out = case.found.fan_in, case.found.fan_out
    variance = case.sigma() ** 2 if case.draw.kind != "uniform" else case.drawn.variance
    if near(fan_in, fan_out) or keeps(case, variance):
        return None
    of_out = [rule for rule in (*rules(fan_out), case.wanted * fan_in / fan_out) if near(variance, rule)]
    if not of_out:
        return None
    right = of_out[0] * fan_out / fan_in
    numbers = {"fan_in": fan_in, "fan_out": fan_out, "layout": case.layout, "output_variance": fan_in * case.drawn.variance}
    return numbers, normal_call(case, right)


def variance_as_std(case: Case) -> Found:
    """The std is the variance that a rule gives: the root is missing."""
    if case.draw.kind not in ("normal", "trunc_normal") or case.drawn is None or case.found.fan_in <= 4:
        return None
    fan_in, fan_out, std = case.found.fan_in, case.found.fan_out, case.sigma()
    known = [*rules(fan_in), case.wanted, *([2 / (fan_in + fan_out)] if fan_out else [])]
    rule = next((rule for rule in known if near(std, rule)), None)
    if rule is None:
        return None
    numbers = {"std": std, "right_std": math.sqrt(rule), "output_variance": fan_in * std**2, "fan_in": fan_in}
    return numbers, normal_call(case, rule)


def residual(case: Case) -> Found:
    """A projection into the stream that is not scaled with the depth."""
    if not case.branch or not case.depth or case.drawn is None or case.drawn.variance <= FACTOR * case.wanted:
        return None
    added = case.drawn.variance / (case.wanted * 2 * case.depth)
    right = case.drawn.variance / (2 * case.depth)
    numbers = {"depth": case.depth, "branches": 2 * case.depth, "grows": 1 + 2 * case.depth * added, "scaled": 1 + added}
    return numbers, normal_call(case, right)


def constant(case: Case) -> Found:
    """All the same: neurons that start alike stay alike; zeros pass nothing on, which only the end of a branch may do."""
    if case.draw.kind != "constant" or (case.draw.arguments["val"] == 0 and case.branch) or not case.shape or len(case.shape) < 2:
        return None
    value = case.draw.arguments["val"]
    return {"value": value if isinstance(value, float) else "?", "neurons": case.found.fan_out}, normal_call(case, case.wanted)


def empty(case: Case) -> Found:
    return ({}, normal_call(case, case.wanted)) if case.draw.kind == "empty" else None


def variance_off(case: Case) -> Found:
    """No cause above, yet a layer's variance changes by more than a factor of two."""
    if case.drawn is None or case.layout == "embedding" or case.draw.kind == "xavier":
        return None
    factor = case.drawn.variance / case.wanted
    if 1 / FACTOR <= factor <= FACTOR:
        return None
    numbers = {"std": case.std, "factor": factor, "right_std": math.sqrt(case.wanted), "nonlinearity": case.nonlinearity}
    return numbers, normal_call(case, case.wanted)
