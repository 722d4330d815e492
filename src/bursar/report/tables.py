"""Tables for people. Each function draws the object of one verb; none computes a cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.report import running, search
from bursar.report.layout import layout
from bursar.report.units import both, duration, gib, percent, short, whole
from bursar.report.words import say

Payload = dict[str, Any]
PIPED_WIDTH = 120
NAMED = 8  # names of a list that a table shows


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb."""
    console = screen()
    DRAW[verb](payload, lang, console)
    if assumed := payload.get("assumed"):
        console.print(say("assumed", lang, family=assumed.rsplit(" ", 1)[-1]), style="bold", markup=False)


def screen() -> Console:
    """Standard output, of one width where it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def _table(title: str, *columns: str) -> Table:
    """A table whose first column holds names and the others numbers."""
    table = Table(title=Text(title), title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    return table


def _params(payload: Payload, lang: str, console: Console) -> None:
    table = _table(
        f"{payload['model']}: {whole(payload['total'])} {say('parameters', lang)}",
        *[say(k, lang) for k in ("part", "parameters", "share")],
    )
    for path, value in payload["components"].items():
        table.add_row(path, whole(value), percent(value / payload["total"]))
    table.add_section()
    for key in ("embedding", "head", "active", "total"):
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


def _heading(console: Console, name: str, *rest: str) -> None:
    """A model's name, which may be any path, and what follows it."""
    console.print(Text.assemble((name, "bold"), "  ", "  ".join(rest)))


def _source(payload: Payload, lang: str, console: Console) -> None:
    source = payload.get("source") or {}
    if source:
        figures = ", ".join(f"{key} {value}" for key, value in (payload.get("published") or {}).items() if key != "note")
        console.print(
            f"{say('source', lang)}: {source.get('title', '')}" + (f" ({say('published', lang)}: {figures})" if figures else ""),
            style="dim",
        )


def _flops(payload: Payload, lang: str, console: Console) -> None:
    table = _table(f"{payload['model']}: {payload['batch']} × {payload['seq']:,}", say("kind", lang), "FLOP", say("share", lang))
    for kind, value in payload["by_kind"].items():
        table.add_row(kind, whole(value), percent(value / payload["forward"]))
    table.add_section()
    for key in ("forward", "backward", "train", "forward_per_token", "train_per_token"):
        table.add_row(key.replace("_", " "), whole(payload[key]), f"{short(payload[key])}FLOP")
    console.print(table)
    console.print(payload["convention"], style="dim")


def _kv(payload: Payload, lang: str, console: Console) -> None:
    table = _table(f"{payload['model']}: KV, {payload['batch']} × {payload['seq']:,}, {payload['kv_dtype']}", say("kind", lang), "")
    table.add_row("elements per token", whole(payload["elements_per_token"]))
    table.add_row("bytes per token", whole(payload["bytes_per_token"]))
    table.add_row("bytes", f"{whole(payload['bytes'])} = {both(payload['bytes'])}")
    table.add_row("state bytes", whole(payload["state_bytes"]))
    console.print(table)


def _activations(payload: Payload, lang: str, console: Console) -> None:
    choices = ", ".join(payload[key] for key in ("kernels", "precision", "recompute"))
    title = f"{payload['model']}: {payload['micro_batch']} × {payload['seq']:,}, {choices}"
    table = _table(title, say("kind", lang), say("count", lang), say("layer_bytes", lang), say("total", lang))
    for layer in payload["layers"]:
        table.add_row(layer["kind"], whole(layer["count"]), whole(layer["bytes"]), whole(layer["count"] * layer["bytes"]))
    for key in ("shared", "embedding", "head", "loss"):
        table.add_row(say(key, lang), "", "", whole(payload[key]))
    table.add_row(say("total", lang), "", "", f"{whole(payload['total'])} = {both(payload['total'])}")
    console.print(table)
    tensors = _table("", "tensor", say("kind", lang), say("count", lang), "B")
    for entry in payload["entries"]:
        tensors.add_row(entry["path"], entry["kind"], whole(entry["count"]), whole(entry["bytes"]))
    console.print(tensors)


def _job_lines(payload: Payload, lang: str, console: Console) -> None:
    line = say("batch", lang, sequences=payload["global_batch"], seq=payload["seq"], tokens=payload["global_batch_tokens"])
    asked = payload.get("asked_tokens")
    if asked and asked != payload["global_batch_tokens"]:
        line += say("batch_rounded", lang, asked=asked)
    console.print(line)


def _stages(stages: list[Payload], lang: str) -> Table:
    """Memory by stage and category; categories that are zero everywhere are left out, equal stages shown once."""
    keys = [key for key in stages[0] if key == "peak" or any(stage[key] for stage in stages)]
    table = _table("GiB", say("stage", lang), *[say(key, lang) for key in keys])
    start = 0
    for index, stage in enumerate(stages):
        if index + 1 < len(stages) and stages[index + 1] == stage:
            continue
        table.add_row(str(index) if start == index else f"{start}–{index}", *[gib(stage[key]) for key in keys])
        start = index + 1
    return table


