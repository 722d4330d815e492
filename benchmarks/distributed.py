"""Plans under PyTorch's own parallelism: what ranks do beside what bursar predicts, as Markdown (needs torch and transformers).

Run: python -m benchmarks.distributed > docs/distributed.md
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tests.measure.even import even
from tests.oracle.small import SMALL

from bursar.measure.distributed.families import EXPERT, FAMILIES, PIPELINE, REFUSED, TENSOR

HEAD = """# Plans under PyTorch's own parallelism

Made by `python -m benchmarks.distributed > docs/distributed.md` with PyTorch {torch} and transformers {transformers}; do not edit
by hand.

One training step of a model of few layers and small widths, watched operator by operator (`torchrun … -m
bursar.measure.distributed`). Equal means to the last one: every collective of every dimension of the mesh, its calls and its bytes,
and the bytes of weights, gradients and optimizer states are what bursar predicts. Where PyTorch does otherwise than the papers'
rules, the prediction has a line with its cause, which the command prints. Counts and bytes follow from shapes alone, so that small
widths show what large ones do.
"""

REAL = (
    ("llama", 2, "--tp 2"),
    ("llama", 2, "--tp 2 --sp"),
    ("llama", 4, "--tp 4"),
    ("llama", 4, "--tp 4 --sp"),
    ("llama", 2, "--dp 2 --zero 0"),
    ("llama", 2, "--dp 2 --zero 1"),
    ("llama", 4, "--dp 4 --zero 2"),
    ("llama", 4, "--dp 4 --zero 3"),
    ("llama", 4, "--dp 4 --zero 3 --shard-group 2"),
    ("llama", 2, "--pp 2"),
    ("llama", 4, "--pp 4 --layers 4"),
    ("llama", 2, "--pp 2 --vp 2 --layers 4"),
    ("llama", 4, "--tp 2 --sp --dp 2 --zero 2"),
    ("llama", 4, "--tp 2 --sp --pp 2"),
    ("llama", 4, "--pp 2 --dp 2 --zero 2"),
    ("mixtral", 2, "--dp 2 --ep 2"),
    ("mixtral", 4, "--dp 4 --ep 4"),
    ("mixtral", 4, "--tp 2 --sp --dp 2 --ep 4"),
)
SIZES = {"num_attention_heads": 8, "num_key_value_heads": 4, "hidden_size": 64, "head_dim": 8, "vocab_size": 128}
NEEDS = {"--tp": TENSOR, "--pp": PIPELINE, "--ep": EXPERT}
FAKE = (
    (2, "--dp 2 --zero 1"),
    (4, "--dp 4 --zero 3"),
    (2, "--pp 2"),
    (4, "--pp 2 --dp 2 --zero 2"),
    (2, "--tp 2"),
    (4, "--tp 2 --sp --dp 2 --zero 2"),
    (4, "--dp 4 --ep 2"),
    (8, "--tp 2 --sp --dp 4 --ep 4"),
)
DEEP = {"gpt_neo": ("--layers", "4")}  # families whose small config says what each of its layers is


class Run(NamedTuple):
    """A run: family, ranks, whether they really send, options."""

    family: str
    world: int
    real: bool
    options: str


def fits(family: str, options: str) -> bool:
    """Whether a family can be cut so; with tensor parallelism, experts are spread."""
    wanted = {way for flag, way in NEEDS.items() if flag in options.split()}
    together = {TENSOR, EXPERT} <= FAMILIES[family]
    return wanted <= FAMILIES[family] and not (together and TENSOR in wanted and EXPERT not in wanted)


def runs() -> Iterator[Run]:
    for family in sorted(FAMILIES):
        for world, options in FAKE:
            if fits(family, options):
                yield Run(family, world, False, options)
    for family, world, options in sorted(REAL, key=lambda row: row[1]):
        yield Run(family, world, True, options)


def arguments(run: Run, folder: Path) -> list[str]:
    place = folder / f"{run.family}{'-real' * run.real}" / "config.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps({**even(SMALL[run.family]), **(SIZES if run.real else {})}), encoding="utf-8")
    more = [] if run.real else ["--fake", str(run.world)]
    return [str(place), *run.options.split(), *DEEP.get(run.family, ()), *more, "--json"]


def ran(asked: list[Run]) -> dict[Run, dict[str, Any]]:
    """What the first rank of every run printed."""
    with TemporaryDirectory() as name:
        given = [{"world": run.world if run.real else 1, "arguments": arguments(run, Path(name)), "lost": None} for run in asked]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        program = [sys.executable, "-m", "tests.measure.forked"]
        done = subprocess.run(program, input=json.dumps(given), stdout=subprocess.PIPE, text=True, env=environment, check=True)
    found = [json.loads(one["out"].splitlines()[-1]) for one in json.loads(done.stdout)]
    return dict(zip(asked, found, strict=True))


def sent(rank: dict[str, Any]) -> str:
    rows = [(row["dimension"], row["collective"], row["measured_count"], row["measured_bytes"]) for row in rank["collectives"]]
    return "<br>".join(f"{dimension} {collective}: {count:,}, {bytes_:,} B" for dimension, collective, count, bytes_ in rows)


def held(rank: dict[str, Any]) -> str:
    return " / ".join(f"{row['measured_bytes']:,}" for row in rank["memory"])


def of_ranks(found: dict[Run, dict[str, Any]]) -> Iterator[str]:
    """The table of ranks that really send: what the first one did, and how many are equal."""
    yield "| model | ranks | plan | collectives in a step: calls, bytes joined | weights / gradients / states, B | equal ranks |"
    yield "|---|---|---|---|---|---|"
    for run, payload in found.items():
        if run.real:
            first, equal = payload["ranks"][0], sum(rank["exact"] for rank in payload["ranks"])
            yield f"| {run.family} | {run.world} | `{run.options}` | {sent(first)} | {held(first)} | {equal} of {run.world} |"


def of_families(found: dict[Run, dict[str, Any]]) -> Iterator[str]:
    """The table of families: = where every call and byte is equal, – where it is not cut so."""
    yield "| family | " + " | ".join(f"`{options}`" for _, options in FAKE) + " |"
    yield "|---|" + "---|" * len(FAKE)
    for family in sorted(FAMILIES):
        cells = [found.get(Run(family, world, False, options)) for world, options in FAKE]
        marks = ["–" if cell is None else "=" if cell.get("exact") else "≠" for cell in cells]
        yield f"| {family} | " + " | ".join(marks) + " |"


def main() -> None:
    """Prints the document."""
    import torch
    import transformers

    found = ran(list(runs()))
    fake = [payload for run, payload in found.items() if not run.real]
    equal = sum(bool(payload.get("exact")) for payload in fake)
    print(HEAD.format(torch=torch.__version__, transformers=transformers.__version__))
    print("## Ranks that really send (gloo)\n\nThe figures are those that the first rank was seen to have.\n")
    print("\n".join(of_ranks(found)))
    print(f"\n## Every family, one rank of a fake group\n\n{equal} of {len(fake)} runs are equal.")
    print("– : not cut so, refused with its reason. Mixtures under `--tp` spread their experts.\n")
    print("\n".join(of_families(found)))
    print("\nNot run: " + "; ".join(f"`{family}` ({reason})" for family, reason in sorted(REFUSED.items())) + ".")


if __name__ == "__main__":
    main()
