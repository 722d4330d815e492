"""Constants of what was measured, by least squares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bursar.errors import BursarError


def saturation(lengths: Sequence[float], rates: Sequence[float]) -> tuple[float, float]:
    """R and s₀ of R·s / (s + s₀), by least squares in 1/rate = 1/R + s₀/R · 1/s; s₀ is no less than zero."""
    slope, level = np.polyfit(1 / np.array(lengths, dtype=float), 1 / np.array(rates, dtype=float), 1)
    if slope <= 0 or level <= 0:
        return float(np.mean(rates)), 0.0
    return float(1 / level), float(slope / level)


def collective(sizes: Sequence[float], taken: Sequence[float]) -> tuple[float, float, float]:
    """α, a and b of t = α + a·S + b·√S, none below zero, by least squares of relative errors."""
    s, t = np.array(sizes, dtype=float), np.array(taken, dtype=float)
    columns = {"latency": np.ones_like(s), "each": s, "root": np.sqrt(s)}
    while True:
        matrix = np.stack([column / t for column in columns.values()], axis=1)
        values = dict(zip(columns, np.linalg.lstsq(matrix, np.ones_like(t), rcond=None)[0], strict=True))
        drop = [name for name in ("latency", "root") if values.get(name, 0) < 0]
        if not drop and values["each"] <= 0:
            drop = [name for name in ("root",) if name in columns]
        if not drop:
            break
        del columns[min(drop, key=lambda name: values[name])]
    if values["each"] <= 0:
        raise BursarError(
            "collectives that take no longer for more bytes say no bandwidth", field="measure", valid="a quieter machine"
        )
    return float(values.get("latency", 0.0)), float(values["each"]), float(values.get("root", 0.0))