def _fit(peak: int, capacity: int | None, device: str | None, lang: str) -> str:
    if capacity is None:
        return f"{say('peak', lang)} {both(peak)}"
    facts = {"memory": both(capacity), "device": device, "free": both(capacity - peak), "missing": both(peak - capacity)}
    return say("fits" if peak <= capacity else "fits_not", lang, **facts)


def _memory(payload: Payload, lang: str, console: Console) -> None:
    plan = payload["plan"]
    _heading(console, payload["model"], layout(plan), f"{plan['precision']}, {plan['optimizer']}")
    _job_lines(payload, lang, console)
    console.print(_stages(payload["stages"], lang))
    console.print(_fit(payload["peak"], payload["device_memory"], payload["device"], lang), style="bold")
    if "managed" in payload:
        console.print(say("managed", lang, bytes=both(payload["managed"])))
    if "hosted" in payload:
        console.print(_on_the_host(payload, lang))
    if payload["certain"] is False:
        band = {key: both(value) for key, value in payload["peak_band"].items()}
        console.print(say("uncertain", lang, **band, memory=both(payload["device_memory"])), style="bold")
    console.print(say("runtime_note", lang), style="dim")
    console.print(_overheads(payload, lang), style="dim")
    worst = [stage["peak"] for stage in payload["stages"]].index(payload["peak"])
    console.print(say("peak_moment", lang, moment=payload["moments"][worst]["moment"]), style="dim")
    if "timeline" in payload:
        from bursar.report import chart

        console.print(say("timeline", lang, stage=payload["timeline_stage"]), style="bold")
        console.print(chart.terminal(payload["timeline"], lang), markup=False)
    if "what_if" in payload:
        console.print(_what_if(payload, lang))


def _overheads(payload: Payload, lang: str) -> str:
    """What is measured, NCCL's groups together, with the band of it all, and what the allocator reserves."""
    kinds: dict[str, int] = {}
    for one in payload["overheads"]:
        kind = one["name"].split(".")[0]
        kinds[kind] = kinds.get(kind, 0) + one["bytes"]
    low, high = (sum([one[end] for one in payload["overheads"]]) for end in ("low", "high"))
    reserved = payload["reserved"]
    return say(
        "overheads",
        lang,
        parts=say("comma", lang).join([f"{say(f'overhead_{kind}', lang)} {gib(value)} GiB" for kind, value in kinds.items()]),
        low=f"{gib(low)} GiB",
        high=f"{gib(high)} GiB",
        reserved=f"{gib(reserved['value'])} GiB",
        reserved_low=gib(reserved["low"]),
        reserved_high=f"{gib(reserved['high'])} GiB",
    )


def _on_the_host(payload: Payload, lang: str) -> str:
    """What the stage that has most on the host has there."""
    most = max(payload["hosted"], key=lambda stage: sum(stage.values()))
    parts = [f"{say(key, lang)} {both(value)}" for key, value in most.items() if value]
    return say("host_note", lang, parts=say("comma", lang).join(parts))


def _what_if(payload: Payload, lang: str) -> Table:
    columns = [say("change", lang), f"{say('peak', lang)} GiB", say("saved", lang), say("step", lang), say("why", lang)]
    table = _table(say("what_if", lang), *columns)
    for row in payload["what_if"]:
        if row["why_not"] is None:
            time = "" if row["slower_s"] is None else f"{row['slower_s']:+.3f} s"
            table.add_row(row["knob"], gib(row["peak"]), gib(row["saved"]), time, "")
        else:
            table.add_row(row["knob"], "", "", "", Text(row["why_not"]))
    return table


def _breakdown(payload: Payload, lang: str) -> Table:
    table = _table("", say("part", lang), "s", say("share", lang))
    for key, value in payload["breakdown_s"].items():
        if value:
            table.add_row(say(key, lang), f"{value:,.4f}", percent(value / payload["step_s"]))
    table.add_row(say("step", lang), f"{payload['step_s']:,.4f}", "")
    return table


def _time(payload: Payload, lang: str, console: Console) -> None:
    _heading(console, payload["model"], layout(payload["plan"]), f"{payload['devices']:,} × {payload['device']}")
    _job_lines(payload, lang, console)
    console.print(_breakdown(payload, lang))
    rates = f"{short(payload['tokens_per_s'])}tokens/s, {payload['model_tflops_per_device']:.1f} TFLOP/s per device"
    console.print(f"{rates}, MFU {percent(payload['mfu'])}, HFU {percent(payload['hfu'])}", style="bold")
    _run_line(payload, lang, console)
    running.lines(payload, lang, console)
    _notes(payload, lang, console)


def _notes(payload: Payload, lang: str, console: Console) -> None:
    low, high = payload["step_s_band"]
    step = payload["step_s"]
    facts = {"low": low / step, "high": high / step, "low_s": duration(low), "high_s": duration(high)}
    origin = payload["band_origin"]
    console.print(say("band" if origin == "uncalibrated" else f"band_{origin}", lang, **facts), style="dim")
    if "host_update_s_band" in payload:
        fastest, slowest = payload["host_update_s_band"]
        usual = payload["breakdown_s"]["optimizer"]
        console.print(say("host_band", lang, usual=duration(usual), low=duration(fastest), high=duration(slowest)), style="dim")
    console.print(say("mfu_note", lang, mask=payload["mask"], dtype=payload["peak_dtype"], device=payload["device"]), style="dim")


