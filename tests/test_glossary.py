"""Proves that every letter of the formulas is explained in both languages, that config keys and papers' meanings come with it, and
that the letters which papers give to several things are named as such."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bursar import facts
from bursar.cli import main
from bursar.explain.glossary import PAPERS, clashes, letters
from bursar.explain.notation import OTHERS
from bursar.notation import SYMBOLS


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["glossary", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["symbols"]
    assert isinstance(found, list)
    return found


def test_every_letter_of_a_formula_is_there_with_its_config_keys(capsys: pytest.CaptureFixture[str]) -> None:
    found = {symbol["letter"]: symbol for symbol in answer(capsys)}
    assert {symbol.letter for symbol in SYMBOLS} | set(OTHERS) <= set(found)
    assert all(found[symbol.letter]["config_keys"] == list(symbol.keys) for symbol in SYMBOLS)


@pytest.mark.parametrize("letter", ["b", "B", "D", "L", "M", "N", "P"])
def test_the_letters_that_mislead_have_several_meanings(letter: str) -> None:
    """Register B14: batch, bias and billion; width and tokens; loss and layers; parameters and lengths."""
    assert clashes(letters(letter)[letter])


def test_a_letter_of_one_meaning_is_no_clash() -> None:
    assert not clashes(letters("f")["f"])


def test_every_meaning_is_in_both_languages_and_has_a_source() -> None:
    assert all(meaning.en and meaning.zh and meaning.source in facts.sources() for meaning in PAPERS)
    assert all(en and zh for en, zh in OTHERS.values())
    assert all(symbol.meaning and symbol.meaning_zh for symbol in SYMBOLS)
    said = [(meaning.letter, meaning.source, meaning.en) for meaning in PAPERS]
    assert len(said) == len(set(said))


def test_both_languages_have_the_same_letters_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    en, zh = answer(capsys, "--lang", "en"), answer(capsys, "--lang", "zh")
    assert [(symbol["letter"], symbol["clash"], [m["source"] for m in symbol["meanings"]]) for symbol in en] == [
        (symbol["letter"], symbol["clash"], [m["source"] for m in symbol["meanings"]]) for symbol in zh
    ]
    assert all(a["meanings"][0]["meaning"] != b["meanings"][0]["meaning"] for a, b in zip(en, zh, strict=True))


def test_one_letter_is_shown_alone_and_another_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert [symbol["letter"] for symbol in answer(capsys, "D")] == ["D"]
    assert main(["glossary", "xyz"]) == 2
    assert "unknown letter" in capsys.readouterr().err
