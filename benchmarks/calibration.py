"""What a calibration may assume before it reads a run: `python benchmarks/calibration.py FOLDER`, the folder of published runs.

For several priors, and last for that of `data/calibration.toml`: how far off published runs are with the multipliers of one other
run of their source and device (the first twelve stand for it), and with those of all its other jobs; mean of sizes, and the
measured over predicted time that five in a hundred lie below and above. Sets whose seconds are mostly the host's are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.published_runs import read
from benchmarks.timed.statistics import Timed, _job, kinds, timed

from bursar.calibrate import multipliers
from bursar.calibrate.fit import known, ridge

HOSTS = ("nanotron", "megatron-ci")
ONES = 12


def off(learned: list[Timed], asked: Timed, prior: Any) -> float:
    """Measured over predicted time of one run with multipliers of others."""
    found = multipliers.three([(row.shares, row.ratio) for row in learned], prior)
    return asked.ratio / multipliers.predicted(asked.shares, found)


def after_one(sets: list[list[Timed]], prior: Any) -> Iterator[float]:
    for rows in sets:
        yield from [off([one], row, prior) for row in rows for one in rows[:ONES] if _job(one) != _job(row)]


def after_others(sets: list[list[Timed]], prior: Any) -> Iterator[float]:
    for rows in sets:
        for row in rows:
            if others := [other for other in rows if _job(other) != _job(row)]:
                yield off(others, row, prior)


def prior(noise: float, common: float, own: float) -> Any:
    """The ridge of such standard deviations."""
    return noise**2 * np.linalg.inv(common**2 + np.diag([0, own**2, own**2]))


def line(name: str, sets: list[list[Timed]], drawn: Any) -> None:
    text = f"{name:26}"
    for errors in (after_one, after_others):
        ratios = np.array(list(errors(sets, drawn)))
        low, high = np.percentile(ratios, [5, 95])
        text += f"{len(ratios):7} {np.abs(1 / ratios - 1).mean():6.1%} {low:5.2f} {high:5.2f}"
    print(text)


def main(folder: Path) -> None:
    rows = [timed(row) for row in read(folder)[0] if not row.source.startswith(HOSTS)]
    sets = kinds(rows)
    print(f"{'noise, common, own':26}{'after one run':^26}{'after the other jobs':^26}")
    for noise, own in product((0.05, 0.1), (0.15, 0.3, 0.6)):
        line(f"{noise}, 0.2, {own}", sets, prior(noise, 0.2, own))
    line(", ".join([f"{fact.value:g}" for fact in known()["prior"].values()]), sets, ridge())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
