"""Number formats for people: their table, the bits of one number, block formats."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from bursar.report.plot import BLUE, GREEN, GREY, ORANGE, Box, Mark, Note, Panel
from bursar.report.screen import screen, table_of
from bursar.report.words import say

Payload = dict[str, Any]
NAMES = {"exponent": "exponent_field", "mantissa": "mantissa_field", "value": "value_field", "index": "index_field"}
STYLES = {"sign": "red", "exponent": "green", "mantissa": "blue", "value": "blue", "index": "blue"}
COLOURS = {"sign": ORANGE, "exponent": GREEN, "mantissa": BLUE, "value": BLUE, "index": BLUE}


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb."""
    (_formats if verb == "formats" else _format)(payload, lang, screen())


def number(value: float | str | None, digits: int = 10) -> str:
    """A number to some digits."""
    return "–" if value is None else value if isinstance(value, str) else f"{value:.{digits}g}"


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.7g}"


def field(name: str, lang: str) -> str:
    return say(NAMES.get(name, name), lang)


def _formats(payload: Payload, lang: str, console: Console) -> None:
    heads = ("format", "bits", "fields", "bias", "largest", "min_normal", "min_subnormal", "eps", "finite_values")
    table = table_of("", *[say(key, lang) for key in heads])
    for row in payload["formats"]:
        fields = f"{row['sign']}+{row['exponent']}+{row['mantissa']}" if row["kind"] == "float" else ""
        limits = [_short(row[key]) for key in ("bias", "max", "min_normal", "min_subnormal", "eps")]
        table.add_row(row["name"], str(row["bits"]), fields, *limits, _short(row["finite"]))
    console.print(table)
    blocks = table_of(
        say("block_formats", lang),
        *[say(key, lang) for key in ("format", "bits_with_scale", "element", "block_size", "block_scale")],
    )
    for row in payload["blocks"]:
        blocks.add_row(row["name"], f"{row['bits']:.10g}", row["element"], _size(row), row["scale"])
    console.print(blocks)


def _format(payload: Payload, lang: str, console: Console) -> None:
    if payload["kind"] == "block":
        facts = {
            "bits": f"{payload['bits']:.10g}",
            "size": _size(payload),
            "element": payload["element"],
            "scale": payload["scale"],
        }
        console.print(Text.assemble((payload["name"], "bold"), "  ", say("block_line", lang, **facts)))
    else:
        limits = [
            f"{say(words, lang)} {number(payload[key])}"
            for key, words in (("max", "largest"), ("min_normal", "min_normal"), ("min_subnormal", "min_subnormal"), ("eps", "eps"))
            if payload[key] is not None
        ]
        bits = say("format_bits", lang, bits=payload["bits"])
        console.print(Text.assemble((payload["name"], "bold"), f"  {bits}  ", ", ".join(limits)))
        console.print(_picture(payload, lang))
        console.print(say("finite_line", lang, count=f"{payload['finite']:,}"))
    if "decoded" in payload:
        (_block if payload["kind"] == "block" else _value)(payload, lang, console)
    console.print(say("format_source", lang, title=payload["source"]), style="dim", markup=False)


def _size(payload: Payload) -> str:
    return " × ".join("–" if side is None else str(side) for side in payload["block"])


def _picture(payload: Payload, lang: str) -> Text:
    """The fields of a code, coloured, with their names and widths below."""
    bits = {part["name"]: part["bits"] for part in payload.get("fields", [])}
    above, below = Text(), Text()
    for part in payload["layout"]:
        cells = bits.get(part["name"], "·" * part["bits"])
        named = f"{field(part['name'], lang)} {part['bits']}"
        wide = max(len(cells), _columns(named))
        above.append(cells + " " * (wide - len(cells)) + "  ", STYLES[part["name"]])
        below.append(named + " " * (wide - _columns(named)) + "  ", "dim")
    return Text.assemble(above, "\n", below)


def _columns(text: str) -> int:
    """Columns of a terminal: a Chinese character takes two."""
    return sum(2 if ord(letter) >= 0x2E80 else 1 for letter in text)


def _value(payload: Payload, lang: str, console: Console) -> None:
    console.print(f"{payload['value']} → {payload['encoded']} = {payload['decoded']}", style="bold", markup=False)
    console.print(say("meaning", lang, formula=payload["formula"]), markup=False)
    if payload["error"] is None:
        return
    relative = payload["relative_error"]
    share = "" if relative is None else say("relative_to_value", lang, relative=number(relative, 3))
    console.print(say("error_line", lang, error=number(payload["error"])) + share, markup=False)
    if payload["below"] != payload["above"]:
        ends = {"below": payload["below"], "above": payload["above"]}
        chance = say("chance_above", lang, chance=f"{payload['chance_above']:.4g}")
        console.print(say("neighbours", lang, **ends, rounding=payload["rounding"]) + chance, markup=False)


def _block(payload: Payload, lang: str, console: Console) -> None:
    console.print(say("scale_line", lang, scale=payload["block_scale"]), markup=False)
    table = table_of(
        "", say("value", lang), say("encoded", lang), say("element", lang), say("decoded", lang), say("rounding_error", lang)
    )
    codes = payload["encoded"] or [""] * len(payload["values"])
    for value, code, element, decoded, error in zip(
        payload["values"], codes, payload["elements"], payload["decoded"], payload["error"], strict=True
    ):
        table.add_row(number(value), code, number(element), number(decoded), number(error))
    console.print(table)


def pictured(payload: Payload, lang: str) -> list[Panel]:
    """The bit fields of a format, with the bits of a number where one was given."""
    bits = {part["name"]: part["bits"] for part in payload.get("fields", [])}
    marks: list[Mark] = []
    place = 0
    for part in payload["layout"]:
        cells = bits.get(part["name"], " " * part["bits"])
        for offset, cell in enumerate(cells):
            marks.append(Box(place + offset, 0, 1, 1, cell.strip(), COLOURS[part["name"]] + "55"))
        marks.append(Note(place + (part["bits"] - 1) / 2, -1.1, f"{field(part['name'], lang)} {part['bits']}"))
        place += part["bits"]
    named = payload["name"]
    if "value" in payload:
        named += f": {payload['value']} → {payload['encoded']} = {payload['decoded']}"
    if "formula" in payload:
        marks.append(Note((place - 1) / 2, -2, payload["formula"]))
    return [Panel(named, marks, axes=False, height=2.4)]


def table_pictured(payload: Payload, lang: str) -> list[Panel]:
    """The bit fields of every format below each other."""
    marks: list[Mark] = []
    for row, found in enumerate(found for found in payload["formats"] if found["kind"] == "float"):
        place = 0
        for name in ("sign", "exponent", "mantissa"):
            marks += [Box(place + offset, -1.4 * row, 1, 1, "", COLOURS[name] + "55") for offset in range(found[name])]
            place += found[name]
        marks.append(Note(-1.2, -1.4 * row, found["name"], align="right"))
        marks.append(Note(place + 0.2, -1.4 * row, f"{found['sign']}+{found['exponent']}+{found['mantissa']}", GREY, "left"))
    return [Panel(say("fields", lang), marks, axes=False, height=5.5)]


DRAW = {"format": pictured, "formats": table_pictured}
