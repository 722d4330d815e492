"""Which command lines a claim may ask, and the part of an answer that it reads.

A claim may come from anyone. It asks verbs that only read the packaged data, of models of the catalog, with options that are
numbers, words of a table or names listed here; whatever names a file is refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, TypeAlias

from bursar import catalog
from bursar.errors import PlanError, shown
from bursar.options import OPTIONS, init, matrix, switch, theory_formats, theory_optimizers
from bursar.options import option as read
from bursar.own import is_file
from bursar.theory.initialization import schemes

Line: TypeAlias = tuple[str, ...]
Ask: TypeAlias = Callable[[Line], Mapping[str, Any]]

MODEL, WORD, EXAMPLE, OF_MODEL = "model", "word", "example", "word, then model"
# verbs that read no file and write none, by what their arguments are; a search takes too long for a claim
VERBS: Mapping[str, str] = {
    "params": MODEL, "flops": MODEL, "kv": MODEL, "activations": MODEL, "memory": MODEL, "time": MODEL,
    "explain": OF_MODEL, "trace": EXAMPLE, "run": MODEL, "roofline": MODEL, "states": WORD, "audit": WORD, "devices": WORD,
    "optimizers": WORD,
    **{f"matrix {verb}": WORD for verb in (
        "product", "vector", "chain", "conv", "elementwise", "gradient", "jacobian", "mlp", "saved", "graph",
    )},
    "scaling laws": WORD, "scaling loss": MODEL, "scaling optimal": WORD, "scaling hyper": MODEL, "scaling power": WORD,
    **{f"init {verb}": WORD for verb in (*schemes.NAMES, "truncated", "gain", "mup", "attention", "propagate")},
    "formats": WORD, "format": WORD, **{f"numerics {verb}": WORD for verb in ("sum", "loss-scaling", "matmul", "train", "line")},
    **{f"optimizer {verb}": WORD for verb in ("step", "accumulate", "schedule", "lineage")},
}  # fmt: skip
# how options are read that are numbers, sizes or matrices
READS = (
    read.count, read.length, read.past, read.degree, read.rank, read.money, read.positive, read.probability, read.share,
    read.changes, read.layers, *matrix.READS, *init.READS,
    *theory_formats.READS, *theory_optimizers.READS,
)  # fmt: skip
TEXTS = (
    "law", "device", "family", "as_family", "derivation", "kv_dtype", "lora_targets", "recompute", "offload", "kernels", "storage",
    "activation", "scheme", "nonlinearity", "on", "events", "momentum_form",
)  # fmt: skip
MEASURED = ("trace",)  # verbs that need PyTorch
_EXAMPLE = re.compile(r"bursar\.measure\.examples:[a-z0-9_]+")
_WORD = re.compile(r"-?[\w.,:=+*\[\]][\w.,:=+*\[\]-]*")
_PART = re.compile(r"([\w-]+)|\[(\d+)\]|\[([\w-]+)=([^\]]+)\]")


def line(text: str, where: str) -> Line:
    """A command line as its words, refused where a claim may not ask it."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise PlanError(f"ask={shown(text)} cannot be read: {error}", field="ask", value=text, where=where) from None
    verb = next((verb for verb in (" ".join(words[:2]), " ".join(words[:1])) if verb in VERBS), None)
    if verb is None:
        raise PlanError(f"a claim may not ask {shown(text)}", field="ask", value=text, valid=sorted(VERBS), where=where)
    kind = VERBS[verb]
    for place, argument in enumerate(_arguments(words[len(verb.split()) :], text, where)):
        _check_argument(argument, (MODEL if place else WORD) if kind == OF_MODEL else kind, text, where)
    return words


