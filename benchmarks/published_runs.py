"""Predicted and measured step times of published runs: `python benchmarks/published_runs.py FOLDER [SOURCE…] [OPTIONS]`.

FOLDER holds the tables (see its README). Prints for every source the error of uncalibrated predictions (mean of sizes, bias, worst)
and the share of measured times inside the printed band; then what is left after one multiplier, from the other jobs of the source
on the same device, and after three (compute, attention, communication) from a third of these rows, on the rest. Dense models and
mixtures of experts are calibrated apart. Then the ten worst rows of NVIDIA's Megatron sets, and why rows were left out.

`--rows` prints every row with where its time goes, `--left-out` every row that is not read, `--markdown` the page of all.
"""

from __future__ import annotations

import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.timed import Row, Unread
from benchmarks.timed.page import page
from benchmarks.timed.statistics import Errors, Timed, after_three, errors, left_out_once, repeated, timed

from bursar.parallel.expert import routed

READERS = ("bridge", "dgxc", "nemo", "misc", "replayed", "megatron_papers", "vtrain", "llm_foundry", "maxtext")
NVIDIA = ("megatron-bridge", "dgxc", "nemo", "moe-zoo")  # Megatron rows of the last two years


def read(folder: Path) -> tuple[list[Row], list[Unread]]:
    """The rows of all sources, and those that are left out."""
    found = [row for reader in READERS for row in import_module(f"benchmarks.timed.{reader}").rows(folder)]
    return [row for row in found if isinstance(row, Row)], [row for row in found if isinstance(row, Unread)]


def main(folder: Path, sources: tuple[str, ...], options: set[str]) -> None:
    rows, unread = read(folder)
    replayed = [timed(row) for row in rows if not sources or row.source in sources]
    groups = [(name, [row for row in replayed if row.row.source == name]) for name in dict.fromkeys(r.row.source for r in replayed)]
    both = [row for row in replayed if row.row.source in NVIDIA]
    if both:
        experts = [row for row in both if routed(row.row.job.architecture)]
        dense = [row for row in both if not routed(row.row.job.architecture)]
        groups += [("NVIDIA's Megatron sets", both), ("… dense models", dense), ("… mixtures of experts", experts)]
    if "--markdown" in options:
        print(page(groups, _worst(both, 10), repeated(both), unread))
        return
    head, after = f"{'mean':>6} {'bias':>7} {'worst':>7} {'in band':>8}", f"{'rows':>5} {'mean':>6} {'in band':>8}"
    print(f"{'':28}  {'as predicted':^31}   {'one multiplier':^21}   {'three multipliers':^21}")
    print(f"{'source':22} {'rows':>5}  {head}   {after}   {after}")
    for name, part in groups:
        _line(name, part)
    if both:
        print("\nfurthest off of NVIDIA's Megatron sets, those of one model and device once")
        for row in _worst(both, 10):
            print(f"  {row.row.name:78} measured {row.row.measured:8.3f} s  predicted {row.predicted:8.3f}  {row.error:+.1%}")
    print(f"\n{len(unread)} rows are left out")
    for (name, reason), count in sorted(Counter((left.source, left.reason) for left in unread).items()):
        print(f"  {count:4} {name}: {reason}")
    if "--rows" in options:
        for row in replayed:
            print(
                f"{row.row.source}: {row.row.name}: {row.row.measured:.4f} s, {row.predicted:.4f} ({row.error:+.1%}) {_parts(row)}"
            )
    if "--left-out" in options:
        for left in unread:
            print(f"{left.source}: {left.name}: {left.reason}")


def _line(name: str, rows: list[Timed]) -> None:
    plain = errors([row.ratio for row in rows], "uncalibrated")
    text = f"{name:22} {plain.rows:5}  {plain.mean:6.1%} {plain.bias:+7.1%} {plain.worst:+7.1%} {plain.inside:8.0%}"
    for ratios in (left_out_once(rows), after_three(rows)):
        text += _after(errors(ratios, "run")) if ratios else " " * 25
    print(text)


def _after(found: Errors) -> str:
    return f"   {found.rows:5} {found.mean:6.1%} {found.inside:8.0%}"


def _worst(rows: list[Timed], count: int) -> list[Timed]:
    """The rows furthest off, one for each model, device and precision."""
    found: dict[str, Timed] = {}
    for row in sorted(rows, key=lambda row: -abs(row.error)):
        job = row.row.job
        found.setdefault(f"{job.architecture.family} {job.device} {job.plan.expert} {job.plan.tensor} {row.row.source}", row)
    return list(found.values())[:count]


def _parts(row: Timed) -> str:
    found = row.row.job.time()
    return ", ".join(f"{name} {value / found.step:.0%}" for name, value in found._asdict().items() if value > 0.005 * found.step)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]), tuple([w for w in given[1:] if not w.startswith("--")]), {w for w in given if w.startswith("--")})
