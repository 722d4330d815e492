"""Numbers as people read them. GB is 1e9 bytes, GiB is 2^30; every figure says which."""

from __future__ import annotations

GIB = 2**30
_LARGE = ((10**24, "Y"), (10**21, "Z"), (10**18, "E"), (10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def gib(value: float) -> str:
    return f"{value / GIB:,.2f}"


def both(value: float) -> str:
    """Bytes in GiB and in GB."""
    return f"{value / GIB:,.2f} GiB ({value / 1e9:,.2f} GB)"


def short(value: float) -> str:
    """Four digits and a metric prefix."""
    for factor, prefix in _LARGE:
        if abs(value) >= factor:
            return f"{value / factor:.4g} {prefix}"
    return f"{value:.4g} "


def whole(value: float) -> str:
    return f"{value:,}"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for factor, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= factor:
            return f"{seconds / factor:,.3g} {unit}" if seconds < 1000 else f"{seconds:,.0f} s"
    return "0 s"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"
