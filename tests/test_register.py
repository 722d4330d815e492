"""Proves that the register of claims replays: every number that is built comes out of bursar's own answers to the digits claimed,
a wrong claim is reported as one, a claim can ask nothing but what reads packaged data, and what it prints is complete.

Where the register's text is at hand, the data are held against it: the same ids and digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from bursar.cli import main
from bursar.cli.check import ask
from bursar.cli.table import VERBS
from bursar.errors import BursarError
from bursar.options import OPTIONS, switch
from bursar.register import arithmetic, asking, digits, replay
from bursar.register.replay import DIFFERS, NOT_BUILT, NOT_MEASURED, REFUSED, REPRODUCED
from bursar.register.statements import conventions, statements

TEXT = Path(__file__).parents[2] / "shared" / "seed-register.md"
NUMBERS = replay.register()
IDS = [number.id for number in NUMBERS]


# ── the replay ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def replayed() -> dict[str, replay.Replayed]:
    return {row.number.id: row for row in replay.replay(NUMBERS, ask)}


@pytest.mark.parametrize("name", IDS)
def test_a_number_is_reproduced(name: str, replayed: dict[str, replay.Replayed]) -> None:
    row = replayed[name]
    if row.number.needs:
        assert (row.computed, row.verdict) == (None, NOT_BUILT)
    elif row.verdict == NOT_MEASURED:
        pytest.skip("PyTorch is not installed")
    else:
        assert (row.verdict, row.error) == (REPRODUCED, "")
        assert row.computed == row.number.shown


def test_what_waits_for_a_verb_waits_for_one_that_is_not_there() -> None:
    assert not {number.needs for number in NUMBERS} & set(VERBS)


def test_the_report_and_its_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {row["id"]: row for row in found["check"]}
    assert len(rows) == len(NUMBERS) + 251 + 32
    assert all({"id", "claimed", "computed", "verdict", "source"} <= set(row) for row in found["check"])
    assert rows["N4.20"]["computed"] == "6,138" and rows["N4.20"]["asked"][0].startswith("bursar run --params 70B")
    assert rows["S1-11"]["computed"] == {"N4.09": "0.0828283"} and rows["S1-11"]["reason"]
    assert found["failed"] == 0 and sum(found["verdicts"].values()) == 251


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_prints_every_number_and_every_reason(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--lang", lang]) == 0
    printed = re.sub(r"\s", "", capsys.readouterr().out)
    assert all(name in printed for name in IDS)
    assert all(re.sub(r"\s", "", one.reason[lang]) in printed for one in (*statements(), *conventions()))


def test_only_some(capsys: pytest.CaptureFixture[str]) -> None:
    def ids(only: str) -> set[str]:
        assert main(["check", "--json", "--only", only]) == 0
        return {row["id"] for row in json.loads(capsys.readouterr().out)["check"]}

    assert ids("N4.01,s1-11") == {"N4.01", "S1-11"}
    assert ids("N1") == {name for name in IDS if name.startswith("N1.")}  # and not N11, N12
    assert main(["check", "--only", "N99"]) == 2


# ── claims of one's own ──────────────────────────────────────────────────────────────────────────────────────────────────

CLAIM = """
[[number]]
id = "mine"
what = "Llama-3-8B has eight billion parameters"
shown = "{shown}"
ask = "{ask}"
read = "{read}"
"""


NAMED = """
[[number]]
id = "a"
shown = "1"
value = "VALUE"
values.a = { ask = "params gpt2", read = "total" }
"""


def claims(folder: Path, text: str) -> str:
    file = folder / "claims.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def of(shown: str = "8,030,261,248", ask: str = "params llama-3-8b", read: str = "total") -> str:
    return CLAIM.format(shown=shown, ask=ask, read=read)


@pytest.mark.parametrize(
    ("shown", "computed", "verdict"),
    [
        ("8,030,261,248", "8,030,261,248", REPRODUCED),
        ("8.03e9", "8.03e+09", REPRODUCED),
        ("8e9", "8e+09", REPRODUCED),
        ("8,030,261,249", "8,030,261,248", DIFFERS),
        ("7e9", "8e+09", DIFFERS),
        ("8 and 9", None, REFUSED),  # one value for two numbers
    ],
)
def test_a_claim_is_compared_at_its_digits(
    shown: str, computed: str, verdict: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["check", "--json", "--claims", claims(tmp_path, of(shown))])
    (row,) = json.loads(capsys.readouterr().out)["check"]
    assert (row["computed"], row["verdict"]) == (computed, verdict)
    assert status == (0 if verdict == REPRODUCED else 2)


def test_a_claim_is_printed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Square brackets are no markup of ours, wherever they stand."""
    text = of().replace('"mine"', '"[/b]"').replace("Llama-3-8B has", "[link=x][/red]").replace("8,030,261,248", "8 [/b]")
    assert main(["check", "--claims", claims(tmp_path, text)]) == 2
    assert capsys.readouterr().out.count("[/b]") == 3  # the id, what is claimed, what is computed in its place


