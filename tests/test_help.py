"""Proves that the help is whole in both languages: every verb with a sentence and an example, every option once and under its
heading, no line wider than the screen; and that a wrong verb or option is answered with a right one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from rich.cells import cell_len

from bursar.cli import main
from bursar.cli.help import summary
from bursar.cli.table import SECTIONS, VERBS
from bursar.cli.verb import HEADINGS, Verb
from bursar.options import OPTIONS
from bursar.report.screen import PIPED_WIDTH
from bursar.report.words.help import SUMMARIES
from bursar.theory.initialization import schemes
from tests.command import refused


def paths(verbs: Mapping[str, Verb], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Verb]]:
    """Every verb and every group with the words that call it."""
    for name, verb in verbs.items():
        yield (*path, name), verb
        yield from paths(verb.verbs or {}, (*path, name))


ALL = dict(paths(VERBS))
RULES = {f"init {name}" for name in schemes.NAMES}  # said by their formula, in any language


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_help_of_every_verb(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    for path, verb in ALL.items():
        assert main([*path, "--help", "--lang", lang]) == 0
        out, err = capsys.readouterr()
        assert err == "" and verb.example in out and summary(path, verb, lang)[:40] in out
        assert max(cell_len(line) for line in out.splitlines()) <= max(PIPED_WIDTH, len(verb.example) + 2)
        flags = [line.split()[0].rstrip(",") for line in out.splitlines() if line.startswith("  --")]
        names = () if verb.verbs else (*verb.options, "json")
        assert sorted(flags) == sorted([f"--{name.replace('_', '-')}" for name in (*names, "lang", "help")])


def test_every_verb_says_in_chinese_what_it_answers() -> None:
    assert set(SUMMARIES) == {" ".join(path) for path in ALL} - RULES
    assert all(words.endswith("。") for words in SUMMARIES.values())


def test_a_section_has_verbs_and_an_option_has_one_heading() -> None:
    assert sum(len(verbs) for verbs in SECTIONS.values()) == len(VERBS)
    headed = [name for names in HEADINGS.values() for name in names]
    assert len(headed) == len(set(headed)) and set(headed) <= set(OPTIONS)


def test_the_help_of_the_program_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--help"], ["--help", "--lang", "zh"]):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert [line.split()[0] for line in out.splitlines() if line.startswith("  ") and line.split()[0] in VERBS] == list(VERBS)


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("parms llama-3-8b", "params"),
        ("fit runs.csv", "scaling fit"),
        ("scaling optimum", "optimal"),
        ("memory gpt2 --devics 3", "--devices"),
        ("memory gpt2 --recompte full", "--recompute"),
        ("params", "bursar params deepseek-v3"),
        ("params gpt2 gpt2", "bursar params deepseek-v3"),
        ("kv gpt2 --seq", "bursar kv deepseek-v3"),
    ],
)
def test_a_wrong_word_is_answered_with_a_right_one(line: str, right: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert right in refused(capsys, line)
