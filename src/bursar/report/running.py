"""Lines of a run beside its step: conventions, failures and checkpoints, energy. Each draws the object of its verb."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from bursar.report.units import both, duration, percent, short
from bursar.report.words import say

Payload = dict[str, Any]
HOUR = 3600


def lines(payload: Payload, lang: str, console: Console) -> None:
    """What a time says of conventions and of the whole run, where it was asked."""
    for row in payload.get("conventions", ()):
        facts = {"name": row["convention"], "flops": short(row["model_flops_per_step"]), "source": row["source"]}
        console.print(Text(say("convention_line", lang, mfu=percent(row["mfu"]), hfu=percent(row["hfu"]), **facts)))
    if "goodput" in payload:
        console.print(Text(_goodput(payload, lang)))
        console.print(Text(_energy(payload, lang)))
        sources = [*payload["failures"]["sources"], *((payload["energy"] or {}).get("sources", ()))]
        cited = dict.fromkeys(source.split(": ")[0] for source in sources)  # what they say stands behind the colon, and in JSON
        console.print(Text(say("source_line", lang, source="; ".join(cited)), "dim"))


def _long(seconds: float) -> str:
    """Seconds, in hours where there are many."""
    return f"{seconds / HOUR:,.1f} h" if seconds >= HOUR else duration(seconds)


def _goodput(payload: Payload, lang: str) -> str:
    found = payload["failures"]
    usd = payload["wall_cost_usd"]
    return say(
        "goodput_line", lang, share=percent(payload["goodput"]), expected=f"{found['expected']:,.1f}", mtbf=_long(found["mtbf_s"]),
        size=both(found["checkpoint_bytes"]), write=duration(found["checkpoint_s"]), interval=_long(found["interval_s"]),
        restart=duration(found["restart_s"]), checkpoints=percent(found["lost_to_checkpoints"]),
        failures=percent(found["lost_to_failures"]), days=payload["wall_days"],
        cost="" if usd is None else say("goodput_cost", lang, usd=f"${usd:,.0f}"),
    )  # fmt: skip


def _energy(payload: Payload, lang: str) -> str:
    found = payload["energy"]
    if found is None:
        return say("energy_unknown", lang, device=payload["device"])
    facts = {"watts": found["watts"], "pue": found["pue"], "grid": found["kg_per_kwh"]}
    return say("energy_line", lang, energy=f"{payload['energy_kwh'] / 1000:,.4g}", co2=f"{payload['co2_kg'] / 1000:,.4g}", **facts)
