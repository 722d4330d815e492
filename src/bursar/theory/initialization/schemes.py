"""The variance rules: a row for each.

A rule is arithmetic over its dimensions, read with ints, arrays or symbols. What a distribution needs follows from the variance:
a normal takes its root, a uniform one reaches ±√(3·variance).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bursar.dims import Dim, at_least
from bursar.errors import UnknownNameError


def lecun(fan_in: Dim) -> Dim:
    return 1 / fan_in


def xavier(fan_in: Dim, fan_out: Dim, gain_squared: Dim) -> Dim:
    """Between 1/fan_in, which keeps the variance forward, and 1/fan_out, which keeps it backward: their harmonic mean."""
    return 2 * gain_squared / (fan_in + fan_out)


def he(fan: Dim, gain_squared: Dim) -> Dim:
    """gain² is one over what the activation leaves of the second moment: 2 for ReLU, 2/(1 + slope²) for a leaky one."""
    return gain_squared / fan


def normal(std: Dim) -> Dim:
    return std**2


def residual(std: Dim, layers: Dim) -> Dim:
    """std/√(2L): each of L blocks adds two branches to the stream."""
    return std**2 / (2 * layers)


def small(fan_in: Dim) -> Dim:
    return 2 / (5 * fan_in)


def wang(fan_in: Dim, layers: Dim) -> Dim:
    """std = 2/(L·√d)."""
    return 4 / (layers**2 * fan_in)


def deepnorm(fan_in: Dim, fan_out: Dim, layers: Dim) -> Dim:
    """Xavier with the gain β = (8L)^(−1/4) of a decoder or an encoder alone; its residual connections take α = (2L)^(1/4)."""
    return xavier(fan_in, fan_out, 1) / (8 * layers) ** 0.5


def torch_linear(fan_in: Dim) -> Dim:
    """kaiming_uniform_(a=√5) has gain² = 2/(1 + 5): the limit is 1/√fan_in, and the variance a third of LeCun's."""
    return 1 / (3 * fan_in)


def orthogonal(fan_in: Dim, fan_out: Dim, gain_squared: Dim) -> Dim:
    """The mean square of an entry: min(in, out) orthonormal rows or columns, spread over in·out entries."""
    return gain_squared / at_least(fan_in, fan_out)


@dataclass(frozen=True)
class Scheme:
    """A variance rule: its names, what it reads, the distribution that its authors or libraries draw from, its formula as text
    (what `variance` computes, a test proves), and its source."""

    name: str
    title: str
    variance: Callable[..., Dim]
    takes: tuple[str, ...]
    draws: str
    formula: str
    source: str
    aliases: tuple[str, ...] = ()
    call: str = ""  # of torch.nn.init, with the rule's values put in
    activation: str = "linear"  # whose gain it takes where nothing is said
    std: float | None = None  # that of its source
    partner: str = ""  # of a rule for projections into the residual stream: the rule of the weights that read from it


NORMAL, UNIFORM = "normal_(w, std={std:.6g})", "uniform_(w, -{limit:.6g}, {limit:.6g})"
ROWS = (
    Scheme("lecun", "LeCun et al. 1998", lecun, ("fan_in",), "normal", "1/fan_in", "lecun-1998", call=NORMAL),
    Scheme(
        "xavier", "Glorot and Bengio 2010", xavier, ("fan_in", "fan_out", "gain_squared"), "uniform",
        "2*gain**2/(fan_in + fan_out)", "glorot-2010", ("glorot",), UNIFORM,
    ),
    Scheme(
        "he", "He et al. 2015", he, ("fan", "gain_squared"), "normal", "gain**2/fan", "he-2015", ("kaiming",), NORMAL, "relu"
    ),
    Scheme("normal", "N(0, std²)", normal, ("std",), "normal", "std**2", "variance", call=NORMAL),
    Scheme(
        "gpt2", "Radford et al. 2019", residual, ("std", "layers"), "normal", "std**2/(2*layers)", "gpt2", ("residual",), NORMAL,
        std=0.02, partner="normal",
    ),
    Scheme("small", "Nguyen and Salazar 2019", small, ("fan_in",), "normal", "2/(5*fan_in)", "small-init", call=NORMAL),
    Scheme(
        "wang", "GPT-NeoX", wang, ("fan_in", "layers"), "normal", "4/(layers**2*fan_in)", "gpt-neox-init", call=NORMAL,
        partner="small",
    ),
    Scheme(
        "deepnorm", "Wang et al. 2022", deepnorm, ("fan_in", "fan_out", "layers"), "normal",
        "2/((fan_in + fan_out)*sqrt(8*layers))", "deepnet", call=NORMAL,
    ),
    Scheme(
        "torch-linear", "torch.nn.Linear", torch_linear, ("fan_in",), "uniform", "1/(3*fan_in)", "torch-init", call=UNIFORM
    ),
    Scheme(
        "orthogonal", "Saxe et al. 2013", orthogonal, ("fan_in", "fan_out", "gain_squared"), "orthogonal",
        "gain**2/Max(fan_in, fan_out)", "saxe-2013", call="orthogonal_(w, gain={gain:.6g})",
    ),
)  # fmt: skip
SCHEMES: Mapping[str, Scheme] = {row.name: row for row in ROWS}
NAMES: Mapping[str, Scheme] = {name: row for row in ROWS for name in (row.name, *row.aliases)}


def scheme(name: str) -> Scheme:
    """The rule of a name or an alias; UnknownNameError names the close ones."""
    if name not in NAMES:
        raise UnknownNameError("scheme", name, NAMES)
    return NAMES[name]
