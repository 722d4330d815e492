"""The checks of an initialization call: each gives the numbers of what is wrong and the call that is right, or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from bursar.theory.initialization.drawn import Case, as_torch_counts, cut, kaiming_gain_squared
from bursar.theory.initialization.gains import SLOPE, exact_gain_squared, gain
from bursar.theory.initialization.truncation import kept

FAR = 6.0  # sigmas beyond which a bound cuts off 2e-9 of the weights
CUTS = 4.0  # sigmas from which on the standard deviation shrinks by less than 1e-3
SAME = 0.01  # relative difference of what are taken for the same number
FACTOR = 2.0  # of a layer's variance, beyond which a call is off
HALVING = ("relu", "leaky_relu", "gelu", "gelu_tanh", "silu", "mish", "elu", "relu2", "softplus")

Numbers: TypeAlias = Mapping[str, Any]  # of the words that are said of a finding
Found: TypeAlias = tuple[Numbers, str] | None

# ── the calls that are right ─────────────────────────────────────────────────────────────────────────────────────────────


def _normal_call(case: Case, variance: float) -> str:
    """A normal of a variance, made as the call makes it."""
    std = f"{math.sqrt(variance):.6g}"
    return f"torch.randn({', '.join(map(str, case.shape))}) * {std}" if case.draw.makes and case.shape else f"normal_(w, std={std})"


def _uniform_call(variance: float) -> str:
    limit = f"{math.sqrt(3 * variance):.6g}"
    return f"uniform_(w, -{limit}, {limit})"


def _cut_call(std: float, sigmas: float) -> str:
    return f"trunc_normal_(w, std={std:.6g}, a={-sigmas * std:.6g}, b={sigmas * std:.6g})"


# ── the checks: numbers and the right call, or nothing ───────────────────────────────────────────────────────────────────


def _near(left: float, right: float) -> bool:
    return abs(left - right) <= SAME * abs(right)


def _bounds(case: Case, default: bool) -> Found:
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
    return numbers, _cut_call(std, meant)


def _shrinks(case: Case) -> Found:
    draw = case.draw
    if draw.kind != "trunc_normal" or case.drawn is None:
        return None
    std, mean, a, b = (draw.number(name) for name in ("std", "mean", "a", "b"))
    sigmas = min(b - mean, mean - a) / std
    if not 0 < sigmas < CUTS or _keeps(case, case.drawn.variance):
        return None
    wider = std / math.sqrt(kept(sigmas))
    numbers = {"std": std, "sigmas": sigmas, "true_std": math.sqrt(cut(case).variance), "ratio": math.sqrt(kept(sigmas))}
    return numbers, _cut_call(wider, sigmas)


def _off_centre(case: Case) -> Found:
    """A mean that is not 0 adds fan_in · mean · E x to every output."""
    if case.drawn is None or case.draw.kind == "constant" or abs(case.drawn.mean) <= 1e-3 * math.sqrt(case.drawn.variance):
        return None
    mean = case.drawn.mean
    numbers = {"mean": mean, "sigmas": abs(mean) / case.std, "shift": case.found.fan_in * mean, "fan_in": case.found.fan_in}
    if case.draw.kind == "uniform":
        return numbers, _uniform_call(case.wanted)
    return numbers, _normal_call(case, case.drawn.variance if case.draw.kind == "normal" else case.wanted)


def _no_scale(case: Case) -> Found:
    draw = case.draw
    plain = draw.kind == "normal" and draw.scale == 1.0 and draw.number("std") == 1.0
    if not plain or case.found.fan_in < 2 or case.layout == "embedding":
        return None
    fan_in = case.found.fan_in
    return {"fan_in": fan_in, "output_std": math.sqrt(fan_in), "std": math.sqrt(case.wanted)}, _normal_call(case, case.wanted)


def _limit_as_std(case: Case) -> Found:
    """U(±l) with l = √variance of a rule: a third of it."""
    draw = case.draw
    if draw.kind != "uniform" or case.drawn is None or case.drawn.mean != 0:
        return None
    limit = draw.number("b") * abs(draw.scale or 0.0)
    if _keeps(case, limit**2 / 3) or not any(_near(limit**2, rule) for rule in (case.wanted, *_rules(case.found.fan_in))):
        return None
    return {"limit": limit, "variance": limit**2 / 3, "wanted": limit**2, "right_limit": math.sqrt(3) * limit}, _uniform_call(
        limit**2
    )


def _rules(fan: float) -> tuple[float, float]:
    """LeCun's variance and He's."""
    return 1 / fan, 2 / fan


def _keeps(case: Case, variance: float) -> bool:
    """Whether a variance is that of a rule of the right fans."""
    fan_in, fan_out = case.found
    rules = [*_rules(fan_in), case.wanted, *([2 / (fan_in + fan_out)] if fan_out else [])]
    return any(_near(variance, rule) for rule in rules)


def _wrong_axis(case: Case) -> Found:
    """The scale is a rule of the other fan."""
    if case.draw.kind not in ("normal", "uniform", "trunc_normal") or case.drawn is None or not case.found.fan_out:
        return None
    fan_in, fan_out = case.found.fan_in, case.found.fan_out
    variance = case.sigma() ** 2 if case.draw.kind != "uniform" else case.drawn.variance
    if _near(fan_in, fan_out) or _keeps(case, variance):
        return None
    of_out = [rule for rule in (*_rules(fan_out), case.wanted * fan_in / fan_out) if _near(variance, rule)]
    if not of_out:
        return None
    right = of_out[0] * fan_out / fan_in
    numbers = {"fan_in": fan_in, "fan_out": fan_out, "layout": case.layout, "output_variance": fan_in * case.drawn.variance}
    return numbers, _normal_call(case, right)


def _variance_as_std(case: Case) -> Found:
    """The std is the variance that a rule gives: the root is missing."""
    if case.draw.kind not in ("normal", "trunc_normal") or case.drawn is None or case.found.fan_in <= 4:
        return None
    fan_in, fan_out, std = case.found.fan_in, case.found.fan_out, case.sigma()
    rules = [*_rules(fan_in), case.wanted, *([2 / (fan_in + fan_out)] if fan_out else [])]
    rule = next((rule for rule in rules if _near(std, rule)), None)
    if rule is None:
        return None
    numbers = {"std": std, "right_std": math.sqrt(rule), "output_variance": fan_in * std**2, "fan_in": fan_in}
    return numbers, _normal_call(case, rule)


def _fans_of_layout(case: Case) -> Found:
    """kaiming_ on a weight whose axes torch counts the other way round, unless the mode turns them round again."""
    counted = as_torch_counts(case)
    if case.draw.kind != "kaiming" or counted is None or case.layout == "embedding" or case.groups != 1:
        return None
    mode = str(case.draw.arguments["mode"])
    read, true = getattr(counted, mode, None), getattr(case.found, mode, None)
    if read is None or read == true or read == case.found.fan_in:
        return None
    numbers = {"layout": case.layout, "mode": mode, "counted": read, "true": true}
    return numbers, f"kaiming_normal_(w, mode='fan_out', nonlinearity='{case.draw.arguments['nonlinearity']}')"


def _embedding(case: Case) -> Found:
    if case.layout != "embedding" or case.draw.kind not in ("xavier", "kaiming", "orthogonal") or case.shape is None:
        return None
    rows, width = case.shape
    return {"rows": rows, "width": width, "std": case.std}, "normal_(w, std=0.02), or std=1 where a norm or √d follows"


def _xavier_with_relu(case: Case) -> Found:
    if case.draw.kind != "xavier" or case.nonlinearity not in HALVING or not _near(case.draw.number("gain"), 1.0):
        return None
    left = 1 / exact_gain_squared(case.nonlinearity, case.slope)
    numbers = {"nonlinearity": case.nonlinearity, "kept": left, "after_ten": left**10}
    return numbers, _gain_call(case)


def _gain_call(case: Case) -> str:
    """kaiming_ where torch has the activation's gain, else xavier_ with it."""
    if case.nonlinearity in ("relu", "leaky_relu"):
        slope = "" if case.nonlinearity == "relu" else f", a={case.slope if case.slope is not None else SLOPE:g}"
        return f"kaiming_uniform_(w{slope}, nonlinearity='{case.nonlinearity}')"
    return f"xavier_uniform_(w, gain={gain(case.nonlinearity, case.slope):.6g})"


