"""Tables of runs, rooflines and states. Each function draws the object of one verb; none computes a cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from bursar.report.screen import screen, table_of
from bursar.report.units import both, duration, percent, whole
from bursar.report.words import say

Payload = dict[str, Any]
# quantities of a run in the order of their table, by the key of the answer
ROWS = (
    "params", "flops_per_token", "tokens", "tokens_per_param", "batch_tokens", "steps", "flops", "executed_flops", "pf_days",
    "devices", "peak_flop_per_s", "mfu", "hfu", "seconds", "days", "years", "device_hours", "device_years", "tokens_per_s",
    "tokens_per_s_per_device", "price", "cost_usd",
)  # fmt: skip
NAMES = {"devices": "run_devices_count", "peak_flop_per_s": "run_peak_rate"}


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb."""
    DRAW[verb](payload, lang, screen())


def _number(value: float) -> str:
    """Whole numbers as they are, large ones in powers of ten, others to six digits."""
    if value >= 1e15:
        return f"{value:.6g}"
    return whole(value) if isinstance(value, int) else f"{value:,.6g}" if value < 1e6 else f"{value:,.0f}"


def _run(payload: Payload, lang: str, console: Console) -> None:
    how = {step["quantity"]: step["formula"] for step in payload["solved"]}
    table = table_of(payload["model"] or say("run_title", lang), "", "", say("run_how", lang))
    for key in ROWS:
        if payload.get(key) is not None:
            table.add_row(say(NAMES.get(key, f"run_{key}"), lang), _number(payload[key]), Text(how.get(key, "")))
    console.print(table)
    for row in payload["beside"]:
        facts = {"name": row["name"], "flops": f"{row['flops']:.3g}", "ratio": f"{row['ratio']:.3g}", "source": row["source"]}
        note = say("run_revoked", lang, date=row["note"].rsplit(" ", 1)[-1]) if row["note"] else ""
        console.print(Text(say(f"run_beside_{row['kind']}", lang, note=note, **facts), "dim"))
    if "devices_exact" in payload:
        console.print(say("run_devices", lang, exact=payload["devices_exact"]))
    if not payload["possible"]:
        console.print(say("run_impossible", lang, mfu=payload["mfu"]), style="bold")
    _peak(payload, lang, console)
    console.print(Text(say("run_source", lang, text="; ".join(payload["source"])), "dim"))


def _peak(payload: Payload, lang: str, console: Console) -> None:
    """Which peak a utilization is of."""
    if payload.get("peak_dtype"):
        facts = {"dtype": payload["peak_dtype"], "device": payload["device"], "source": payload["peak_source"]}
        console.print(Text(say("run_peak", lang, **facts), "dim"))


def _roofline(payload: Payload, lang: str, console: Console) -> None:
    facts = {key: payload[key] for key in ("ridge", "peak_flop_per_s", "bandwidth_b_per_s")}
    console.print(say("roofline_line", lang, **facts), style="bold")
    if "intensity" in payload:
        console.print(say("roofline_ceiling", lang, intensity=payload["intensity"], ceiling=_share(payload["ceiling"])))
    if "least_s" in payload:
        times = {key: duration(payload[f"{key}_s"]) for key in ("least", "compute", "memory")}
        console.print(say("roofline_least", lang, bound=say(f"roofline_{payload['bound']}", lang), **times))
    for key, line in (("utilization", "roofline_used"), ("bandwidth_used", "roofline_moved")):
        if key in payload:
            console.print(say(line, lang, seconds=duration(payload["seconds"]), share=_share(payload[key])))
    _peak(payload, lang, console)


def _share(value: float) -> str:
    return f"{100 * value:.4g} %"


def _states(payload: Payload, lang: str, console: Console) -> None:
    table = table_of(say("states_title", lang, **payload), "", "B", "", say("states_per_param", lang), say("share", lang))
    for key, share in payload["share"].items():
        row = whole(payload[key]), both(payload[key]), f"{payload['per_param'][key]:.9g}", percent(share)
        table.add_row(say(f"states_row_{key}", lang), *row)
    table.add_section()
    total = payload["total"]
    table.add_row(say("total", lang), whole(total), both(total), f"{payload['per_param']['total']:.9g}", "")
    console.print(table)
    if payload["dp"] > 1:
        console.print(say("states_sharded", lang, dp=payload["dp"], zero=payload["zero"]))
    if "capacity" in payload:
        facts = {"capacity": both(payload["capacity"]), "devices": payload["devices"], "largest": payload["largest_params"]}
        console.print(say("states_devices", lang, **facts), style="bold")


def _audit(payload: Payload, lang: str, console: Console) -> None:
    facts = {"bytes": both(payload["bytes"]), "params": payload["params"], "per_param": payload["per_param"]}
    console.print(say("audit_line", lang, **facts), style="bold")
    if not payload["explained_by"]:
        console.print(say("audit_none", lang), style="bold")
    table = table_of("", "", say("states_per_param", lang), "B", say("audit_difference", lang))
    for row in payload["readings"]:
        terms = " + ".join(f"{value:g} {say(f'audit_term_{name}', lang)}" for name, value in row["terms"].items())
        rule = say("audit_rule", lang, rule=say(f"audit_{row['rule']}", lang), terms=terms)
        figures = f"{row['per_param']:g}", both(row["bytes"]), f"{100 * row['difference']:+.1f} %"
        table.add_row(Text(rule, "bold" if row["near"] else ""), *figures)
    console.print(table)


DRAW: Mapping[str, Callable[[Payload, str, Console], None]] = {
    "run": _run,
    "roofline": _roofline,
    "states": _states,
    "audit": _audit,
}
