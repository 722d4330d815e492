"""What the verbs that measure print: tables of the objects that they answer."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar import own
from bursar.report.screen import screen
from bursar.report.units import percent, whole
from bursar.report.words import say

Payload = dict[str, Any]
LEVELS = 3  # of modules, where no depth is asked for


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb, and write it as HTML where a file was named."""
    {"trace": trace, "verify": verify}[verb](payload, lang, screen())
    if payload.get("html"):
        own.write(payload["html"], page(payload, lang), "html")


def trace(payload: Payload, lang: str, console: Console) -> None:
    """The tree of modules with shares, what was saved, what is not known."""
    console.print(Text(say("trace_title", lang, module=payload["module"], device=payload["device"]), style="bold"))
    console.print(_tree(payload, lang))
    if payload["again_flops"]:
        console.print(say("trace_again", lang, flops=whole(payload["again_flops"])))
    for way, found in payload["peaks"].items():
        told = {name: whole(found[name]["bytes"]) for name in ("all", "temporary")}
        peak = found["temporary"]
        console.print(say(f"trace_{way}_peak", lang, **told, operator=peak["operator"], module=peak["module"]), markup=False)
    console.print(say("trace_convention", lang, macs=whole(payload["forward_macs"])), style="dim")
    for name, state in payload.get("optimizer_states", {}).items():
        facts = {key: whole(value) for key, value in state.items()}
        console.print(say("trace_state", lang, name=name, **facts), markup=False)
    for row in payload.get("values", []):
        console.print(say("trace_values", lang, **row), markup=False)
    _unknown(payload, lang, console)


def verify(payload: Payload, lang: str, console: Console) -> None:
    """Both sides and their differences, the causes, what is not compared, and the verdict."""
    facts = {key: payload[key] for key in ("model", "batch", "seq", "kernels")}
    console.print(Text(say("verify_title", lang, **facts), style="bold"))
    table = Table(box=None, pad_edge=False)
    table.add_column(say("verify_quantity", lang))
    for key in ("predicted", "measured", "difference"):
        table.add_column(say(f"verify_{key}", lang), justify="right")
    for name, difference in payload["difference"].items():
        sides = [whole(payload[side][name]) if payload[side][name] is not None else "-" for side in ("predicted", "measured")]
        table.add_row(say(f"verify_{name}", lang), *sides, f"{difference:+,}" if difference else "=" if difference == 0 else "-")
    console.print(table)
    for row in payload["causes"]:
        told = {"quantity": say(f"verify_{row['quantity']}", lang), "reason": say(row["cause"], lang)}
        console.print(say("verify_cause", lang, difference=row["difference"], **told), markup=False)
    for row in payload["missing"]:
        told = {"quantity": say(f"verify_{row['quantity']}", lang), "reason": say(row["cause"], lang)}
        console.print(say("verify_missing", lang, **told), style="dim", markup=False)
    _unknown(payload, lang, console)
    names = ", ".join(f"{say(f'verify_{name}', lang)} {value:+,}" for name, value in payload["unexplained"].items())
    verdict = "verify_unexplained" if names else "verify_explained" if payload["causes"] else "verify_exact"
    console.print(say(verdict, lang, names=names), style="bold", markup=False)


def _unknown(payload: Payload, lang: str, console: Console) -> None:
    if payload["unknown_ops"]:
        names = ", ".join(f"{item['op']} ({item['calls']})" for item in payload["unknown_ops"])
        console.print(say("trace_unknown", lang, names=names), style="bold", markup=False)


def _tree(payload: Payload, lang: str) -> Table:
    total, depth = payload["measured"], LEVELS if payload["depth"] is None else payload["depth"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(say("trace_module", lang), overflow="fold")
    for key in ("parameters", "trace_forward", "share", "trace_backward", "trace_saved", "share"):
        table.add_column(say(key, lang), justify="right")
    for part in payload["modules"]:
        if part["depth"] <= depth:
            name = part["path"] if part["path"] == "." else "  " * part["depth"] + part["path"].rsplit(".", 1)[-1]
            flops, saved = _share(part["forward"], total["forward_flops"]), _share(part["saved"], total["saved_bytes"])
            cells = [whole(part["params"]), whole(part["forward"]), flops, whole(part["backward"]), whole(part["saved"]), saved]
            table.add_row(Text(f"{name}: {part['kind']}"), *cells)
    return table


def _share(value: int, total: int) -> str:
    return percent(value / total) if total else ""


def page(payload: Payload, lang: str) -> str:
    """A trace as an HTML page."""
    from io import StringIO

    console = Console(record=True, width=160, file=StringIO(), highlight=False)
    trace(payload, lang, console)
    return console.export_html()
