"""Every model of the catalog at full size, predicted beside the module that transformers builds of it, as Markdown.

Run: python -m benchmarks.verify rows [NAME...] >> rows.jsonl      (ten seconds to three minutes a model, 45 minutes all)
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

Every model of the catalog, at full size and full depth: what is predicted from its config.json beside what the module that
transformers builds of it has, traced on fake tensors (`bursar verify MODEL --seq {seq} --batch {batch}`): parameters, FLOPs of the
forward and the backward pass, bytes that are kept for the backward pass (BF16, with the loss, kernels of a CUDA device), elements
of the KV cache with the recurrent state, of {batch} sequences of {seq} tokens. The number is the predicted one; `=` says that the
measured one is equal to the last digit, a number in brackets is predicted less measured, and each has its causes below; before `-`
stands the one side that there is.

**{models} models: {exact} equal in everything that is compared, {explained} with differences that are all explained, {wrong} with
one that is not.** {refused} more have no class in transformers.
"""


def rows(names: Iterable[str]) -> None:
    """A line of JSON for every model."""
    import warnings

    import torch
    import transformers

    from bursar import catalog, load
    from bursar.errors import BursarError
    from bursar.measure.verify import verify

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
                "name": name, "predicted": found.predicted._asdict(), "measured": found.measured._asdict(),
                "missing": dict(found.missing), "unexplained": found.unexplained, "unknown": dict(found.unknown),
                "causes": [list(cause) for cause in found.causes],
            }  # fmt: skip
        print(json.dumps({**row, **versions}), flush=True)


def table(path: str) -> None:
    """The rows, by name, with their causes and with what is not compared."""
    from bursar.report.words import say

    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    found = sorted(rows, key=lambda row: str(row["name"]))
    compared, refused = [row for row in found if "refused" not in row], [row for row in found if "refused" in row]
    exact = sum(not any(_difference(row, quantity) for quantity in QUANTITIES) for row in compared)
    wrong = sum(bool(row["unexplained"] or row["unknown"]) for row in compared)
    counts = {"models": len(compared), "exact": exact, "wrong": wrong, "explained": len(compared) - exact - wrong}
    versions = {key: found[0][key] for key in ("torch", "transformers")}
    print(HEAD.format(seq=SEQ, batch=BATCH, refused=len(refused), **counts, **versions))
    print("| model | parameters | forward FLOPs | backward FLOPs | saved bytes | cache and state |\n|---|--:|--:|--:|--:|--:|")
    for row in compared:
        print(f"| {row['name']} | " + " | ".join(_cell(row, quantity) for quantity in QUANTITIES) + " |")
    print("\n## Causes\n\n| model | quantity | predicted less measured | cause |\n|---|---|--:|---|")
    for row in compared:
        for quantity, difference, reason in row["causes"]:
            print(f"| {row['name']} | {say(f'verify_{quantity}', 'en')} | {difference:+,} | {say(reason, 'en')} |")
    print("\n## Not compared\n\n| model | quantity | why |\n|---|---|---|")
    for row in compared:
        for quantity, reason in row["missing"].items():
            print(f"| {row['name']} | {say(f'verify_{quantity}', 'en')} | {say(reason, 'en')} |")
    for row in refused:
        print(f"| {row['name']} | all | {row['refused']} |")


def _difference(row: dict[str, Any], quantity: str) -> int | None:
    """Predicted less measured, None where a side is missing."""
    ours, theirs = row["predicted"][quantity], row["measured"][quantity]
    return None if ours is None or theirs is None else ours - theirs


def _cell(row: dict[str, Any], quantity: str) -> str:
    difference, ours, theirs = _difference(row, quantity), row["predicted"][quantity], row["measured"][quantity]
    if difference is None:
        return "-" if ours is None and theirs is None else f"{theirs if ours is None else ours:,} -"
    return f"{ours:,} ({difference:+,})" if difference else f"{ours:,} ="


if __name__ == "__main__":
    verb, *given = sys.argv[1:]
    rows(given) if verb == "rows" else table(given[0])
