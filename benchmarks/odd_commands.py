"""Mutated command lines of every verb: each must answer or be refused in a line or two, quickly and never with a traceback.

Run: python benchmarks/odd_commands.py [lines, 5000 if not given] [seed, 0] [verb …, all]. Every line that came out otherwise is
printed, and the exit status is then 1. Whatever a line writes is written into a folder that goes with the process.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shlex
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import NoReturn
from unittest.mock import patch

from bursar.cli import main as bursar
from bursar.cli.table import VERBS
from bursar.cli.verb import Verb
from bursar.facts import data
from bursar.options import OPTIONS, switch

LINES = 5_000
FINE = ("answered", "refused")
SLOW = 20.0  # seconds of the processor for a line
MEMORY = 6 * 2**30  # bytes of address space: what asks for more is a mistake
LONGEST = 1_000  # characters of a refusal
CONTROL = {chr(code) for code in (*range(32), *range(127, 160), *range(0xD800, 0xE000), 0x202E)} - {"\n"}  # never for a terminal
KINDS = (*("value",) * 3, *("own",) * 6, "foreign", "dropped", "doubled", "swapped", "mangled")
SLOW_BY_NATURE = ("check", "find")  # hundreds of claims, searches on every device
REFERENCE = Path(__file__).parents[1] / "docs" / "reference.md"

NUMBERS = (
    "0", "-0", "-1", "1", "2", "3", "7", "1.5", "-2.5", "1e3", "1e-400", "1e400", "1e308", "1e18", "1e30", "-1e300", "nan", "inf",
    "-inf", "9" * 400, "9" * 5000, "0x10", "1_000", "1__0", "１２", "٣", "½", "²", "三", "+1", ".5", "5.", "1K", "1kk", "1T",
    "999T", "1e18T", "8k", "4M",
)  # fmt: skip
TEXTS = (
    "", " ", "\t\n", "a", "-", "--", "---", "-x", "--no-such", ",", ",,", "=", "a=b", "a=", "=b", "a=1,a=2", "a:b", ":", "/", "..",
    "x", "1x", "x1", "1x2", "1x2x3", "0x0", "1,2", "1/2", "tp=1/2", "tp=1:2", "full:2", "full:first=3", "attention=flash",
    "fused,linear=main-grad", "\0", "\x1b[31mred", "é", "模型", "\U0001f999", "\u202e", "\ud800", "x" * 5000, "[]", "[[]]", "[[1]]",
    "[[1,2],[3,4]]", "[[1,2],[3]]", "[[NaN]]", "[[1e400]]", "[[[1]]]", "{}", "[" * 5000, "{\"a\":" * 500, "null", "true", "None",
    "__import__('os')", "%s", "{0}", "{model}", "[bold]", "[/]", "'", '"', "\\", "*", "$HOME", "~", "llama-3-8b", "gpt2", "h100",
    "h100-sxm", "adamw", "bf16", "fp8", "nvfp4", "all", "none", "auto", "default", "chinchilla", "hoffmann", "kaplan",
)  # fmt: skip
FILES: Mapping[str, bytes | int] = {  # content, or a size of nothing but holes
    "empty": b"", "empty.json": b"", "empty.toml": b"", "empty.csv": b"", "empty.py": b"",
    "binary": bytes(range(256)) * 40, "binary.toml": bytes(range(256)) * 40,
    "deep.json": b'{"a":' * 100_000, "list.json": b"[" * 100_000, "null.json": b"null", "nan.json": b'{"hidden_size": NaN}',
    "deep.toml": b"a = " + b"[" * 50_000, "keys.toml": b".".join([b"a"] * 50_000) + b" = 1",
    "tables.toml": b"".join(b"[%s]\n" % b".".join([b"a"] * n) for n in range(1, 300)), "text.toml": b"a = 'b'\n[[a]]\n",
    "huge.json": b'{"model_type": "llama", "hidden_size": ' + b"9" * 100_000 + b"}",
    "large.json": 100_000_000, "large.toml": 100_000_000, "large": 100_000_000, "large.csv": 100_000_000,
    "rows.csv": b"params,tokens,loss\n1,2,3\n-1,nan,inf\nx,y\n" + b"9" * 9000 + b",1,1\n",
    "unicode.csv": "参数,词元\n一,二\n".encode(),
    "one.csv": b"params,tokens,loss\n1e9,2e10,2.5\n", "bom.json": b"\xef\xbb\xbf{}", "lines.log": b"iteration 1/2 | \n" * 1000,
    "trap.py": b"raise SystemExit('run')\n", "wide.log": b"x" * 2_000_000,
    "big.csv": b"params,tokens,loss\n" + b"".join(b"1e308,%de30%d,2\n" % (n, n) for n in range(9)),
}  # fmt: skip


def leaves(verbs: Mapping[str, Verb], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Verb]]:
    """Every verb that answers by itself, with the words that call it."""
    for name, verb in verbs.items():
        if verb.verbs:
            yield from leaves(verb.verbs, (*path, name))
        else:
            yield (*path, name), verb


def examples() -> dict[tuple[str, ...], list[list[str]]]:
    """Command lines that work, by verb: those of the help and of docs/reference.md."""
    lines = [verb.example for _, verb in leaves(VERBS)]
    lines += [line for line in REFERENCE.read_text(encoding="utf-8").splitlines() if line.startswith("bursar ")]
    words = [shlex.split(line)[1:] for line in lines]
    return {path: [line for line in words if tuple(line[: len(path)]) == path] for path, _ in leaves(VERBS)}


def folder(root: Path) -> list[str]:
    """Files that no verb can want, and a few that some verb does; their names."""
    for name, content in FILES.items():
        with (root / name).open("wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                file.truncate(content)
    (root / "folder").mkdir()
    (root / "folder.toml").mkdir()
    (root / "config.json").write_bytes(data("models", "llama-3-8b", "config.json").read_bytes())
    return [*FILES, "folder", "folder.toml", "config.json", "missing.json", "/dev/null", "/dev/zero", "/proc/self/mem"]


def odd(pick: Random, files: list[str]) -> str:
    return pick.choice(pick.choice((NUMBERS, TEXTS, files)))


def option(pick: Random, names: tuple[str, ...], files: list[str]) -> list[str]:
    """One option with a value of its own or an odd one."""
    row = OPTIONS[pick.choice(names)]
    flag = f"--{row.name.replace('_', '-')}"
    if switch(row):
        return [flag]
    return [flag, pick.choice(row.valid) if row.valid and pick.random() < 0.7 else odd(pick, files)]


def mutated(pick: Random, line: list[str], verb: Verb, path: tuple[str, ...], files: list[str]) -> list[str]:
    """One to three changes behind the verb."""
    words = list(line[len(path) :])
    for _ in range(pick.choice((1, 1, 1, 2, 3))):
        at = pick.randrange(len(words)) if words else 0
        match pick.choice(KINDS):
            case "value" if words:
                words[at] = odd(pick, files)
            case "own" if verb.options:
                words += option(pick, verb.options, files)
            case "foreign":
                words += option(pick, tuple(OPTIONS), files)
            case "dropped" if words:
                del words[at]
            case "doubled" if words:
                words.insert(at, words[at])
            case "swapped" if words:
                other = pick.randrange(len(words))
                words[at], words[other] = words[other], words[at]
            case "mangled" if words and words[at]:
                cut = pick.randrange(len(words[at]))
                words[at] = words[at][:cut] + pick.choice(("", "x", "-", "9", "é")) + words[at][cut + 1 :]
            case _:
                pass
    return [*path, *words, *pick.choice(([], ["--json"], ["--lang", "zh"]))]


def no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def outcome(line: list[str]) -> str:
    """`answered`, `refused`, or what went wrong."""
    out, err = io.StringIO(), io.StringIO()
    signal.setitimer(signal.ITIMER_PROF, SLOW * (6 if line[0] in SLOW_BY_NATURE else 1))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), patch("sys.stdin", io.StringIO()):
            status = bursar(line)
    except BaseException as error:  # SystemExit too
        return f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    said, text = err.getvalue(), out.getvalue()
    if "Traceback" in said + text:
        return f"a traceback: {said[:300]}"
    if status == 2:
        fits = said.startswith("bursar: ") and said.strip().isprintable() and len(said) < LONGEST
        return "refused" if fits else f"a refusal of {len(said)} characters: {said[:300]!r}"
    if status not in (0, 1) or (status == 1 and line[0] not in ("check", "verify", "profile")):
        return f"status {status}: {said[:300]!r}"
    if "--json" in line and "--help" not in line:
        try:
            json.loads(text, parse_constant=no_constant)
        except ValueError as error:
            return f"{error}: {text[:200]!r}"
    if control := set(text) & CONTROL:
        return f"control characters {control} in {text[:300]!r}"
    return "answered"


def too_slow(*_: object) -> NoReturn:
    raise TimeoutError(f"more than {SLOW:g} s")


def outcomes(count: int, seed: int, wanted: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """What came of as many lines, verb after verb, run in a folder of odd files."""
    pick, lines = Random(seed), examples()
    verbs = [(path, verb) for path, verb in leaves(VERBS) if not wanted or path[0] in wanted]
    signal.signal(signal.SIGPROF, too_slow)
    with tempfile.TemporaryDirectory() as root, contextlib.chdir(root):
        files = folder(Path(root))
        for index in range(count):
            path, verb = verbs[index % len(verbs)]
            line = mutated(pick, pick.choice(lines[path]), verb, path, files)
            yield outcome(line), line


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    os.environ.update(BURSAR_DEBUG="1", HF_HUB_OFFLINE="1")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    found: Counter[str] = Counter()
    for said, line in outcomes(count, seed, sys.argv[3:]):
        found[said if said in FINE else "failed"] += 1
        if said not in FINE:
            shown = shlex.join([word[:200] for word in line])
            print(f"{said}\n  bursar {shown}".encode("utf-8", "backslashreplace").decode(), flush=True)
    print(f"{count:,} lines: " + ", ".join([f"{found[key]:,} {key}" for key in (*FINE, "failed")]))
    return 1 if found["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
