"""Help in both languages: verbs by section, options under headings, an example at the end.

English summaries are the docstrings of answers, Chinese ones are in `report/words/help.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from rich.table import Table
from rich.text import Text

from bursar.cli.verb import HEADINGS, Verb
from bursar.options import OPTIONS, switch
from bursar.options.option import Option
from bursar.report.screen import screen
from bursar.report.words import say
from bursar.report.words.help import SUMMARIES

MANY = 12  # options that stand together without headings
NUMBERS = ("int", "float")
_BRACKETS = re.compile(r" \([^()]*\)(?!\^)|（[^（）]*）")
Rows = Iterable[tuple[str, str]]


def of_program(sections: Mapping[str, Mapping[str, Verb]], lang: str) -> str:
    """The help of `bursar` itself."""
    named = {say(key, lang): verbs for key, verbs in sections.items()}
    listed = [(title, [(name, short((name,), verb, lang)) for name, verb in verbs.items()]) for title, verbs in named.items()]
    own = [("--version", say("help_version", lang)), *_common(lang)]
    return _page("VERB …", say("help_program", lang), [*listed, (say("help_options", lang), own)], say("help_more", lang), lang)


def of_group(path: tuple[str, ...], verb: Verb, lang: str) -> str:
    """The help of a group of verbs."""
    listed = [(name, short((*path, name), each, lang)) for name, each in (verb.verbs or {}).items()]
    parts = [("", listed), (say("help_options", lang), _common(lang))]
    return _page(f"{' '.join(path)} VERB …", summary(path, verb, lang), parts, verb.example, lang)


def of_verb(path: tuple[str, ...], of: Verb, lang: str) -> str:
    """The help of one verb."""
    own = {option.name: option for option in of.own}
    options = {name: own.get(name, OPTIONS[name]) for name in (*of.options, "lang")}
    headed = HEADINGS if len(options) > MANY else {}
    under = {name for names in headed.values() for name in names}
    groups = [("help_options", [name for name in options if name not in under])]
    groups += [(key, [name for name in names if name in options]) for key, names in headed.items()]
    parts = [(say(key, lang), [_row(options[name], lang) for name in names]) for key, names in groups if names]
    parts[-1][1].extend([("--json", say("help_json", lang)), ("--help", say("help_help", lang))])
    words = [word.upper() for word in of.arguments.split()]
    return _page(" ".join([*path, "[OPTIONS]", *words]), summary(path, of, lang), parts, of.example, lang)


def summary(path: tuple[str, ...], of: Verb, lang: str) -> str:
    """What a verb answers, in a sentence."""
    if lang == "zh" and (words := SUMMARIES.get(" ".join(path))):
        return words
    module: Any = import_module(of.answers)
    text = module.__doc__.splitlines()[0] if of.verbs else getattr(module, path[-1].replace("-", "_")).__doc__
    return " ".join(text.split())


def short(path: tuple[str, ...], of: Verb, lang: str) -> str:
    """The sentence without what stands in brackets or behind a semicolon."""
    text = re.split("; |；", _BRACKETS.sub("", summary(path, of, lang)))[0]
    return text if text.endswith((".", "。")) else text + ("。" if lang == "zh" else ".")


def _common(lang: str) -> list[tuple[str, str]]:
    return [_row(OPTIONS["lang"], lang), ("--help", say("help_help", lang))]


def _row(option: Option, lang: str) -> tuple[str, str]:
    """An option as it is given, and what it means, may be and is by default."""
    flag = option.name.replace("_", "-")
    text = option.meaning_zh if lang == "zh" else option.meaning
    if option.valid:
        text += say("help_valid", lang, names=", ".join(option.valid))
    if switch(option):
        return f"--{flag}, --no-{flag}", text
    if option.default:
        default = option.default
        text += say("help_default", lang, value=",".join(map(str, default)) if isinstance(default, tuple) else default)
    return f"--{flag} {metavar(option)}", text


def metavar(option: Option) -> str:
    """What stands for the value of an option."""
    number = option.read is not None and option.read is not str and option.read.__annotations__.get("return") in NUMBERS
    return "N" if number else "TEXT"


def _page(usage: str, about: str, parts: Iterable[tuple[str, Rows]], example: str, lang: str) -> str:
    console = screen()
    with console.capture() as page:
        console.print(Text(f"{say('help_usage', lang, usage=usage)}\n\n{about}\n\n  {example}"))
        for title, rows in parts:
            console.print(Text(f"\n{title}" if title else "", style="bold"))
            table = Table.grid(padding=(0, 2), pad_edge=True)
            table.add_column(no_wrap=True)
            table.add_column(overflow="fold")
            for left, right in rows:
                table.add_row(Text(left), Text(right))
            console.print(table)
    return "\n".join([line.rstrip() for line in page.get().splitlines()])