def _wrong_gain(case: Case) -> Found:
    """A gain, given or left at 1, of another activation."""
    if case.draw.kind not in ("xavier", "orthogonal") or _xavier_with_relu(case):
        return None
    used, customary = case.draw.number("gain"), gain(case.nonlinearity, case.slope)
    exact = math.sqrt(exact_gain_squared(case.nonlinearity, case.slope))
    of_three = case.draw.kind == "xavier" and _of_three(case) and _near(used, math.sqrt(2) * customary)
    if _near(used, customary) or _near(used, exact) or of_three:
        return None
    name = "orthogonal_" if case.draw.kind == "orthogonal" else "xavier_uniform_"
    numbers = {"nonlinearity": case.nonlinearity, "used": used, "gain": customary, "kept": (used / exact) ** 2}
    return numbers, f"{name}(w, gain={customary:.6g})"


def _kaiming_mismatch(case: Case) -> Found:
    """The gain of another activation than the one that is there; without `nonlinearity` it is that of a ReLU."""
    if case.draw.kind != "kaiming" or _root_five(case):
        return None
    used = math.sqrt(kaiming_gain_squared(case.draw))
    exact = math.sqrt(exact_gain_squared(case.nonlinearity, case.slope))
    if _near(used, gain(case.nonlinearity, case.slope)) or _near(used, exact):
        return None
    said = str(case.draw.arguments["nonlinearity"])
    numbers = {"said": said, "nonlinearity": case.nonlinearity, "used": used, "gain": exact, "kept": (used / exact) ** 2}
    return numbers, _normal_call(case, case.wanted)


