"""The register replayed: every claimed number asked of bursar in process, the verdict on every statement, every convention."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bursar.register.asking import Line
    from bursar.register.replay import Replayed
    from bursar.register.statements import Convention, Statement

Options = dict[str, Any]
Payload = dict[str, Any]
FAILED = 2  # exit status where a number differs


def check(options: Options) -> Payload:
    """The register of published claims replayed: every number, and the verdict on every statement with its reason."""
    from bursar.register import replay
    from bursar.register.statements import conventions, statements

    lang, own = options["lang"], options["claims"]
    if options["measured"]:
        return _measured(lang)
    numbers = replay.claims(own) if own else replay.register()
    said, adopted = () if own else statements(), () if own else conventions()
    ids = [*[one.id for one in numbers], *[one.id for one in said], *[one.id for one in adopted]]
    wanted = replay.chosen(ids, options["only"])
    rows = list(replay.replay([number for number in numbers if number.id in wanted], ask))
    computed = {row.number.id: row for row in rows}
    groups = replay.counts(rows)
    failed = sum(group[replay.DIFFERS] + group[replay.REFUSED] for group in groups.values())
    return {
        "check": [
            *[_number(row, own or _cited(row.number.id, said, lang), lang) for row in rows],
            *[_statement(one, computed, lang) for one in said if one.id in wanted],
            *[_convention(one, computed, lang) for one in adopted if one.id in wanted],
        ],
        "groups": groups,
        "verdicts": _verdicts([one for one in said if one.id in wanted]),
        "failed": failed,
        "exit_status": FAILED if failed else 0,
    }


def _measured(lang: str) -> Payload:
    """The recorded measurements, each of their exact quantities predicted again."""
    from bursar.measure import records
    from bursar.measure.distributed import recording
    from bursar.register import replay
    from bursar.report.words import say

    rows = [
        {
            "id": ".".join([record["id"], *one.where.split(), one.quantity]),
            "what": say(f"record_{one.quantity}", lang) + (f" ({one.where})" if one.where else ""),
            "claimed": str(one.measured),
            "computed": str(one.predicted),
            "unit": "" if one.unit == "1" else one.unit,
            "verdict": replay.REPRODUCED if one.agrees else replay.DIFFERS,
            "asked": [],
            "source": f"{record['machine']['device']}, PyTorch {record['machine']['torch']}, {record['date']}",
        }
        for record in records.records()
        for one in (recording.replayed if recording.RANKS in record["measured"] else records.compared)(record)
    ]
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in replay.VERDICTS}
    failed = counts[replay.DIFFERS]
    return {
        "check": rows, "groups": {"measured": counts}, "verdicts": {}, "failed": failed, "exit_status": FAILED if failed else 0
    }  # fmt: skip


def ask(line: Line) -> Payload:
    """The JSON object that a command line prints, run in this process."""
    from bursar.cli import main

    out = StringIO()
    with redirect_stdout(out), redirect_stderr(StringIO()):
        main([*line, "--json"])
    found: Payload = json.loads(out.getvalue())
    return found


def _number(row: Replayed, source: str, lang: str) -> Payload:
    number = row.number
    return {
        "id": number.id,
        "what": number.what[lang],
        "claimed": number.shown,
        "computed": row.computed,
        "unit": number.unit,
        "verdict": row.verdict,
        **({"error": row.error} if row.error else {}),
        **({"needs": number.needs} if number.needs else {}),
        "asked": list(dict.fromkeys(" ".join(("bursar", *line)) for line, _ in number.asks.values())),
        "source": number.source or source,
    }


def _cited(name: str, said: tuple[Statement, ...], lang: str) -> str:
    """The statements that a number of the register stands behind."""
    from bursar.report.words import say

    return say("comma", lang).join([_place(one, lang) for one in said if name in one.numbers]) or say("check_register", lang)


def _place(one: Statement, lang: str) -> str:
    from bursar.report.words import say

    return say("check_place", lang, id=one.id, document=one.id[1], lines=one.lines)


def _statement(one: Statement, computed: dict[str, Replayed], lang: str) -> Payload:
    return {
        "id": one.id,
        "what": one.title[lang],
        "claimed": one.stated[lang],
        "computed": _values(one.numbers, computed),
        "verdict": one.verdict,
        "reason": one.reason[lang],
        "numbers": list(one.numbers),
        "answered_by": list(one.answered_by),
        "source": _place(one, lang),
    }


def _values(names: tuple[str, ...], computed: dict[str, Replayed]) -> dict[str, str | None]:
    """The values that a verdict rests on."""
    return {name: computed[name].computed for name in names if name in computed}


def _convention(one: Convention, computed: dict[str, Replayed], lang: str) -> Payload:
    from bursar.report.words import say

    return {
        "id": one.id,
        "what": one.question[lang],
        "claimed": one.positions[lang],
        "computed": _values(one.numbers, computed),
        "verdict": "ADOPTED",
        "convention": one.convention[lang],
        "reason": one.reason[lang],
        "numbers": list(one.numbers),
        "source": say("check_register", lang),
    }


def _verdicts(said: list[Statement]) -> dict[str, int]:
    from bursar.register.statements import VERDICTS

    return {verdict: sum(one.verdict == verdict for one in said) for verdict in VERDICTS} if said else {}
