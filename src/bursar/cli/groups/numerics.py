"""Verbs of number formats at work."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.cli.verb import Verb


def _numerics(argument: str, options: tuple[str, ...], example: str, pictures: str = "") -> Verb:
    return Verb(
        False, options, f"bursar numerics {example}", argument, "bursar.cli.numerics", "bursar.report.numerics", pictures
    )  # fmt: skip


NUMERICS: Mapping[str, Verb] = {
    "sum": _numerics("", ("formats", "addend", "additions", "start", "seed"), "sum --formats fp16,bf16,fp32 --addend 1e-4"),
    "loss-scaling": _numerics(
        "",
        (
            "formats",
            "loss_scale",
            "growth",
            "backoff",
            "growth_interval",
            "events",
            "tiny",
            "median",
            "decades",
            "steps",
            "seed",
            "chart",
        ),
        "loss-scaling --events good,overflow,good",
        "bursar.report.numerics",
    ),
    "matmul": _numerics(
        "", ("formats", "blocks", "matrix_size", "outliers", "seed", "chart"), "matmul --outliers", "bursar.report.numerics"
    ),
    "train": _numerics("", ("steps", "lr", "seed", "chart"), "train --lr 0.01", "bursar.report.numerics"),
    "line": _numerics("name", ("within", "chart"), "line fp4-e2m1", "bursar.report.numerics"),
}
