"""Every model of the catalog at full size, predicted beside the module that transformers builds of it, as Markdown.

Run: python -m benchmarks.verify rows [NAME...] >> rows.jsonl      (seconds to a minute a model; several may run at once)
     python -m benchmarks.verify table rows.jsonl > docs/verify.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SEQ, BATCH = 64, 2
QUANTITIES = ("params", "forward_flops", "backward_flops", "saved_bytes", "kv_elements")
HEAD = """# Predicted beside measured

Made by `benchmarks/verify.py`; do not edit by hand. PyTorch {torch}, transformers {transformers}.

Every model of the catalog, at full size: what is predicted from its config.json beside what the module that transformers builds
of it has, traced on fake tensors (`bursar verify MODEL --seq {seq} --micro-batch {batch}`): parameters, FLOPs of the forward and
the backward pass, bytes that are kept for the backward pass (BF16, with the loss, kernels of a CUDA device), elements of the KV
cache with the recurrent state. {batch} sequences of {seq} tokens. `=` says that both are equal to the last digit; a number is
predicted less measured, and each has its cause below; `-` that one side is missing.

**{models} models: {exact} equal in everything that is compared, {explained} with differences that are all explained, {wrong}
with one that is not.**
{refused} more have no class in transformers.
"""


def rows(names: Iterable[str]) -> None:
    """A line of JSON for every model."""
    import warnings

    import torch
    import transformers

    from bursar import catalog, load
    from bursar.errors import BursarError
    from bursar.measure.verify import verify
    from bursar.report.words import say

    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    versions = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
    for name in names or catalog.names():
        try:
            found = verify(load(name), SEQ, BATCH)
        except BursarError as error:
            row: dict[str, Any] = {"name": name, "refused": str(error).splitlines()[0].split(";")[0]}
        else:
            row = {
                "name": name, "params": found.measured.params, "difference": found.difference,
                "missing": {quantity: say(key, "en") for quantity, key in found.missing.items()},
                "unexplained": found.unexplained, "unknown": dict(found.unknown),
                "causes": [[*cause[:2], say(cause.reason, "en")] for cause in found.causes],
            }  # fmt: skip
        print(json.dumps({**row, **versions}), flush=True)


def table(path: str) -> None:
    found = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    compared = sorted((row for row in found if "refused" not in row), key=lambda row: str(row["name"]))
    refused = sorted((row for row in found if "refused" in row), key=lambda row: str(row["name"]))
    exact = sum(not any(row["difference"].values()) for row in compared)
    wrong = sum(bool(row["unexplained"]) for row in compared)
    counts = {"models": len(compared), "exact": exact, "wrong": wrong, "explained": len(compared) - exact - wrong}
    versions = {key: found[0][key] for key in ("torch", "transformers")}
    print(HEAD.format(seq=SEQ, batch=BATCH, refused=len(refused), **counts, **versions))
    print("| model | parameters measured | params | forward FLOPs | backward FLOPs | saved bytes | KV elements |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for row in compared:
        cells = [_cell(row["difference"][quantity]) for quantity in QUANTITIES]
        print(f"| {row['name']} | {row['params']:,} | " + " | ".join(cells) + " |")
    print("\n## Causes\n\n| model | quantity | predicted less measured | cause |\n|---|---|--:|---|")
    for row in compared:
        for quantity, difference, reason in row["causes"]:
            print(f"| {row['name']} | {quantity} | {difference:+,} | {reason} |")
    print("\n## Not compared\n\n| model | quantity | why |\n|---|---|---|")
    for row in compared:
        for quantity, reason in row["missing"].items():
            print(f"| {row['name']} | {quantity} | {reason} |")
    for row in refused:
        print(f"| {row['name']} | all | {row['refused']} |")


def _cell(difference: int | None) -> str:
    return "-" if difference is None else f"{difference:+,}" if difference else "="


if __name__ == "__main__":
    verb, *given = sys.argv[1:]
    rows(given) if verb == "rows" else table(given[0])
