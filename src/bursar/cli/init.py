"""Initialization: variance rules, what a call really draws, and the variance a network carries forward and backward.

A verb for each rule of `theory/initialization/schemes.py`, made here from its row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bursar.errors import PlanError
from bursar.theory.initialization import schemes
from bursar.theory.initialization.fans import Fans, fans
from bursar.theory.initialization.gains import gain_squared

if TYPE_CHECKING:
    from bursar.theory.initialization.mup import Scales
    from bursar.theory.initialization.schemes import Scheme

Options = dict[str, Any]
Payload = dict[str, Any]

MODES: dict[str, Callable[[Fans], float]] = {
    "fan_in": lambda found: found.fan_in,
    "fan_out": lambda found: found.fan_out,
    "fan_avg": lambda found: (found.fan_in + found.fan_out) / 2,
}
CUT = 2.0  # sigmas where JAX, Flax and TensorFlow cut a truncated normal


def __getattr__(name: str) -> Callable[[Options], Payload]:
    """The answer of a rule."""
    rule = schemes.NAMES.get(name.replace("_", "-"))
    if rule is None:
        raise AttributeError(f"no verb {name!r}")

    def answer(options: Options) -> Payload:
        return _rule(rule, options)

    answer.__doc__ = f"{rule.title}: variance {rule.formula}."
    return answer


def _needed(value: Any, name: str, valid: str) -> Any:
    if value is None:
        raise PlanError(f"this needs {name}", field=name, valid=valid)
    return value


def known_fans(options: Options) -> Fans:
    """Fan-in and fan-out as given, or of the shape; None for one that neither says."""
    if options["shape"] is not None and (options["fan_in"] or options["fan_out"]):
        raise PlanError("fans are given by a shape or by numbers, not both", field="shape", valid="one of the two")
    if options["shape"] is None:
        return Fans(options["fan_in"], options["fan_out"])
    return fans(options["shape"], options["weight_layout"], options["groups"])


def rule_variance(rule: Scheme, found: Fans, options: Options) -> tuple[float, Payload]:
    """The variance of a rule, and the values that it read."""
    given = {name: READ[name](rule, found, options) for name in rule.takes}
    return rule.variance(**given), given


def _gain_squared(rule: Scheme, found: Fans, options: Options) -> float:
    """As given, or that of the activation."""
    if options["gain"] is not None:
        if options["nonlinearity"] is not None:
            raise PlanError("a gain is given by a number or by an activation, not both", field="gain", valid="one of the two")
        return float(options["gain"]) ** 2
    return gain_squared(options["nonlinearity"] or rule.activation, options["slope"])


READ: dict[str, Callable[[Scheme, Fans, Options], Any]] = {
    "fan_in": lambda rule, found, options: _needed(found.fan_in, "fan_in", "--fan-in N, or --shape with --weight-layout"),
    "fan_out": lambda rule, found, options: _needed(found.fan_out, "fan_out", "--fan-out N, or --shape with --weight-layout"),
    "fan": lambda rule, found, options: MODES[options["mode"]](_whole(found, options["mode"])),
    "gain_squared": _gain_squared,
    "std": lambda rule, found, options: _needed(options["std"] or rule.std, "std", "--std NUMBER"),
    "layers": lambda rule, found, options: _needed(options["layers"], "layers", "--layers N, the blocks of the transformer"),
}


def _whole(found: Fans, mode: str) -> Fans:
    """The fans that a mode reads are there."""
    for name in ("fan_in", "fan_out") if mode == "fan_avg" else (mode,):
        _needed(getattr(found, name), name, f"--{name.replace('_', '-')} N, or --shape with --weight-layout")
    return found


def _rule(rule: Scheme, options: Options) -> Payload:
    """What one rule says, for a normal, a uniform and a truncated distribution, and what the layer makes of a unit variance."""
    from bursar.theory.initialization.truncation import kept

    found = known_fans(options)
    variance, given = rule_variance(rule, found, options)
    std = math.sqrt(variance)
    cut = options["sigmas"] or CUT
    parent = std / math.sqrt(kept(cut))
    return {
        "scheme": rule.name,
        "title": rule.title,
        "variance": variance,
        "std": std,
        "limit": math.sqrt(3) * std,
        "draws": rule.draws,
        **_given(given),
        "fan_in": found.fan_in,
        "fan_out": found.fan_out,
        **_layer(variance, found, options),
        "truncated": {"sigmas": cut, "std": parent, "limit": cut * parent},
        "formula": rule.formula,
        "call": rule.call.format(std=std, limit=math.sqrt(3) * std, gain=math.sqrt(given.get("gain_squared", 1))),
        "source": source_of(rule.source),
    }


def _given(values: Payload) -> Payload:
    """What a rule read, under names that its own answer does not take: the gain, not its square, and the std that it scales."""
    shown = {"gain_squared": ("gain", math.sqrt), "std": ("base_std", float)}
    named = {name: shown.get(name, (name, lambda value: value)) for name in values}
    return {key: of(values[name]) for name, (key, of) in named.items()}


def _layer(variance: float, found: Fans, options: Options) -> Payload:
    """What becomes of inputs, and of gradients, of mean 0 and variance 1."""
    output = None if found.fan_in is None else found.fan_in * variance
    answer = {
        "output_variance": output,
        "output_std": None if output is None else math.sqrt(output),
        "gradient_variance": None if found.fan_out is None else found.fan_out * variance,
    }
    if options["between"] is not None:
        low, high = options["between"]
        deviation = math.sqrt(_needed(output, "fan_in", "--fan-in N"))
        answer["share_between"] = _absolute(high / deviation) - _absolute(low / deviation)
    return answer


def _absolute(z: float) -> float:
    """Share of a standard normal whose absolute value is below z."""
    return math.erf(max(z, 0.0) / math.sqrt(2))


def source_of(key: str) -> Payload:
    from bursar.facts import sources

    return {"title": sources()[key].title, "url": sources()[key].url, "as_of": sources()[key].as_of}


def truncated(options: Options) -> Payload:
    """A normal cut at two bounds: the mean and the variance of what is left, and the bounds in standard deviations."""
    from bursar.theory.initialization.truncation import truncated as cut

    std = _needed(options["std"], "std", "--std NUMBER")
    low, high = _bounds(std, options)
    of = cut(std, low, high, options["center"])
    found = known_fans(options)
    return {
        "parent": {"mean": options["center"], "std": std},
        "low": low,
        "high": high,
        "low_sigmas": of.low_sigmas,
        "high_sigmas": of.high_sigmas,
        "inside": of.inside,
        "mean": of.mean,
        "variance": of.variance,
        "std": of.std,
        "std_ratio": of.std / std,
        "limit": max(abs(low), abs(high)),
        "fan_in": found.fan_in,
        "fan_out": found.fan_out,
        **_layer(of.variance, found, options),
        "source": source_of("johnson-1994"),
    }


def _bounds(std: float, options: Options) -> tuple[float, float]:
    """Bounds as values or in sigmas; those of trunc_normal_, ±2, where nothing is given."""
    if options["sigmas"] is not None:
        if options["low"] is not None or options["high"] is not None:
            raise PlanError("bounds are given as values or in sigmas, not both", field="sigmas", valid="one of the two")
        return options["center"] - options["sigmas"] * std, options["center"] + options["sigmas"] * std
    low, high = options["low"], options["high"]
    return -2.0 if low is None else low, 2.0 if high is None else high


def gain(options: Options) -> Payload:
    """What an activation leaves of N(0, q), forward and backward, its customary gain and the exact one."""
    from bursar.theory.initialization import activations, gains

    name = _needed(options["nonlinearity"], "nonlinearity", f"--nonlinearity, one of {', '.join(activations.ACTIVATIONS)}")
    of = activations.activation(name, options["slope"])
    q = (options["std"] or 1.0) ** 2
    found = activations.moments(of, q)
    return {
        "nonlinearity": name,
        "input_variance": q,
        "mean": found.mean,
        "second_moment": found.second_moment,
        "variance": found.variance,
        "slope_second_moment": found.slope_second_moment,
        "gain": gains.gain(name, options["slope"]),
        "exact_gain": math.sqrt(activations.exact_gain_squared(of)),
        "customary": name in gains.CUSTOMARY,
        "source": source_of("torch-init"),
    }


def mup(options: Options) -> Payload:
    """Maximal update parametrization: factors on what was tuned at a base width, for each class of weights."""
    from bursar.theory.initialization import mup as of

    width = _needed(options["width"], "width", "--width N")
    base = _needed(options["base_width"], "base_width", "--base-width N")
    ratio = width / base
    base_variance = options["std"] ** 2 if options["std"] is not None else 1 / base
    variance = base_variance * of.scales("table 8", "hidden", ratio).init_variance
    return {
        "width": width,
        "base_width": base,
        "width_ratio": ratio,
        "variance": variance,
        "std": math.sqrt(variance),
        "limit": math.sqrt(3 * variance),
        "forms": {form: {name: _scales(of.scales(form, name, ratio)) for name in classes} for form, classes in of.FORMS.items()},
        "source": source_of("mup"),
    }


def _scales(found: Scales) -> Payload:
    return {**found._asdict(), "init_std": math.sqrt(found.init_variance)}


def attention(options: Options) -> Payload:
    """The variance of attention logits q·k of unit queries and keys, unscaled, over √d, and over d."""
    width = _needed(options["head_dim"], "head_dim", "--head-dim N")
    entry = 1.0 if options["std"] is None else _needed(options["fan_in"], "fan_in", "--fan-in N") * options["std"] ** 2
    unscaled = width * entry**2
    rows = {"1": 1.0, "1/sqrt(d)": 1 / math.sqrt(width), "1/d": 1 / width}
    return {
        "head_dim": width,
        "entry_variance": entry,
        "scale": 1 / math.sqrt(width),
        "variance": unscaled / width,
        "std": math.sqrt(unscaled / width),
        "scales": {
            name: {"scale": scale, "variance": unscaled * scale**2, "std": math.sqrt(unscaled) * scale}
            for name, scale in rows.items()
        },
        "source": source_of("transformer"),
    }
