"""Verbs that say what a model or a plan needs: parameters, FLOPs, bytes, seconds, money."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.cli.verb import BATCH, CLUSTER, DEGREES, HOST, MOMENTS, PLANNED, READ, RUN, TENSORS, TUNING, WALL, Verb


def _of_model(options: tuple[str, ...], example: str) -> Verb:
    return Verb("model", options, f"bursar {example}", painter="pictures" if "chart" in options else "")


def _of_job(options: tuple[str, ...], example: str) -> Verb:
    return Verb("model", options, f"bursar {example}", "job", painter="pictures")


def _of_numbers(arguments: str, options: tuple[str, ...], example: str) -> Verb:
    return Verb(arguments, options, f"bursar {example}", "budget")


NEEDS: Mapping[str, Verb] = {
    "params": _of_model((*TUNING, *READ, "checkpoint", "chart"), "params deepseek-v3 --mtp"),
    "flops": _of_model(
        ("seq", "past", "batch", "mask", *TUNING, *READ, "chart"), "flops llama-3-8b --seq 8k --mask causal"
    ),
    "kv": _of_model(("seq", "batch", "kv_dtype", "as_family", "set"), "kv deepseek-v3 --seq 128k --kv-dtype fp8"),
    "activations": _of_model(
        ("seq", "micro_batch", *TENSORS, *TUNING, *DEGREES, *READ, "chart"), "activations gpt3-175b --kernels textbook --tp 8 --sp"
    ),
    "memory": _of_job(
        ("seq", "micro_batch", *PLANNED, "calibration", *READ, *MOMENTS),
        "memory llama-3-70b --device h100 --devices 64 --tp 8 --sp --pp 4 --zero 1",
    ),
    "time": _of_job(
        ("seq", "micro_batch", *BATCH, *TENSORS, *HOST, *TUNING, *DEGREES, *CLUSTER, "calibration", *RUN, *WALL, *READ, "chart"),
        "time llama-3-70b --device h100 --devices 64 --tp 8 --sp --pp 4 --zero 1 --global-batch 512 --tokens 15T",
    ),
    "roofline": Verb(
        "[model]",
        ("peak", "bandwidth", "flops", "bytes", "seconds", "seq", "micro_batch", *TENSORS, *TUNING, *DEGREES, *CLUSTER, *READ,
         "chart"),
        "bursar roofline llama-3-8b --device h100-sxm --seq 8k",
        "roofline", painter="roofline",
    ),
    "run": _of_numbers(
        "[model]",
        ("params", "tokens", "tokens_per_param", "flops", "seq", "mask", "global_batch_tokens", "device", "devices", "precision",
         "peak", "mfu", "seconds", "days", "device_hours", "usd", "price", "recompute", *READ),
        "run --params 70B --tokens 15T --device h100-sxm --devices 1024 --mfu 0.5",
    ),
    "states": _of_numbers(
        "",
        ("params", "precision", "grad_dtype", "optimizer", "state_dtype", "dp", "zero", "device", "capacity"),
        "states --params 7B --dp 64 --zero 1 --device h100-sxm",
    ),
    "audit": _of_numbers("", ("params", "bytes"), "audit --params 70B --bytes 1.1e12"),
}  # fmt: skip
