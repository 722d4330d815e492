"""A plan in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def layout(plan: Mapping[str, Any]) -> str:
    """A plan in one line; what is not in use is left out."""
    sizes = [f"{name}{plan[name]}" for name in ("tp", "pp", "dp", "ep") if plan[name] > 1 or name in ("tp", "pp", "dp")]
    if plan["ep"] > 1 and plan["etp"] != plan["tp"]:
        sizes.append(f"etp{plan['etp']}")
    if plan["cp"] > 1:
        sizes.append(f"cp{plan['cp']}-{plan['cp_comm']}")
    sizes += [plan["schedule"]] if plan["schedule"] not in ("1f1b", "interleaved") else []
    sizes += [f"vp{plan['vp']}"] if plan["vp"] > 1 else []
    sizes += ["sp"] if plan["sp"] else []
    return " ".join([*sizes, f"zero{plan['zero']}", f"mb{plan['micro_batch']}", f"recompute-{plan['recompute']}"])
