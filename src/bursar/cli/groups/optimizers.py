"""Verbs of optimizers at work."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.cli.verb import Verb

SETTINGS = (
    "lr", "beta1", "beta2", "eps", "eps_inside", "bias_correction", "weight_decay", "momentum", "momentum_form", "decay", "trust",
    "gamma", "every",
)  # fmt: skip


def _optimizer(arguments: str, options: tuple[str, ...], example: str) -> Verb:
    return Verb(arguments, options, f"bursar optimizer {example}", "optimizers", painter="optimizers" if "chart" in options else "")


OPTIMIZER: Mapping[str, Verb] = {
    "step": _optimizer(
        "name", ("theta", "gradient", "steps", *SETTINGS, "torch", "chart"), "step adam --theta 1 --gradient 0.5:-0.5 --lr 0.1"
    ),
    "accumulate": _optimizer("", ("gradient", "counts", "seed"), "accumulate --counts 8,8,4"),
    "race": _optimizer("", ("problem", "optimizers", "steps", "lr", "noise", "seed", "chart"), "race --problem quadratic"),
    "schedule": _optimizer(
        "name", ("updates", "warmup", "decay_updates", "floor", "lr", "chart"), "schedule cosine --warmup 100 --floor 0.1 --lr 3e-4"
    ),
    "lineage": _optimizer("", ("chart",), "lineage"),
}
