"""Verbs of number formats, and of formats at work."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.cli.verb import Verb


def _numerics(arguments: str, options: tuple[str, ...], example: str) -> Verb:
    return Verb(arguments, options, f"bursar numerics {example}", "numerics", painter="numerics" if "chart" in options else "")


NUMERICS: Mapping[str, Verb] = {
    "sum": _numerics("", ("formats", "addend", "additions", "start", "seed"), "sum --formats fp16,bf16,fp32 --addend 1e-4"),
    "loss-scaling": _numerics(
        "",
        ("formats", "loss_scale", "growth", "backoff", "growth_interval", "events", "tiny", "median", "decades", "steps", "seed",
         "chart"),
        "loss-scaling --events good,overflow,good",
    ),
    "matmul": _numerics(
        "", ("formats", "blocks", "matrix_size", "outliers", "seed", "chart"), "matmul --outliers"
    ),
    "train": _numerics("", ("steps", "lr", "seed", "chart"), "train --lr 0.01"),
    "line": _numerics("name", ("within", "chart"), "line fp4-e2m1"),
}  # fmt: skip
FORMATS: Mapping[str, Verb] = {
    "formats": Verb("", ("chart",), "bursar formats", "formats", painter="formats"),
    "format": Verb(
        "name [value]",
        ("rounding", "saturate", "seed", "chart"),
        "bursar format fp16 -0.1 --rounding up",
        "formats",
        painter="formats",
    ),
}