def _run_line(payload: Payload, lang: str, console: Console) -> None:
    if "days" not in payload:
        return
    cost = ""
    if payload["cost_usd"] is not None:
        price = payload["cost_usd"] / payload["device_hours"]
        cost = say("cost_note", lang, usd=f"${payload['cost_usd']:,.0f}", price=f"${price:.2f}")
    facts = {"tokens": payload["run_tokens"], "steps": payload["steps"], "days": payload["days"], "low": payload["days_low"]}
    console.print(say("run", lang, **facts, high=payload["days_high"], hours=payload["device_hours"], cost=cost), style="bold")


def _plan(payload: Payload, lang: str, console: Console) -> None:
    _heading(console, payload["model"], f"{payload['devices']:,} × {payload['device']}")
    _job_lines(payload, lang, console)
    search.counts(payload, lang, console)
    facts = {"searched": payload["searched"], "seconds": payload["seconds"], "feasible": payload["feasible"]}
    console.print(say("searched", lang, **facts, memory=both(payload["device_memory"]), device=payload["device"]))

    if not payload["best"]:
        _nothing_fits(payload, lang, console)
        search.beside(payload, lang, console)
        return
    _best(payload, lang, console)
    winner = {**payload["best"][0], "device": payload["device"]}
    console.print(_stages(winner["stages"], lang))
    console.print(_breakdown(winner, lang))
    search.beside(payload, lang, console)
    _run_line(winner, lang, console)
    running.lines(winner, lang, console)
    console.print(say("runtime_note", lang), style="dim")
    _notes(winner, lang, console)
    search.launch(payload, lang, console)


def _best(payload: Payload, lang: str, console: Console) -> None:
    table = _table("", "", *[say("step", lang), "MFU", f"{say('peak', lang)} GiB", say("days", lang), f"{say('cost', lang)} $"])
    for index, best in enumerate(payload["best"], 1):
        days = f"{best['days']:,.1f}" if "days" in best else ""
        cost = f"{best['cost_usd']:,.0f}" if best.get("cost_usd") is not None else ""
        table.add_row(f"{index}. {layout(best)}", f"{best['step_s']:.3f} s", percent(best["mfu"]), gib(best["peak"]), days, cost)
    console.print(table)
    for index, best in enumerate(payload["best"], 1):
        console.print(f"{index}. {best['why']}")


def _nothing_fits(payload: Payload, lang: str, console: Console) -> None:
    leanest, larger = payload["leanest"], payload["would_fit"]
    facts = {
        "layout": layout(leanest),
        "need": both(leanest["peak"]),
        "device": payload["device"],
        "memory": both(payload["device_memory"]),
    }
    console.print(say("none_fits", lang, **facts), style="bold")
    console.print(say("would_fit", lang, devices=larger["devices"], layout=layout(larger)) if larger else say("would_not", lang))


def _models(payload: Payload, lang: str, console: Console) -> None:
    table = _table("", *[say(key, lang) for key in ("model", "family", "total", "active", "published")])
    table.add_column(say("source", lang), justify="left", overflow="fold")
    for row in payload["models"]:
        figures = [whole(row["total"]), whole(row["active"]), row["published"].get("total", "")]
        table.add_row(row["model"], row["family"], *figures, Text(row["title"]))
    console.print(table)
    for row in payload["models"]:
        if row["note"]:
            console.print(Text.assemble((row["model"], "bold"), f" {say('note', lang)}: {row['note']}"))


def _devices(payload: Payload, lang: str, console: Console) -> None:
    table = _table(
        "", say("device", lang), "TFLOP/s bf16", "fp8", say("memory", lang), say("bandwidth", lang), say("link", lang), "alias"
    )

    def text(fact: Payload | None) -> str:
        return f"{fact['value']:g} {fact['unit']}" if fact else ""

    for row in payload["devices"]:
        peaks = [f"{row['peaks'][kind]['value']:g}" if kind in row["peaks"] else "" for kind in ("bf16", "fp8")]
        table.add_row(
            row["device"], *peaks, text(row["memory"]), text(row["memory_bandwidth"]), text(row["link"]), ", ".join(row["aliases"])
        )
    console.print(table)


def _optimizers(payload: Payload, lang: str, console: Console) -> None:
    table = _table("", *[say(key, lang) for key in ("kind", "state", "update")])
    for row in payload["optimizers"]:
        state = row["state_per_param"]
        table.add_row(row["name"], state if isinstance(state, str) else f"{state:.9g}", row["update"])
    console.print(table)


DRAW: Mapping[str, Callable[[Payload, str, Console], None]] = {
    "params": _params, "flops": _flops, "kv": _kv, "activations": _activations, "memory": _memory, "time": _time, "plan": _plan,
    "models": _models, "devices": _devices, "optimizers": _optimizers,
}  # fmt: skip
