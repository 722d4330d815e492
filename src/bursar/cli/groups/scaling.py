"""Verbs of scaling laws."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.cli.verb import BATCH, CLUSTER, READ, Verb


def _scaling(arguments: str, options: tuple[str, ...], example: str, topic: str = "scaling") -> Verb:
    return Verb(arguments, options, f"bursar scaling {example}", topic, "scaling_runs" if topic == "scaling_runs" else "scaling")


LAW = ("law", "unique_tokens", "experts", "granularity", "bits")
SCALING: Mapping[str, Verb] = {
    "laws": _scaling("", ("law",), "laws"),
    "loss": _scaling("[model]", ("params", "tokens", "flops", *LAW, *READ), "loss --law epoch-huber --params 70B --tokens 1.4T"),
    "optimal": _scaling("", ("flops", *LAW), "optimal --flops 1e24", "scaling_split"),
    "allocate": _scaling(
        "[model]", ("flops", "loss", "params", "tokens", "inference_tokens", "unique_tokens", "law", *READ),
        "allocate --flops 1e24 --inference-tokens 5T --unique-tokens 500B",
        "scaling_split",
    ),
    "hyper": _scaling(
        "[model]", ("params", "tokens", "flops", "width_ratio", "seq", *READ), "hyper llama-3-8b --tokens 15T", "scaling_rates"
    ),
    "derive": _scaling("", ("derivation",), "derive --derivation frontier"),
    "fit": _scaling("file", ("form", "resamples", "delta", "chart"), "fit runs.csv --form additive", "scaling_runs"),
    "power": _scaling("points...", (), "power 1e6:4.0116 1e9:2.3756", "scaling_runs"),
    "design": _scaling(
        "", ("budget", "usd", "days", "law", "family", "experts", "granularity", "vocab", "seq", *BATCH, "precision", "grad_dtype",
             "optimizer", "state_dtype", "optimizer_step", "kernels", "mask", *CLUSTER, "price"),
        "design --budget 1e24 --device h100-sxm --devices 1024", "scaling_runs",
    ),
}  # fmt: skip
