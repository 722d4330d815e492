"""Derivations, for people: every step with its text, its equation and the numbers that were put in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from bursar.report.words import say


def derivations(payload: Mapping[str, Any], lang: str, console: Console) -> None:
    """Print derivations with their sources."""
    for derivation in payload["derivations"]:
        console.print(Text(derivation["name"], style="bold"))
        for number, step in enumerate(derivation["steps"], 1):
            values = f"   [{constants(step['values'])}]" if step["values"] else ""
            console.print(Text(f"{number}. {step['text']}\n     {step['formula']}{values}"))
        for title in dict.fromkeys([step["source"] for step in derivation["steps"]]):
            console.print(Text(say("source_line", lang, source=title), style="dim"))


def constants(values: Mapping[str, Any]) -> str:
    """Names with their numbers, those of forms inside forms too."""
    return ", ".join(
        f"{name} {value:.6g}" if isinstance(value, (int, float)) else f"{name}({constants(value)})"
        for name, value in values.items()
    )
