"""Derivations for people: text for a terminal, Markdown, LaTeX. Each draws the object of `bursar explain` and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.text import Text

from bursar.report.screen import screen
from bursar.report.words import say

Payload = dict[str, Any]


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print a derivation in its form."""
    console = screen()
    for line in STYLES[payload["as"]](payload, lang):
        console.print(line, soft_wrap=True, markup=False)


def _sources(payload: Payload) -> dict[str, str]:
    """Every source of a derivation with its address, in order; with its section where one is named."""
    found = _cited(payload)
    return {title: url for title, url in found.items() if not any(other.startswith(f"{title}, ") for other in found)}


def _cited(step: Payload) -> dict[str, str]:
    found = {step["source"]: step["url"]}
    for part in (*step["steps"], *step.get("beside", ())):
        found |= {title: url for title, url in _cited(part).items() if title not in found}
    return found


def _about(step: Payload, lang: str) -> str:
    """The title of a step, and the path that it is at."""
    return step["title"] if step["title"] == step["path"] else say("explain_about", lang, path=step["path"], title=step["title"])


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _text(payload: Payload, lang: str) -> Iterator[Text]:
    yield Text(_about(payload, lang), style="bold")
    for assumption in payload["assumptions"]:
        yield Text(say("explain_assumed", lang, what=assumption), style="dim")
    for name, letter in payload["letters"].items():
        meaning = f"  {letter['meaning']}" if letter["meaning"] else ""
        yield Text(f"  {name} = {_number(letter['value'])}{meaning}", style="dim")
    for step in payload["beside"]:
        yield Text("")
        yield from _section(step, lang, 0)
    yield Text("")
    yield from _terms(payload, lang, 0)
    yield Text("")
    for title, url in _sources(payload).items():
        yield Text(say("explain_source", lang, what=f"{title} {url}".rstrip()), style="dim")
    yield from _result(payload, lang, 0)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _section(step: Payload, lang: str, depth: int) -> Iterator[Text]:
    """A step with its own steps: a heading, its terms, and their sum."""
    reason = f"  {step['reason']}" if step["reason"] else ""
    yield Text.assemble("  " * depth, (_about(step, lang), "bold"), reason)
    yield from _terms(step, lang, depth + 1)
    yield from _result(step, lang, depth + 1)


def _equals(step: Payload) -> str:
    """A formula and its numbers; an equation with the numbers of its letters."""
    if " = " not in step["formula"]:
        return f"{step['text']} = {step['substitution']}"
    return f"{step['text']}  [{step['substitution']}]" if step["substitution"] else str(step["text"])


def _terms(step: Payload, lang: str, depth: int) -> Iterator[Text]:
    for part in step["steps"]:
        if part["steps"]:
            yield from _section(part, lang, depth)
        else:
            reason = f"  {part['reason']}" if part["reason"] else ""
            yield Text.assemble("  " * depth, (_about(part, lang), "cyan"), f"  {_equals(part)}", (reason, "italic"))


def _result(step: Payload, lang: str, depth: int) -> Iterator[Text]:
    """The formula of a step, grouped where that says more, and its numbers."""
    space = "  " * depth
    if " = " in step["formula"]:
        yield Text(space + _equals(step), style="bold")
        return
    if step["closed_form"]:
        meant = ", ".join(f"{name} = {text}" for name, text in step.get("definitions", {}).items())
        yield Text(f"{space}= {step['closed_form']}" + (say("explain_meant", lang, what=meant) if meant else ""))
    yield Text(f"{space}= {step['text']}")
    yield Text(f"{space}= {step['substitution']}", style="bold")


# ── Markdown ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _markdown(payload: Payload, lang: str) -> Iterator[str]:
    yield from _chapter(payload, lang, 1)
    for step in payload["beside"]:
        yield from _chapter(step, lang, 2)
    yield from (f"- {title} {f'<{url}>' if url else ''}".rstrip() for title, url in _sources(payload).items())


def _chapter(step: Payload, lang: str, level: int) -> Iterator[str]:
    """A heading, the displayed formula, a table of its terms, and the steps that have steps of their own."""
    yield f"{'#' * min(level, 6)} {_about(step, lang)}\n"
    yield from (f"*{assumption}*\n" for assumption in step["assumptions"])
    if step["reason"]:
        yield f"{step['reason']}\n"
    yield f"$$\n{step['latex']}\n$$\n"
    yield f"{step['substitution']}\n"
    plain = [part for part in step["steps"] if not part["steps"]]
    if plain:
        yield f"| {say('part', lang)} | {say('explain_formula', lang)} | {say('explain_numbers', lang)} | {say('why', lang)} |"
        yield "|---|---|---|---|"
        for part in plain:
            yield f"| `{part['path']}` | ${part['latex']}$ | {part['substitution']} | {part['reason'] or part['title']} |"
        yield ""
    for part in step["steps"]:
        if part["steps"]:
            yield from _chapter(part, lang, level + 1)


# ── LaTeX ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

ESCAPES = {ord(sign): f"\\{sign}" for sign in "&%$#_{}"} | {ord("\\"): r"\textbackslash{}", ord("^"): r"\^{}", ord("~"): r"\~{}"}
HEADINGS = ("section", "subsection", "subsubsection", "paragraph", "subparagraph")


def _plain(text: str) -> str:
    return text.translate(ESCAPES)


def _latex(payload: Payload, lang: str) -> Iterator[str]:
    """The body of a document that has amsmath, in an encoding that has its letters (XeLaTeX, LuaLaTeX)."""
    yield from _displayed(payload, lang, 0)
    for step in payload["beside"]:
        yield from _displayed(step, lang, 1)
    yield r"\begin{itemize}"
    yield from (rf"\item {_plain(title)} {_plain(url)}".rstrip() for title, url in _sources(payload).items())
    yield r"\end{itemize}"


def _displayed(step: Payload, lang: str, level: int) -> Iterator[str]:
    yield rf"\{HEADINGS[min(level, len(HEADINGS) - 1)]}*{{{_plain(_about(step, lang))}}}"
    yield from (rf"\emph{{{_plain(assumption)}}}\par" for assumption in step["assumptions"])
    if step["reason"]:
        yield _plain(step["reason"]) + r"\par"
    yield rf"\[ {step['latex']} \]"
    yield _plain(step["substitution"]) + r"\par"
    plain = [part for part in step["steps"] if not part["steps"]]
    if plain:
        yield r"\begin{itemize}"
        for part in plain:
            said = part["reason"] or part["title"]
            yield rf"\item \texttt{{{_plain(part['path'])}}}: ${part['latex']}$ = {_plain(part['substitution'])}. {_plain(said)}"
        yield r"\end{itemize}"
    for part in step["steps"]:
        if part["steps"]:
            yield from _displayed(part, lang, level + 1)


STYLES: Mapping[str, Callable[[Payload, str], Iterator[Any]]] = {"text": _text, "markdown": _markdown, "latex": _latex}