def _root_five(case: Case) -> Found:
    """nn.Linear's own default."""
    draw = case.draw
    if draw.kind != "kaiming" or draw.arguments["nonlinearity"] != "leaky_relu" or not _near(abs(draw.number("a")), math.sqrt(5)):
        return None
    fan_in = case.found.fan_in
    numbers = {"variance": 1 / (3 * fan_in), "limit": 1 / math.sqrt(fan_in), "output_variance": 1 / 3}
    return numbers, _gain_call(case) if case.nonlinearity != "linear" else _uniform_call(case.wanted)


def _slope_ignored(case: Case) -> Found:
    draw = case.draw
    if draw.kind != "kaiming" or "a" not in draw.written or draw.arguments["nonlinearity"] == "leaky_relu" or draw.number("a") == 0:
        return None
    numbers = {"a": draw.number("a"), "nonlinearity": str(draw.arguments["nonlinearity"])}
    return numbers, f"kaiming_uniform_(w, a={draw.number('a'):g}, nonlinearity='leaky_relu')"


def _fan_out_mode(case: Case) -> Found:
    """Backward kept, forward changed by fan_in/fan_out."""
    counted = as_torch_counts(case)
    if case.draw.kind != "kaiming" or case.draw.arguments["mode"] != "fan_out" or counted is None or _fans_of_layout(case):
        return None
    if counted != case.found or counted.fan_in == counted.fan_out:
        return None
    numbers = {"fan_in": counted.fan_in, "fan_out": counted.fan_out, "ratio": counted.fan_in / counted.fan_out}
    return numbers, f"kaiming_normal_(w, nonlinearity='{case.draw.arguments['nonlinearity']}')"


def _residual(case: Case) -> Found:
    """A projection into the stream that is not scaled with the depth."""
    if not case.branch or not case.depth or case.drawn is None or case.drawn.variance <= FACTOR * case.wanted:
        return None
    added = case.drawn.variance / (case.wanted * 2 * case.depth)
    right = case.drawn.variance / (2 * case.depth)
    numbers = {"depth": case.depth, "branches": 2 * case.depth, "grows": 1 + 2 * case.depth * added, "scaled": 1 + added}
    return numbers, _normal_call(case, right)


def _constant(case: Case) -> Found:
    """All the same: neurons that start alike stay alike; zeros pass nothing on, which only the end of a branch may do."""
    if case.draw.kind != "constant" or (case.draw.arguments["val"] == 0 and case.branch) or not case.shape or len(case.shape) < 2:
        return None
    value = case.draw.arguments["val"]
    return {"value": value if isinstance(value, float) else "?", "neurons": case.found.fan_out}, _normal_call(case, case.wanted)


def _empty(case: Case) -> Found:
    return ({}, _normal_call(case, case.wanted)) if case.draw.kind == "empty" else None


