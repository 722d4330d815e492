"""The statements of the lecture notes as data: all 251 are there, in both languages, with the verdicts that were counted; the two
languages hold the same numbers and symbols; a value that an entry cites is the register's; the command lines that answer an entry
run."""

import re
import shlex
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from bursar.cli import main

DATA = Path(__file__).parents[1] / "src" / "bursar" / "data" / "register"
REGISTER = Path(__file__).parents[2] / "shared" / "seed-register.md"

COUNTS = (68, 77, 31, 30, 45)  # statements of lecture notes 0 to 4
VERDICTS = {"WRONG": 30, "CONFLICT": 12, "COND": 63, "OK": 101, "GAP": 28, "VAGUE": 9, "WISH": 8}
KEYS = ["id", "lines", "verdict", "title", "stated", "reason", "numbers", "answered_by"]
CONVENTION_KEYS = ["id", "question", "positions", "convention", "reason", "numbers"]

NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")
SYMBOL = re.compile(r"[Α-Ωα-ω²³√·⊙ᵀ∂Σ≈×∝→←±≥≪≫′⊗‖∞−+=<>%]")
HAN = re.compile(r"[一-鿿]")
# A half-width mark beside a Chinese character, or a bracket that holds Chinese, belongs to the other language's typography.
HALF_WIDTH = re.compile(r"[一-鿿][,.;:?!\"']|[,;:?!\"'][一-鿿]|\([^()]*[一-鿿][^()]*\)")


def statements():
    return [row for seed in range(5) for row in toml(DATA / "statements" / f"seed_{seed}.toml")["statement"]]


def conventions():
    return toml(DATA / "conventions.toml")["convention"]


def toml(file):
    return tomllib.loads(file.read_text(encoding="utf-8"))


def texts(row):
    """The texts of an entry by field, each a pair of languages."""
    return {key: value for key, value in row.items() if isinstance(value, dict)}


def numbers(text):
    return Counter(NUMBER.findall(text))


def symbols(text):
    return Counter(SYMBOL.findall(text))


ENTRIES = [*statements(), *conventions()]
every_entry = pytest.mark.parametrize("row", ENTRIES, ids=[row["id"] for row in ENTRIES])


def test_statements_are_complete():
    """Every document's statements in their order, under one id each."""
    assert [row["id"] for row in statements()] == [f"S{seed}-{n:02d}" for seed in range(5) for n in range(1, COUNTS[seed] + 1)]
    assert len(statements()) == 251
    assert all(list(row) == KEYS for row in statements())


def test_verdicts_are_those_counted():
    assert Counter(row["verdict"] for row in statements()) == VERDICTS


def test_lines_are_ranges_in_order():
    for row in statements():
        ends = [int(end) for span in row["lines"].split(", ") for end in span.split("-")]
        assert ends == sorted(ends) and ends[0] >= 1, row["id"]


def test_conventions_are_complete():
    assert [row["id"] for row in conventions()] == [f"B{n}" for n in range(1, 33)]
    assert all(list(row) == CONVENTION_KEYS for row in conventions())


@every_entry
def test_both_languages_are_present(row):
    """A title may be a name that both languages share; a sentence may be a formula alone, but then it ends as its language does."""
    for key, text in texts(row).items():
        assert list(text) == ["en", "zh"] and all(part.strip() == part and part for part in text.values()), key
        assert not HAN.search(text["en"]), key
        if key not in ("title", "question"):
            assert text["en"].endswith((".", ".”")) and text["zh"].endswith("。"), key
    assert HAN.search("".join(text["zh"] for text in texts(row).values()))


@every_entry
def test_both_languages_hold_the_same_numbers_and_symbols(row):
    for key, text in texts(row).items():
        assert numbers(text["zh"]) == numbers(text["en"]), key
        assert symbols(text["zh"]) == symbols(text["en"]), key


@every_entry
def test_chinese_is_punctuated_as_chinese(row):
    for key, text in texts(row).items():
        assert not (found := HALF_WIDTH.search(text["zh"])), (key, found.group())


@every_entry
def test_references_lead_somewhere(row):
    """A statement or convention that a text names is in these files, a number in the entry's own list."""
    text = " ".join(part for field in texts(row).values() for part in field.values())
    assert set(re.findall(r"\bS\d-\d\d\b", text)) <= {one["id"] for one in statements()}
    assert set(re.findall(r"\bB\d+\b", text)) <= {one["id"] for one in conventions()}
    assert set(re.findall(r"\bN\d+\.\d\d\b", text)) <= set(row["numbers"])


@every_entry
def test_texts_speak_of_lecture_notes(row):
    """Readers have the lecture notes' statements before them, not the files."""
    text = " ".join(part for field in texts(row).values() for part in field.values())
    assert not re.search(r"\bseeds?\b|种子|\.txt|\.svg|\.py\b|scripts/", text)


@pytest.mark.parametrize("line", sorted({line for row in statements() for line in row["answered_by"]}))
def test_answering_command_lines_run(line, capsys):
    name, *words = shlex.split(line)
    assert name == "bursar" and main(words) == 0
    assert capsys.readouterr().out


def registered():
    """Of every statement of the register: verdict, lines, and the ids of the numbers that it cites."""
    text = REGISTER.read_text(encoding="utf-8")
    rows = re.findall(r"^\*\*(S\d-\d\d) .*?\*\* \[(\w+)\] l\.([\d–, ]*\d)(.*)$", text, re.MULTILINE)
    ids = re.compile(r"\bN\d+\.\d\d\b")
    return {name: (verdict, lines.replace("–", "-"), set(ids.findall(rest))) for name, verdict, lines, rest in rows}


def values():
    """The values of the numbers of section A by id."""
    rows = re.findall(r"^\| (N\d+\.\d\d) \|(?:[^|\\]|\\.)*\| ([^|]*) \|", REGISTER.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(rows)


needs_register = pytest.mark.skipif(not REGISTER.exists(), reason="the register of the lecture notes lies outside this repository")


@needs_register
def test_ids_verdicts_and_lines_are_the_registers():
    kept = {row["id"]: (row["verdict"], row["lines"]) for row in statements()}
    assert kept == {name: (verdict, lines) for name, (verdict, lines, _) in registered().items()}


@needs_register
def test_cited_numbers_are_at_least_the_registers():
    missing = {row["id"]: registered()[row["id"]][2] - set(row["numbers"]) for row in statements()}
    assert not {name: ids for name, ids in missing.items() if ids}


@needs_register
@every_entry
def test_cited_values_are_the_registers(row):
    """A number is cited by its id, or its value stands in the text digit for digit."""
    text = " ".join(field["en"] for field in texts(row).values())
    known = values()
    for name in row["numbers"]:
        assert name in text or named_by_range(name, text) or not numbers(known[name]) - numbers(text), (name, known[name])


def named_by_range(name, text):
    """Whether a range such as N4.22..N4.25 holds the number."""
    return any(first <= name <= last for first, last in re.findall(r"(N\d+\.\d\d)\.\.(N\d+\.\d\d)", text))
