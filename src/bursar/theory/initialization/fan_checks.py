"""Checks of the fans that an initialization call counts, and of the gain that it takes for the activation."""

from __future__ import annotations

import math

from bursar.theory.initialization.drawn import Case, as_torch_counts, kaiming_gain_squared
from bursar.theory.initialization.gains import SLOPE, exact_gain_squared, gain
from bursar.theory.initialization.right import FACTOR, Found, near, normal_call, uniform_call

HALVING = ("relu", "leaky_relu", "gelu", "gelu_tanh", "silu", "mish", "elu", "relu2", "softplus")


def one_axis(case: Case) -> Found:
    needs = case.draw.kind in ("xavier", "kaiming", "orthogonal") and case.shape is not None and len(case.shape) < 2
    return (
        ({"shape": str(case.shape[0])}, "zeros_(b) for a bias, ones_(g) for the gain of a norm") if needs and case.shape else None
    )


def fans_of_layout(case: Case) -> Found:
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


def embedding(case: Case) -> Found:
    if case.layout != "embedding" or case.draw.kind not in ("xavier", "kaiming", "orthogonal"):
        return None
    if case.shape is None or len(case.shape) != 2:
        return None
    rows, width = case.shape
    return {"rows": rows, "width": width, "std": case.std}, "normal_(w, std=0.02), or std=1 where a norm or √d follows"


def groups(case: Case) -> Found:
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
    return {"groups": case.groups, "counted": counted.fan_out, "true": case.found.fan_out}, normal_call(case, right)


def _of_three(case: Case) -> bool:
    """Whether a weight may be q, k and v in one."""
    return case.shape is not None and len(case.shape) == 2 and case.found.fan_out == 3 * case.found.fan_in


def fused(case: Case) -> Found:
    """q, k and v in one weight triple the fan-out that Xavier counts: 2/(4d) instead of 2/(2d)."""
    if case.draw.kind != "xavier" or not _of_three(case):
        return None
    width, used = case.found.fan_in, case.draw.number("gain")
    if not near(used, gain(case.nonlinearity, case.slope)):
        return None
    numbers = {"fan_in": width, "fan_out": 3 * width, "variance": used**2 / (2 * width), "separate": used**2 / width}
    return numbers, f"xavier_uniform_(w, gain={math.sqrt(2) * used:.6g})"


def xavier_unequal(case: Case) -> Found:
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
    return numbers, normal_call(case, case.wanted)


def fan_out_mode(case: Case) -> Found:
    """Backward kept, forward changed by fan_in/fan_out."""
    counted = as_torch_counts(case)
    if case.draw.kind != "kaiming" or case.draw.arguments["mode"] != "fan_out" or counted is None or fans_of_layout(case):
        return None
    if counted != case.found or counted.fan_in == counted.fan_out:
        return None
    numbers = {"fan_in": counted.fan_in, "fan_out": counted.fan_out, "ratio": counted.fan_in / counted.fan_out}
    return numbers, f"kaiming_normal_(w, nonlinearity='{case.draw.arguments['nonlinearity']}')"


def xavier_with_relu(case: Case) -> Found:
    if case.draw.kind != "xavier" or case.nonlinearity not in HALVING or not near(case.draw.number("gain"), 1.0):
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


def wrong_gain(case: Case) -> Found:
    """A gain, given or left at 1, of another activation."""
    if case.draw.kind not in ("xavier", "orthogonal") or xavier_with_relu(case):
        return None
    used, customary = case.draw.number("gain"), gain(case.nonlinearity, case.slope)
    exact = math.sqrt(exact_gain_squared(case.nonlinearity, case.slope))
    of_three = case.draw.kind == "xavier" and _of_three(case) and near(used, math.sqrt(2) * customary)
    if near(used, customary) or near(used, exact) or of_three:
        return None
    name = "orthogonal_" if case.draw.kind == "orthogonal" else "xavier_uniform_"
    numbers = {"nonlinearity": case.nonlinearity, "used": used, "gain": customary, "kept": (used / exact) ** 2}
    return numbers, f"{name}(w, gain={customary:.6g})"


def kaiming_mismatch(case: Case) -> Found:
    """The gain of another activation than the one that is there; without `nonlinearity` it is that of a ReLU."""
    if case.draw.kind != "kaiming" or root_five(case):
        return None
    used = math.sqrt(kaiming_gain_squared(case.draw))
    exact = math.sqrt(exact_gain_squared(case.nonlinearity, case.slope))
    if near(used, gain(case.nonlinearity, case.slope)) or near(used, exact):
        return None
    said = str(case.draw.arguments["nonlinearity"])
    numbers = {"said": said, "nonlinearity": case.nonlinearity, "used": used, "gain": exact, "kept": (used / exact) ** 2}
    return numbers, normal_call(case, case.wanted)


def root_five(case: Case) -> Found:
    """nn.Linear's own default."""
    draw = case.draw
    if draw.kind != "kaiming" or draw.arguments["nonlinearity"] != "leaky_relu" or not near(abs(draw.number("a")), math.sqrt(5)):
        return None
    fan_in = case.found.fan_in
    numbers = {"variance": 1 / (3 * fan_in), "limit": 1 / math.sqrt(fan_in), "output_variance": 1 / 3}
    return numbers, _gain_call(case) if case.nonlinearity != "linear" else uniform_call(case.wanted)


def slope_ignored(case: Case) -> Found:
    draw = case.draw
    if draw.kind != "kaiming" or "a" not in draw.written or draw.arguments["nonlinearity"] == "leaky_relu" or draw.number("a") == 0:
        return None
    numbers = {"a": draw.number("a"), "nonlinearity": str(draw.arguments["nonlinearity"])}
    return numbers, f"kaiming_uniform_(w, a={draw.number('a'):g}, nonlinearity='leaky_relu')"
