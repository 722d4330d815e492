"""What a model has, for people: parameters, FLOPs, caches, activations. No cost is computed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from bursar.report.screen import assumption, screen, table_of
from bursar.report.units import both, percent, short, whole
from bursar.report.words import say

Payload = dict[str, Any]
NAMED = 8  # names of a list that a table shows


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb."""
    console = screen()
    DRAW[verb](payload, lang, console)
    assumption(payload, lang, console)


def _params(payload: Payload, lang: str, console: Console) -> None:
    table = table_of(
        say("params_title", lang, model=payload["model"], total=payload["total"]),
        *[say(k, lang) for k in ("part", "parameters", "share")],
    )
    for path, value in payload["components"].items():
        table.add_row(path, whole(value), percent(value / payload["total"]))
    table.add_section()
    for key in [key for key in ("embedding", "head", "active", "total") if key not in payload["components"]]:
        table.add_row(say(key, lang), whole(payload[key]), percent(payload[key] / payload["total"]))
    console.print(table)
    _checkpoint(payload, lang, console)
    _source(payload, lang, console)


def _checkpoint(payload: Payload, lang: str, console: Console) -> None:
    """What a checkpoint holds, and the first names of what differs; JSON has all of them."""
    stored = payload.get("checkpoint")
    if not stored:
        return
    counts = {key: whole(value) for key, value in stored.items()}
    console.print(say("checkpoint", lang, **counts, difference=f"{payload['difference']:+,}"), style="bold", markup=False)
    console.print(say(f"reconciled_{payload['reconciled']}", lang), style="dim")
    for key in ("missing", "extra", "shapes"):
        found = payload[key]
        if found:
            named = ", ".join(found[:NAMED]) + (" …" if len(found) > NAMED else "")
            console.print(Text(f"{say(key, lang)} {len(found):,}: {_printable(named)}"))


def _printable(text: str) -> str:
    """A name from a file without control characters, on one line."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _source(payload: Payload, lang: str, console: Console) -> None:
    source = payload.get("source") or {}
    if source:
        figures = ", ".join(f"{key} {value}" for key, value in (payload.get("published") or {}).items() if key != "note")
        facts = {"source": source.get("title", ""), "figures": figures}
        console.print(Text(say("published_line" if figures else "source_line", lang, **facts), style="dim"))


def _flops(payload: Payload, lang: str, console: Console) -> None:
    table = table_of(f"{payload['model']}: {payload['batch']} × {payload['seq']:,}", say("kind", lang), "FLOP", say("share", lang))
    for kind, value in payload["by_kind"].items():
        table.add_row(kind, whole(value), percent(value / payload["forward"]))
    table.add_section()
    for key in ("forward", "backward", "train", "forward_per_token", "train_per_token"):
        table.add_row(say(f"flops_{key}", lang), whole(payload[key]), f"{short(payload[key])}FLOP")
    console.print(table)
    console.print(say("flops_convention", lang, mask=say(f"mask_{payload['mask']}", lang)), style="dim")


def _kv(payload: Payload, lang: str, console: Console) -> None:
    table = table_of(
        f"{payload['model']}: KV, {payload['batch']} × {payload['seq']:,}, {payload['kv_dtype']}", say("kind", lang), ""
    )
    for key in ("elements_per_token", "bytes_per_token", "bytes", "state_bytes"):
        table.add_row(say(f"kv_{key}", lang), whole(payload[key]) + (f" = {both(payload[key])}" if key == "bytes" else ""))
    console.print(table)


def _activations(payload: Payload, lang: str, console: Console) -> None:
    choices = ", ".join(payload[key] for key in ("kernels", "precision", "recompute"))
    title = f"{payload['model']}: {payload['micro_batch']} × {payload['seq']:,}, {choices}"
    table = table_of(title, say("kind", lang), say("count", lang), say("layer_bytes", lang), say("total", lang))
    for layer in payload["layers"]:
        table.add_row(layer["kind"], whole(layer["count"]), whole(layer["bytes"]), whole(layer["count"] * layer["bytes"]))
    for key in ("shared", "embedding", "head", "loss"):
        table.add_row(say(key, lang), "", "", whole(payload[key]))
    table.add_row(say("total", lang), "", "", f"{whole(payload['total'])} = {both(payload['total'])}")
    console.print(table)
    tensors = table_of("", "tensor", say("kind", lang), say("count", lang), "B")
    for entry in payload["entries"]:
        tensors.add_row(entry["path"], entry["kind"], whole(entry["count"]), whole(entry["bytes"]))
    console.print(tensors)


DRAW: Mapping[str, Callable[[Payload, str, Console], None]] = {
    "params": _params, "flops": _flops, "kv": _kv, "activations": _activations,
}  # fmt: skip
