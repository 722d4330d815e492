"""Verbs of initialization."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.cli.verb import Verb
from bursar.theory.initialization import schemes


def _init(arguments: str, options: tuple[str, ...], example: str, topic: str = "init", painter: str = "") -> Verb:
    return Verb(arguments, options, f"bursar init {example}", topic, "init", painter)


FANS = ("fan_in", "fan_out", "shape", "weight_layout", "groups")
PROPAGATION = ("propagation", "init_pictures")
EXAMPLES = {"std": "--std 0.02", "layers": "--layers 24"}
OF_RULES: Mapping[str, tuple[str, ...]] = {
    "fan": ("mode",),
    "gain_squared": ("gain", "nonlinearity", "slope"),
    "std": ("std",),
    "layers": ("layers",),
}
INIT: Mapping[str, Verb] = {
    **{
        name: _init(
            "",
            (*FANS, *[option for read in rule.takes for option in OF_RULES.get(read, ())], "sigmas", "between"),
            f"{name} --fan-in 4096 --fan-out 1024" + "".join([f" {EXAMPLES[read]}" for read in rule.takes if read in EXAMPLES]),
        )
        for name, rule in schemes.NAMES.items()
    },
    "truncated": _init(
        "", ("std", "sigmas", "low", "high", "center", *FANS, "between"), "truncated --std 0.0078125 --low -3 --high 3"
    ),
    "gain": _init("", ("nonlinearity", "slope", "std"), "gain --nonlinearity gelu"),
    "mup": _init("", ("width", "base_width", "std"), "mup --width 4096 --base-width 256"),
    "attention": _init("", ("head_dim", "fan_in", "std"), "attention --head-dim 128"),
    "lint": _init(
        "call",
        (*FANS, "nonlinearity", "slope", "layers", "branch"),
        'lint "trunc_normal_(w, std=0.0078125, a=-3, b=3)" --shape 1024x16384',
        "init_lint",
    ),
    "derive": _init("[name]", (), "derive xavier", "init_lint"),
    "propagate": _init(
        "",
        (
            "scheme",
            "nonlinearity",
            "slope",
            "width",
            "layers",
            "sizes",
            "gain",
            "std",
            "mode",
            "residual",
            "branch_scale",
            "distribution",
            "samples",
            "networks",
            "seed",
            "chart",
        ),
        "propagate --scheme he --nonlinearity relu --width 64 --layers 5 --samples 10000",
        *PROPAGATION,
    ),
    "module": _init("target", ("on", "seed", "chart"), "module my_model.py:make", *PROPAGATION),
}
