"""Proves that what the README shows runs: its commands exit with 0, its Python block holds, its files exist, and the languages, the
options and the rooms that it names are the ones there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bursar.cli import VERBS, main
from bursar.cli.verb import NEED_TORCH
from bursar.families import names

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


COMMANDS = [line for block in blocks("console") for line in block.splitlines() if line.startswith("bursar ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_runs(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    verb, *arguments = shlex.split(command)[1:]
    if VERBS[verb].answers in NEED_TORCH:
        pytest.importorskip("torch", reason="what measures needs PyTorch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    assert main([verb, *arguments]) == 0
    out, err = capsys.readouterr()
    assert out
    assert err == ""


def test_every_verb_is_shown() -> None:
    indented = re.findall(r"^    bursar ([\w-]+) ", README, flags=re.MULTILINE)  # those that need files of one's own
    assert {command.split()[1] for command in COMMANDS} | set(indented) == set(VERBS)


def test_the_python_block_holds(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("python")
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    said = re.search(r"words=True\)\)  # (.*)", block)
    assert said
    assert printed[0] == said[1]


def test_the_families_that_are_named_are_the_ones_there_are() -> None:
    named = re.search(r"Families: (.*?)\.\n", README, flags=re.DOTALL)
    assert named
    assert sorted(re.findall(r"\w+", re.sub(r"\(.*?\)", "", named[1]))) == names()


def test_rooms_and_files_that_are_named_exist() -> None:
    house = README[README.index("## The house") :]
    rooms = re.findall(r"`(\w+/?)`", house[house.index("| ground") : house.index("A file imports")])
    for room in rooms:
        home = ROOT / "src" / "bursar" / room.rstrip("/")
        assert home.is_dir() or home.with_suffix(".py").exists(), room
    for target in re.findall(r"\]\((\w[\w./]+)\)", README):
        assert (ROOT / target).exists()


def test_the_commands_of_the_makefile_are_the_readme_s() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(
        f"make {target}" in README and re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
        for target in ("demo", "test", "bench")
    )


def sections(text: str) -> list[str]:
    """The parts between headings, without blocks of code."""
    return re.split(r"^## .*$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)


def test_both_languages_show_the_same_commands() -> None:
    """Blocks are equal letter by letter, so that what runs for one has run for the other."""
    assert re.findall(r"```.*?```", CHINESE, flags=re.DOTALL) == re.findall(r"```.*?```", README, flags=re.DOTALL)
    assert re.findall(r"^    make \w+", CHINESE, flags=re.MULTILINE) == re.findall(r"^    make \w+", README, flags=re.MULTILINE)


@pytest.mark.parametrize("place", range(len(sections(README))))
def test_both_languages_say_the_same_figures(place: int) -> None:
    """Section by section: numbers, what stands in code letters, links, and the rows of tables."""
    english, chinese = sections(README)[place], sections(CHINESE)[place]
    assert len(sections(README)) == len(sections(CHINESE))
    for pattern in (r"\d[\d,.]*\d|\d", r"`[^`]+`", r"\]\(([^)]*[a-z]/[^)]*)\)"):
        assert sorted(re.findall(pattern, english)) == sorted(re.findall(pattern, chinese)), pattern
    assert english.count("\n|") == chinese.count("\n|")


def test_the_chinese_is_punctuated_as_chinese() -> None:
    """No half-width comma, stop, colon or semicolon beside a Chinese character."""
    prose = re.sub(r"```.*?```|`[^`]*`", "", CHINESE, flags=re.DOTALL)
    assert not re.findall(r"[\u4e00-\u9fff][,.:;]|[,;:][\u4e00-\u9fff]", prose)