def test_a_wrong_claim_prints_what_was_computed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--claims", claims(tmp_path, of("7,000,000,000"))]) == 2
    printed = capsys.readouterr().out
    assert "differs" in printed and "8,030,261,248" in printed and "bursar params llama-3-8b" in printed


@pytest.mark.parametrize(
    "command",
    [
        "params -", "params ./config.json", "params /etc/passwd", "params org/model", "params tests", "params ../../x",
        "params llama-3-8b --checkpoint /etc/passwd", "params llama-3-8b --checkpoint=/etc/passwd",
        "memory llama-3-8b --chart x.svg", "memory llama-3-8b --chart=x.svg", "run /etc/passwd --tokens 1T",
        "scaling fit runs.csv", "trace os:getcwd", "trace bursar.measure.examples", "trace x.py:make",
        "trace bursar.measure.examples:mlp --html x.html", "explain params ./config.json", "explain ./config.json", "check",
        "plan llama-3-8b", "rm -rf /", "", "params llama-3-8b; ls", "params llama-3-8b --no-such-option 3",
        "params llama-3-8b --json", "params llama-3-8b --lora-targets ../x", "params 'llama-3-8b",
        "scaling loss ./config.json --tokens 1B", "kv llama-3-8b --seq $(ls)",
    ],
)  # fmt: skip
def test_a_claim_reads_no_file_and_writes_none(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(tmp_path.iterdir())
    text = json.dumps(command)
    assert main(["check", "--claims", claims(tmp_path, of().replace('"params llama-3-8b"', text))]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("bursar: ") and err.count("\n") <= 2
    assert sorted(tmp_path.iterdir()) == [*before, tmp_path / "claims.toml"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (of() + 'colour = "red"', "colour"),
        (of().replace("shown", "show"), "show"),
        (of() + of(), "'mine' twice"),
        ("number = 3", "list of numbers"),
        ("[[number]\n", "not valid TOML"),
        ("x = " + "[\n" * 50_000, "nested too deeply"),
        (f"x.{'.'.join(['a'] * 50_000)} = 1", "a line that is too long"),
        ("", "list of numbers"),
        (of().replace('read = "total"', ""), "read"),
        (of().replace('ask = "params llama-3-8b"\n', "").replace('read = "total"', ""), "one of ask, values, needs"),
        (of().replace('read = "total"', 'value = "a"'), "value"),
        (of().replace('id = "mine"', "id = 3"), "id"),
        (of().replace('what = "Llama', 'what = { en = "a" }\nsource = "Llama'), "what"),
        (NAMED.replace("VALUE", "__import__('os')"), "arithmetic"),
        (NAMED.replace("VALUE", "b"), "names b"),
    ],
)  # fmt: skip
def test_a_file_that_breaks_the_format_is_refused(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--claims", claims(tmp_path, text)]) == 2
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err and err.count("\n") <= 2


@pytest.mark.parametrize("place", ["no/such/file.toml", "/", "\0", "x" * 5000])
def test_a_file_that_is_none_is_refused(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--claims", place]) == 2
    assert "internal error" not in capsys.readouterr().err


def test_what_an_answer_does_not_hold_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for read in ("totals", "layers[7].params", "layers[kind=none].params", "total.x", "layers..x", "#total", 'a"b'):
        assert main(["check", "--json", "--claims", claims(tmp_path, of(read=read.replace('"', '\\"')))]) == 2
        (row,) = json.loads(capsys.readouterr().out)["check"]
        assert row["verdict"] == REFUSED and row["error"]


def test_what_claims_may_ask_is_there() -> None:
    """Verbs of the command line, with a MODEL where theirs is one; option texts that are options; no option that names a file."""
    for verb, kind in asking.VERBS.items():
        group, _, name = verb.partition(" ")
        found = (VERBS[group].verbs or {})[name] if name else VERBS[group]
        takes_model = "model" in found.arguments
        assert takes_model == (kind in (asking.MODEL, asking.OF_MODEL)), verb
    assert set(asking.TEXTS) <= set(OPTIONS)
    for option in OPTIONS.values():
        if "file" in option.meaning.split() and not switch(option) and not option.valid:
            assert option.read not in asking.READS and option.name not in asking.TEXTS, option.name


# ── its parts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0x2E66 = 0.0999755859375", ["0x2E66", "0.0999755859375"]),
        ("-128..127 and -8..7", ["-128", "127", "-8", "7"]),
        ("[[35, 44], [44, 56]]", ["35", "44", "44", "56"]),
        ("10922.67 -> 11,008", ["10922.67", "11,008"]),
        ("0.25 (2,181)", ["0.25", "2,181"]),
        ("80, 70.1754%", ["80", "70.1754"]),
        ("6.568520 (t=12)", ["6.568520", "12"]),
        ("1, 3, 7, 15, 127", ["1", "3", "7", "15", "127"]),
        ("9.859982e-04 and 1.01714e+06 tokens", ["9.859982e-04", "1.01714e+06"]),
        ("34*25,165,824 + 5*402,653,184", ["34", "25,165,824", "5", "402,653,184"]),
        ("max 65504.0, min 6.1e-05", ["65504.0", "6.1e-05"]),
    ],
)
def test_places_of_numbers(text: str, found: list[str]) -> None:
    assert digits.places(text) == found


@pytest.mark.parametrize(
    ("claimed", "values", "text", "same"),
    [
        ("1,178.57", [8250 / 7], "1,178.57", True),
        ("0x2E66", [11878], "0x2E66", True),
        ("0x2E66", ["0x2E66"], "0x2E66", True),
        ("true", [True], "true", True),
        ("true", [False], "false", False),
        ("34*25,165,824 = 855,638,016", ["34·25,165,824 = 855,638,016 B"], "34*25,165,824 = 855,638,016", True),
        ("34*25,165,824 = 855,638,016", ["33·25,165,824 = 855,638,016 B"], "33*25,165,824 = 855,638,016", False),
        ("shape error", ["Shape error"], "Shape error", True),
        ("max difference < 1e-6", [3e-9], "max difference < 1e-6", True),
        ("max difference < 1e-6", [2e-6], "max difference < 2e-06", False),
        ("1.0", [True], "true", False),
        ("1.0", [float("nan")], "nan", False),
        ("281,474,976,710,657", [2**48 + 1], "281,474,976,710,657", True),
        ("18014398509481985", [2**54 + 1], "18014398509481985", True),  # no float in between
        ("5.960464477539063e-08", [2.0**-24], "5.960464477539063e-08", True),  # half-way: …0625, which some round up
        ("0.12 or 0.13", [0.125, 0.125], "0.12 or 0.13", True),
        ("0.14", [0.125], "0.12", False),
    ],
)
def test_comparing(claimed: str, values: list[Any], text: str, same: bool) -> None:
    assert digits.compared(claimed, values) == (text, same)


def test_no_claimed_power_is_worked_out() -> None:
    assert not digits.compared("8e999999999999", [8e9]).same
    assert not digits.compared("1" * 1000, [1e300]).same


def test_arithmetic_is_exact() -> None:
    assert arithmetic.value("a / b + 1 / 3", {"a": 1, "b": 3}) == Fraction(2, 3)
    assert arithmetic.value("(2 * a) ** 0.5", {"a": 8}) == 4.0
    assert arithmetic.value("-a ** 2", {"a": 3}) == -9
    assert arithmetic.value("16 * a == b", {"a": 10**30, "b": 16 * 10**30}) is True
    assert arithmetic.value("a", {"a": [[1, 2]]}) == [[1, 2]]


@pytest.mark.parametrize(
    "text",
    [
        "a.real", "f(1)", "a[0]", "[1, 2]", "lambda: 1", "a if a else a", "'x' * 9", "a and a", "a > 1", "a < 1 < a",
        "a == 1 == 1", "~a",
        "a // 2", "a % 2", "1j", "f'{a}'", "a := 1", "*a", "", "(", "1 +", "True", "a" * 500, "+".join("a" * 150),
        "__import__('os')",
    ],
)  # fmt: skip
def test_nothing_but_arithmetic_is_read(text: str) -> None:
    with pytest.raises(BursarError):
        arithmetic.parse(text)


@pytest.mark.parametrize(
    "text", ["9 ** 9 ** 9", "a ** 99999999", "1 / 0", "(2 ** 4000) ** 4000", "1e308 ** 2", "(-8) ** 0.5", "0 ** -1"]
)
def test_no_power_is_too_large(text: str) -> None:
    with pytest.raises(BursarError):
        arithmetic.value(text, {"a": 3})


# ── the data ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_words_of_numbers_are_in_both_languages() -> None:
    """Without Chinese in one; in the other Chinese, or names and numbers alone, with full-width punctuation."""
    for number in NUMBERS:
        en, zh = number.what["en"], number.what["zh"]
        assert not re.search("[一-鿿]", en) and re.search("[一-鿿（，：]|^[^a-z]*$", zh), number.id
        assert not re.search("[一-鿿][,.;:?!]|[,;:?!][一-鿿]", zh), number.id


def tables() -> Iterator[tuple[str, str]]:
    """(id, digits) of every number in the register's text."""
    for line in TEXT.read_text(encoding="utf-8").splitlines():
        if re.match(r"\| N\d+\.\d+ \|", line):
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            yield cells[0], cells[2]


@pytest.mark.skipif(not TEXT.exists(), reason="the register's text is not beside this checkout")
def test_the_data_are_the_registers() -> None:
    theirs = dict(tables())
    assert len(theirs) == 315
    assert {number.id: number.shown for number in NUMBERS} == theirs