def _one_axis(case: Case) -> Found:
    needs = case.draw.kind in ("xavier", "kaiming", "orthogonal") and case.shape is not None and len(case.shape) < 2
    return (
        ({"shape": str(case.shape[0])}, "zeros_(b) for a bias, ones_(g) for the gain of a norm") if needs and case.shape else None
    )


def _of_three(case: Case) -> bool:
    """Whether a weight may be q, k and v in one."""
    return case.shape is not None and len(case.shape) == 2 and case.found.fan_out == 3 * case.found.fan_in


def _fused(case: Case) -> Found:
    """q, k and v in one weight triple the fan-out that Xavier counts: 2/(4d) instead of 2/(2d)."""
    if case.draw.kind != "xavier" or not _of_three(case):
        return None
    width, used = case.found.fan_in, case.draw.number("gain")
    if not _near(used, gain(case.nonlinearity, case.slope)):
        return None
    numbers = {"fan_in": width, "fan_out": 3 * width, "variance": used**2 / (2 * width), "separate": used**2 / width}
    return numbers, f"xavier_uniform_(w, gain={math.sqrt(2) * used:.6g})"


def _groups(case: Case) -> Found:
    """torch counts the outputs of all groups as fan-out; an input reaches those of its own."""
    counted = as_torch_counts(case)
    reads_out = case.draw.kind == "xavier" or case.draw.arguments.get("mode") == "fan_out"
    if case.groups == 1 or not reads_out or counted is None or counted.fan_out == case.found.fan_out:
        return None
    right = (
        2 / (case.found.fan_in + case.found.fan_out)
        if case.draw.kind == "xavier"
        else kaiming_gain_squared(case.draw) / case.found.fan_out
    )
    return {"groups": case.groups, "counted": counted.fan_out, "true": case.found.fan_out}, _normal_call(case, right)


def _xavier_unequal(case: Case) -> Found:
    """The compromise between unequal fans: forward 2·in/(in + out), backward 2·out/(in + out)."""
    if case.draw.kind != "xavier" or case.drawn is None or FACTOR * case.drawn.variance >= case.wanted:
        return None
    fan_in, fan_out = case.found
    numbers = {
        "fan_in": fan_in,
        "fan_out": fan_out,
        "forward": fan_in * case.drawn.variance,
        "backward": fan_out * case.drawn.variance,
    }
    return numbers, _normal_call(case, case.wanted)


def _variance_off(case: Case) -> Found:
    """No cause above, yet a layer's variance changes by more than a factor of two."""
    if case.drawn is None or case.layout == "embedding" or case.draw.kind == "xavier":
        return None
    factor = case.drawn.variance / case.wanted
    if 1 / FACTOR <= factor <= FACTOR:
        return None
    numbers = {"std": case.std, "factor": factor, "right_std": math.sqrt(case.wanted), "nonlinearity": case.nonlinearity}
    return numbers, _normal_call(case, case.wanted)


CHECKS: Mapping[str, Callable[[Case], Found]] = {
    "one_axis": _one_axis,
    "empty": _empty,
    "constant": _constant,
    "bounds_in_sigmas": lambda case: _bounds(case, default=False),
    "default_bounds": lambda case: _bounds(case, default=True),
    "truncation_shrinks": _shrinks,
    "off_centre": _off_centre,
    "no_scale": _no_scale,
    "variance_as_std": _variance_as_std,
    "limit_as_std": _limit_as_std,
    "wrong_axis": _wrong_axis,
    "embedding_fans": _embedding,
    "fans_of_layout": _fans_of_layout,
    "groups_counted": _groups,
    "fused_projections": _fused,
    "xavier_with_relu": _xavier_with_relu,
    "wrong_gain": _wrong_gain,
    "kaiming_gain": _kaiming_mismatch,
    "kaiming_default": _root_five,
    "slope_ignored": _slope_ignored,
    "fan_out_mode": _fan_out_mode,
    "residual_depth": _residual,
    "xavier_unequal": _xavier_unequal,
    "variance_off": _variance_off,
}
SYMPTOMS = ("xavier_unequal", "variance_off")
# findings that say by themselves why a layer's variance is not kept
EXPLAIN_SCALE = set(CHECKS) - {"bounds_in_sigmas", "default_bounds", "truncation_shrinks", "off_centre", "slope_ignored", *SYMPTOMS}
