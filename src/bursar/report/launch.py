"""What a launch prints: the file itself, or its audit."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from bursar.report.layout import layout
from bursar.report.screen import screen
from bursar.report.units import both, duration, percent, short, whole
from bursar.report.words import say

Payload = dict[str, Any]
STYLES = {"wrong": "bold red", "wasteful": "yellow", "note": "dim"}


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb."""
    (_file if verb == "launch" else _audit)(payload, lang)


def _file(payload: Payload, lang: str) -> None:
    """The file as it is, or where it was written; what it leaves to the user's script goes beside it."""
    if payload["out"] is None:
        print(payload["text"], end="")
        return
    console = screen()
    console.print(Text(say("launch_written", lang, out=payload["out"], framework=payload["framework"]), style="bold"))
    console.print(Text(layout(payload["plan"])))
    if payload["not_said"]:
        console.print(Text(say("launch_not_said", lang, fields=", ".join(payload["not_said"])), style="dim"))


def _audit(payload: Payload, lang: str) -> None:
    console = screen()
    facts = {"framework": payload["framework"], "model": payload["model"], "params": short(payload["params"]).strip()}
    numbers = {"devices": whole(payload["devices"]), "seq": whole(payload["seq"]), "batch": whole(payload["global_batch"])}
    console.print(Text(say("launch_title", lang, **facts), style="bold"))
    console.print(Text(say("launch_job", lang, plan=layout(payload["plan"]), **numbers)))
    _predicted(payload, lang, console)
    for finding in payload["findings"]:
        kind = say(f"launch_kind_{finding['kind']}", lang)
        console.print(Text(f"{kind} {_sentence(finding, lang)}", style=STYLES[finding["kind"]]))
    if not payload["findings"]:
        console.print(Text(say("launch_clean", lang), style="green"))
    if payload["not_read"]:
        console.print(Text(say("launch_not_read", lang, keys=", ".join(payload["not_read"])), style="dim"))


def _predicted(payload: Payload, lang: str, console: Console) -> None:
    if "peak" not in payload:
        return
    console.print(Text(say("launch_peak", lang, peak=both(payload["peak"]))))
    if "step_s" in payload:
        low, high = payload["step_s_band"]
        times = {"step": duration(payload["step_s"]), "low": duration(low), "high": duration(high), "mfu": percent(payload["mfu"])}
        console.print(Text(say("launch_time", lang, tokens=short(payload["tokens_per_s"]).strip(), **times)))


def _sentence(finding: Payload, lang: str) -> str:
    """A finding in words; seconds and bytes as people read them."""
    return say(
        finding["key"], lang, **{name: _value(name, value) for name, value in finding.items() if name not in ("kind", "key")}
    )


def _value(name: str, value: Any) -> Any:
    if name.endswith("_bytes"):
        return ("−" if value < 0 else "") + both(abs(value))
    if name.endswith("_s"):
        return ("−" if value < 0 else "") + duration(abs(value))
    if name in ("share", "faster"):
        return percent(value)
    return whole(value) if isinstance(value, int) else value
