"""The page of published step times: `python benchmarks/published_runs.py FOLDER --markdown > docs/published-times.md`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bursar.machines.devices import band

from . import Unread
from .statistics import Errors, Timed, after_three, errors, left_out_once

HEAD = """# Published step times, replayed

`python benchmarks/published_runs.py FOLDER` replays every row of a folder of published runs whose model, plan and device are known,
one reader for each source in `benchmarks/timed/`. An error is predicted over measured less one; a bias is the mean of the errors,
signs and all; a time is in band if it lies between {fastest:g} and {slowest:g} times the predicted one, as `bursar time` prints.

- as predicted: at the rates of `data/rates.toml`. None of them was fitted to NVIDIA's Megatron sets.
- one multiplier: from the other jobs of the source on the same device; dense models and mixtures of experts apart.
- three multipliers: of compute, attention and communication, from a third of the rows; their error on the rest.

| source | rows | mean error | bias | worst | in band | one multiplier | in band | three | in band |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""

CAUSES = """
## What is known of the worst

- GPT-OSS: attention with learned sinks and experts with biases run kernels whose rates no source gives; rows of one model and plan
  are up to 1.8 times apart between two releases.
- Mixtures of experts on boxes of eight (B200, B300) are predicted 14 to 31 % too short, the same models on racks of 72 (GB200,
  GB300) -8 to +14 % off. What differs, beside experts in groups of eight and pipelines over InfiniBand, is not found.
- Nemotron 3 Nano: the rate of the scan of its Mamba-2 layers is not known, and taken as that of memory.
- Grok-1 on GB200, dense models on B200: products run faster than the 0.49 of the peak that was measured on one B200 node.
- TPUs have no measured rates here and take the default ones: products run faster than those.
- megatron-ci runs models of a few layers in deterministic mode, which the host holds up: about 200 µs for an operator, where 84 are
  assumed. megatron-papers includes ZeRO-3 of DeepSpeed on an older network. nanotron's slow rows have tensor parallelism beside
  pipelines or over nodes, and runs of equal degrees are up to a hundred times apart.
"""


def page(groups: Sequence[tuple[str, list[Timed]]], worst: list[Timed], unread: list[Unread]) -> str:
    """The whole page."""
    fastest, slowest = band("uncalibrated")
    lines = [HEAD.format(fastest=fastest.si, slowest=slowest.si), *[_row(name, rows) for name, rows in groups], CAUSES]
    lines += ["## The worst of NVIDIA's Megatron sets, those of one model and device once", ""]
    lines += ["| run | measured, s | predicted, s | error |", "| --- | --- | --- | --- |"]
    lines += [f"| {row.row.name} | {row.row.measured:.3f} | {row.predicted:.3f} | {row.error:+.1%} |" for row in worst]
    lines += ["", f"## What is left out: {len(unread)} rows", "", "| source | rows | reason |", "| --- | --- | --- |"]
    counted = Counter((left.source, left.reason) for left in unread)
    lines += [f"| {name} | {count} | {reason} |" for (name, reason), count in sorted(counted.items())]
    return "\n".join(lines)


def _row(name: str, rows: list[Timed]) -> str:
    plain = errors([row.ratio for row in rows], "uncalibrated")
    cells = [name, str(plain.rows), f"{plain.mean:.1%}", f"{plain.bias:+.1%}", f"{plain.worst:+.1%}", f"{plain.inside:.0%}"]
    for ratios in (left_out_once(rows), after_three(rows)):
        cells += _after(errors(ratios, "run") if ratios else None)
    return f"| {' | '.join(cells)} |"


def _after(found: Errors | None) -> list[str]:
    return [f"{found.mean:.1%}", f"{found.inside:.0%}"] if found else ["", ""]
