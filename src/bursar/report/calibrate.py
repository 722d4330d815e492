"""Tables of a calibration and of a measurement."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from bursar.report.screen import screen, table_of
from bursar.report.units import duration, percent
from bursar.report.words import say

Payload = dict[str, Any]
MOST = 20  # runs that a table shows


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of the verb."""
    (_measured if "toml" in payload else _fitted)(payload, lang, screen())


def _signed(error: float) -> str:
    return f"{100 * error:+.1f} %"


def _fitted(payload: Payload, lang: str, console: Console) -> None:
    title = say("calibrate_title", lang, runs=len(payload["runs"]), jobs=payload["jobs"], device=payload["device"])
    console.print(Text(title, style="bold"))
    if log := payload.get("log"):
        facts = {**log, "format": payload["format"], "scatter": percent(log["scatter"])}
        console.print(Text(say("calibrate_log_mean" if log["mean"] else "calibrate_log", lang, **facts)))
    keys = ("run", "measured", "predicted", "off", "calibrated", "off", "alone")
    table = table_of("", *[say(f"calibrate_{key}", lang) for key in keys])
    for row in payload["runs"][:MOST]:
        alone = "" if row["left_out"] is None else _signed(1 / row["left_out"] - 1)
        table.add_row(
            Text(row["name"]), duration(row["measured_s"]), duration(row["predicted_s"]), _signed(1 / row["before"] - 1),
            duration(row["calibrated_s"]), _signed(1 / row["after"] - 1), alone,
        )  # fmt: skip
    if len(payload["runs"]) > MOST:
        table.add_row("…", *[""] * (len(keys) - 1))
    console.print(table)
    found = table_of("", "", say("calibrate_multiplier", lang), say("calibrate_settled", lang))
    for name, value in payload["multipliers"].items():
        found.add_row(say(f"calibrate_{name}", lang), f"{value:.3f}", percent(payload["settled"][name]))
    console.print(found)
    console.print(_errors(payload["errors"], lang), style="bold")
    low, high = payload["band"]
    console.print(say("calibrate_band", lang, low=low, high=high))
    console.print(say("calibrate_prior", lang, prior=payload["prior"]), style="dim")
    if payload["out"]:
        console.print(Text(say("calibrate_written", lang, file=payload["out"])))


def _errors(errors: Payload, lang: str) -> str:
    alone = errors["left_out"]
    if alone is None:
        said = say("calibrate_one_job", lang)
    else:
        said = say(
            "calibrate_left_out", lang, mean=percent(alone["mean"]), bias=_signed(alone["bias"]), worst=_signed(alone["worst"])
        )
    return say(
        "calibrate_errors", lang, before=percent(errors["before"]["mean"]), after=percent(errors["after"]["mean"]), left_out=said
    )


def _measured(payload: Payload, lang: str, console: Console) -> None:
    title = say("microbench_title", lang, **{key: payload[key] for key in ("name", "date", "software")})
    console.print(Text(title, style="bold"))
    table = table_of("", say("microbench_what", lang), say("microbench_value", lang), "")
    for key, fact in payload["facts"].items():
        table.add_row(key, f"{fact['value']:.4g} {fact['unit']}", Text(fact["note"]))
    console.print(table)
    if payload["device_file"]:
        console.print(Text(say("microbench_written", lang, file=payload["device_file"])))
    else:
        console.print(payload["toml"], markup=False)
