"""Plans of published runs beside the best plan of a search: `python benchmarks/search_published.py FOLDER > docs/search.md`.

FOLDER holds the tables (see `benchmarks/timed`). Of every model and source the largest run is taken. The search has the run's
device, model, length, batch, precision, kernels and overlap, and goes through all else. Both plans are predicted uncalibrated, so a
plan that is faster by less than the printed band may as well be slower; the table says which parts of the step differ.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.timed import Row

from bursar import Training
from bursar.errors import BursarError
from bursar.machines.devices import band
from bursar.planner import Found, Space, best_of
from bursar.report.layout import layout

READERS = ("megatron_papers", "nemo", "bridge", "dgxc")
LARGE = 64  # devices
SAID = 0.01  # of the published plan's step: parts that are said
INTRODUCTION = """# Published plans beside the search

Of every model and source the largest published run whose plan is known, and the best plan that `bursar plan` finds for the same
model, devices, length, global batch, precision, kernels and overlap. Both steps are predictions at uncalibrated rates. Ratio is the
step of the published plan over ours. Published runs took {low:.2f} to {high:.2f} times such predictions, so of two plans the faster
one is certain only beyond a ratio of {certain:.2f}. The last column says what the difference is made of.

| run | published plan | s | GiB | best plan found | s | GiB | ratio | beyond the band | what makes it faster |
|---|---|---|---|---|---|---|---|---|---|"""


class Compared(NamedTuple):
    """A run beside the answer of its search."""

    row: Row
    found: Found

    @property
    def ratio(self) -> float:
        return float(self.row.job.seconds.step / self.found.best[0].step_s)


def runs(folder: Path) -> list[Row]:
    """The largest run of every model and source."""
    found: dict[tuple[str, str], Row] = {}
    for row in chain.from_iterable(import_module(f"benchmarks.timed.{name}").rows(folder) for name in READERS):
        if isinstance(row, Row) and row.job.plan.devices >= LARGE:
            key = row.source, _model(row.job)
            if key not in found or row.job.plan.devices > found[key].job.plan.devices:
                found[key] = row
    return list(found.values())


def _model(job: Training) -> str:
    block = job.architecture.trunk[-1].block
    return f"{job.architecture.family} {job.architecture.layers} {block.lines['x'].width} {job.plan.precision}"


def compare(row: Row) -> Compared | None:
    """The search for a run; None where nothing is found that fits."""
    job, device = row.job, row.job.device
    if device is None:
        return None
    base = replace(job.plan, layout=None, shard_group=None)
    space = Space(job.architecture, device, job.plan.devices, job.length, job.global_batch, base, job.mask)
    try:
        found = best_of(space, keep=1)
    except BursarError:
        return None
    return Compared(row, found) if found.best else None


def _why(compared: Compared) -> str:
    """The parts of the step that ours has less of, and more of, in percent of the published plan's."""
    theirs, ours = compared.row.job.seconds, compared.found.best[0].seconds
    changes = {name: float((getattr(theirs, name) - getattr(ours, name)) / theirs.step) for name in theirs._fields}
    said = sorted([(share, name) for name, share in changes.items() if abs(share) >= SAID], reverse=True)
    return ", ".join([f"{name.replace('_', ' ')} {-100 * share:+.0f} %" for share, name in said]) or "the same"


def line(compared: Compared, certain: float) -> str:
    job, best = compared.row.job, compared.found.best[0]
    over = "" if job.peak() <= job.device.memory.si else " (over)"  # type: ignore[union-attr]
    cells = [
        f"{compared.row.source} {compared.row.name}", layout(job.plan.options()), f"{job.seconds.step:.2f}",
        f"{job.peak() / 2**30:.0f}{over}", layout(best.plan.options()), f"{best.step_s:.2f}", f"{best.peak / 2**30:.0f}",
        f"{compared.ratio:.2f}", "yes" if compared.ratio > certain else "no", _why(compared),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main(folder: Path) -> None:
    low, high = (fact.si for fact in band("uncalibrated"))
    print(INTRODUCTION.format(low=low, high=high, certain=high / low))
    found = [compared for row in runs(folder) if (compared := compare(row)) is not None]
    for compared in sorted(found, key=lambda compared: -compared.ratio):
        print(line(compared, high / low))
    beyond = sum(compared.ratio > high / low for compared in found)
    print(f"\n{len(found)} runs, {beyond} beaten beyond the band, {sum(c.found.searched for c in found):,} plans searched.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