def _arguments(words: Line, text: str, where: str) -> list[str]:
    """What stands between options; every option is checked."""
    found, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            found.append(word)
            continue
        flag, equals, given = word[2:].partition("=")
        option = OPTIONS.get(flag.replace("-", "_")) or OPTIONS.get(flag.removeprefix("no-").replace("-", "_"))
        if option is None:
            raise PlanError(f"there is no option --{shown(flag)} in ask={shown(text)}", field="ask", value=text, where=where)
        if not (switch(option) or option.valid or option.read in READS or option.name in TEXTS):
            valid = "options that name no file"
            raise PlanError(f"a claim may not use --{flag}", field="ask", value=text, valid=valid, where=where)
        if not switch(option):
            value = given if equals else rest.pop(0) if rest else ""
            if not _WORD.fullmatch(value) or is_file(value):
                valid = "a number or a word"
                raise PlanError(f"--{flag} {shown(value)} in a claim", field="ask", value=text, valid=valid, where=where)
    return found


def _check_argument(argument: str, kind: str, text: str, where: str) -> None:
    if kind == MODEL and argument.lower() not in catalog.names():
        raise PlanError(
            f"a claim may not ask about {shown(argument)}", field="ask", value=text, valid="a model of the catalog", where=where
        )
    if kind == EXAMPLE and not _EXAMPLE.fullmatch(argument):
        valid = "bursar.measure.examples:NAME"
        raise PlanError(f"a claim may not run {shown(argument)}", field="ask", value=text, valid=valid, where=where)
    if kind == WORD and not _WORD.fullmatch(argument):
        raise PlanError(f"{shown(argument)} in a claim", field="ask", value=text, valid="a number or a word", where=where)


def absent(words: Line) -> bool:
    """Whether a command line needs a library that is not installed."""
    return words[0] in MEASURED and find_spec("torch") is None


def part(answer: Any, path: str) -> Any:
    """A part of an answer: `stages[0].peak`, `devices[device=h100-sxm].peaks.bf16.value`, `components."layers.attn.out"`.
    `#entries` is how many there are of it, `#entries[count=96]` how many with that value."""
    if path.startswith("#"):
        return _counted(answer, path[1:])
    found, rest = answer, path
    while rest:
        if rest.startswith('"') and '"' in rest[1:]:
            key, _, rest = rest[1:].partition('"')
            found = _key(found, key, path)
        else:
            step = _PART.match(rest)
            if step is None:
                raise PlanError(f"read={shown(path)}", field="read", value=path, valid='a path such as stages[0].peak or a."b.c"')
            rest = rest[step.end() :]
            found = _step(found, step, path)
        rest = rest.removeprefix(".")
    return found


def _counted(answer: Any, path: str) -> int:
    listed, _, condition = path.partition("[")
    rows = part(answer, listed)
    if not isinstance(rows, list):
        raise PlanError(f"read={shown(path)} finds no list", field="read", value=path)
    field, _, value = condition.removesuffix("]").partition("=")
    return sum(not field or (isinstance(row, Mapping) and str(row.get(field)) == value) for row in rows)


def _step(found: Any, step: re.Match[str], path: str) -> Any:
    key, index, field, value = step.groups()
    if key is not None:
        return _key(found, key, path)
    if not isinstance(found, list):
        raise PlanError(f"read={shown(path)} finds no list", field="read", value=path)
    if index is not None:
        if int(index) >= len(found):
            raise PlanError(f"read={shown(path)} is beyond {len(found)} rows", field="read", value=path)
        return found[int(index)]
    rows = [row for row in found if isinstance(row, Mapping) and str(row.get(field)) == value]
    if len(rows) != 1:
        raise PlanError(f"read={shown(path)} finds {len(rows)} rows", field="read", value=path, valid="exactly one")
    return rows[0]


def _key(found: Any, key: str, path: str) -> Any:
    if not isinstance(found, Mapping) or key not in found:
        valid = sorted(found) if isinstance(found, Mapping) else None
        raise PlanError(f"read={shown(path)} finds no {shown(key)}", field="read", value=path, valid=valid)
    return found[key]
