"""Proves that what README and docs/reference.md show runs: their commands exit with 0 and print what stands below them, the Python
block holds, the files exist, every verb is shown, and both languages say the same figures, commands, options and links."""

from __future__ import annotations

import re
import shlex
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

import pytest

from bursar.cli import VERBS, main
from bursar.cli.verb import NEED_TORCH

ROOT = Path(__file__).parent.parent
PAGES = {"README": ROOT, "reference": ROOT / "docs"}
ENGLISH = {name: (folder / f"{name}.md").read_text(encoding="utf-8") for name, folder in PAGES.items()}
CHINESE = {name: (folder / f"{name}.zh-CN.md").read_text(encoding="utf-8") for name, folder in PAGES.items()}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


LISTED = [line for block in blocks(ENGLISH["reference"], "console") for line in block.splitlines()]
SHOWN = [block.removeprefix("$ ").split("\n", 1) for block in blocks(ENGLISH["README"], "console")]


def printed(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """What a command prints in a folder that has the examples and nothing else."""
    verb, *arguments = shlex.split(command)[1:]
    if VERBS[verb].answers in NEED_TORCH:
        pytest.importorskip("transformers", reason="what measures needs PyTorch and transformers")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    assert main([verb, *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("command", LISTED)
def test_a_command_of_the_reference_runs(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert printed(command, capsys, monkeypatch, tmp_path)


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_a_command_of_the_readme_prints_what_is_shown(
    command: str, output: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Three dots stand for what is left out."""
    out = printed(command, capsys, monkeypatch, tmp_path)
    assert OutputChecker().check_output(output, out, ELLIPSIS | NORMALIZE_WHITESPACE), out


def test_every_verb_is_shown() -> None:
    indented = re.findall(r"^    bursar ([\w-]+) ", ENGLISH["reference"], flags=re.MULTILINE)  # those that need files of one's own
    assert {command.split()[1] for command in LISTED} | set(indented) == set(VERBS)


def test_the_python_block_holds(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks(ENGLISH["README"], "python")
    exec(compile(block, "README.md", "exec"), {})
    formula = re.search(r"words=True\)\)  # (.*)", block)
    assert formula
    assert capsys.readouterr().out.splitlines()[0] == formula[1]


@pytest.mark.parametrize("name", PAGES)
def test_files_that_are_named_exist(name: str) -> None:
    for page in (ENGLISH[name], CHINESE[name]):
        for target in re.findall(r"\]\(([\w.][\w./-]+)\)", page):
            assert (PAGES[name] / target).exists(), target


def test_rooms_that_are_named_exist() -> None:
    house = ENGLISH["README"][ENGLISH["README"].index("## The house") :]
    for room in re.findall(r"`(\w+/?)`", house[house.index("| ground") : house.index("A file imports")]):
        home = ROOT / "src" / "bursar" / room.rstrip("/")
        assert home.is_dir() or home.with_suffix(".py").exists(), room


def test_the_commands_of_the_makefile_are_the_readme_s() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(
        f"make {target}" in ENGLISH["README"] and re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
        for target in ("demo", "test", "bench")
    )


def sections(page: str) -> list[str]:
    """The parts between headings, without blocks of code."""
    return re.split(r"^## .*$", re.sub(r"```.*?```", "", page, flags=re.DOTALL), flags=re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_both_languages_show_the_same_commands(name: str) -> None:
    """Blocks are equal letter by letter, so that what runs for one has run for the other."""
    for pattern in (r"```.*?```", r"^    (?:make \w+|bursar [^\n]*)"):
        english, chinese = (re.findall(pattern, page[name], flags=re.DOTALL | re.MULTILINE) for page in (ENGLISH, CHINESE))
        assert english == chinese


@pytest.mark.parametrize(("name", "place"), [(name, place) for name in PAGES for place in range(len(sections(ENGLISH[name])))])
def test_both_languages_say_the_same_figures(name: str, place: int) -> None:
    """Section by section: numbers, what stands in code letters, links, and the rows of tables."""
    assert len(sections(ENGLISH[name])) == len(sections(CHINESE[name]))
    english, chinese = sections(ENGLISH[name])[place], sections(CHINESE[name])[place].replace(".zh-CN.md)", ".md)")
    for pattern in (r"\d[\d,.]*\d|\d", r"`[^`]+`", r"\]\(([^)]*[a-z]/[^)]*)\)"):
        assert sorted(re.findall(pattern, english)) == sorted(re.findall(pattern, chinese)), pattern
    assert english.count("\n|") == chinese.count("\n|")


@pytest.mark.parametrize("name", PAGES)
def test_the_chinese_is_punctuated_as_chinese(name: str) -> None:
    """No half-width comma, stop, colon or semicolon beside a Chinese character."""
    prose = re.sub(r"```.*?```|`[^`]*`", "", CHINESE[name], flags=re.DOTALL)
    assert not re.findall(r"[\u4e00-\u9fff][,.:;]|[,;:][\u4e00-\u9fff]", prose)
