"""The same job over letters: its model read once more in symbols, cut by the same plan, block for block beside the ints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import sympy as sp

from bursar.dims import Dim, is_symbol
from bursar.errors import ConfigError
from bursar.model import Model
from bursar.notation import LETTERS
from bursar.ops.attention import Attention, AttentionCore
from bursar.ops.moe import Experts
from bursar.plan import Plan
from bursar.step import Step
from bursar.tree import Architecture, Block, Op, Repeat, dims_of

ONE_TOKEN = Step(1, 1)
OF_HEADS = "akdh"  # letters that the widths of heads are made of


def letter(name: str) -> Any:
    """The symbol of a letter of the notation."""
    return sp.Symbol(name, positive=True, integer=True)


class Pair(NamedTuple):
    """A block of the model with ints and over letters, how often it is there, its path, and the index of its first layer (None: it
    is no layer)."""

    path: str
    ints: Block
    words: Block
    times: int
    count: Dim  # `times` over letters
    first: int | None = None

    @property
    def kind(self) -> str:
        return self.ints.kind


class Letters:
    """A model over letters, with the number of each."""

    def __init__(self, model: Model) -> None:
        self.model = model
        width = _head_width(model)
        self.architecture = model.in_words if width is None else width[1]
        self._width = {} if width is None else {"d": width[0]}

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Letter → the number in the config."""
        values = self.model.published.values
        every = {**values, **values.get("text_config", {})}
        found = {name: every[key] for key, name in LETTERS.items() if type(every.get(key)) is int}
        return {**self._width, **found}

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Every block of the model once, in order of execution."""
        ints, words = self.model.architecture, self.architecture
        runs = [*_runs(ints.towers, words.towers, None), *_runs(ints.trunk, words.trunk, 0)]
        names = {id(block): path for path, _, block in ints.parts()}
        pairs = [
            *[run for run in runs if run.first is None],
            *[Pair("", own, other, 1, 1) for own, other in zip(ints.stem, words.stem, strict=True)],
            *[run for run in runs if run.first is not None],
            *[Pair("", own, other, 1, 1) for own, other in zip(ints.tail, words.tail, strict=True)],
        ]
        return tuple([pair._replace(path=names[id(pair.ints)]) for pair in pairs])

    def counted(self) -> Architecture:
        """The blocks over letters, as often as they are there in ints, so that a plan can deal them out."""
        words = {id(pair.ints): pair.words for pair in self.pairs}
        runs = self.model.architecture
        return replace(
            self.architecture,
            trunk=tuple([Repeat(run.times, words[id(run.block)]) for run in runs.trunk]),
            towers=tuple([Repeat(run.times, words[id(run.block)]) for run in runs.towers]),
        )


def _head_width(model: Model) -> tuple[int, Architecture] | None:
    """The width of a head as a letter of its own, where a config leaves it to h / a and its family reads it."""
    values = model.published.values
    widths = {line.op.head_dim for _, line in model.architecture.walk(ONE_TOKEN) if isinstance(line.op, Attention)}
    if values.get("head_dim") is not None or "text_config" in values or len(widths) != 1:
        return None
    given = replace(model.published, values={**values, "head_dim": widths.pop()})
    try:
        return given.values["head_dim"], replace(model, published=given).in_words
    except ConfigError:  # the family has no such key
        return None


def _runs(ints: tuple[Repeat, ...], words: tuple[Repeat, ...], first: int | None) -> list[Pair]:
    """The blocks of runs of layers: those of one kind in their order. A run of no layers is there over letters alone."""
    others = _by_kind(words)
    found: dict[int, Pair] = {}
    for run in ints:
        if id(run.block) not in found:
            kind = [id(block) for block in _by_kind(ints)[run.block.kind]]
            twin = others[run.block.kind][kind.index(id(run.block))]
            count = sum([other.times for other in words if other.block is twin])
            found[id(run.block)] = Pair("", run.block, twin, 0, count, first)
        pair = found[id(run.block)]
        found[id(run.block)] = pair._replace(times=pair.times + run.times)
        first = None if first is None else first + run.times
    return list(found.values())


def _by_kind(runs: tuple[Repeat, ...]) -> Mapping[str, list[Block]]:
    found: dict[str, list[Block]] = {}
    for run in runs:
        blocks = found.setdefault(run.block.kind, [])
        if not any(block is run.block for block in blocks):
            blocks.append(run.block)
    return found


def step(of: Step) -> Step:
    """A step of b sequences of s tokens, of the same kind."""
    return replace(of, sequences=letter("b"), queries=letter("s"))


def lettered(plan: Plan, architecture: Architecture) -> tuple[Plan, dict[str, int]]:
    """A plan with t for its tensor-parallel size, and the number of that. It stays a number with experts, whose own groups depend
    on it, and where ranks share a head of keys."""
    experts = any(isinstance(line.op, Experts) for _, line in architecture.walk(ONE_TOKEN))
    if plan.tensor == 1 or experts or shares_keys(plan, architecture):
        return plan, {}
    return replace(plan, tensor=letter("t"), expert_tensor=letter("t")), {"t": plan.tensor}


def shares_keys(plan: Plan, architecture: Architecture) -> bool:
    """Whether there are fewer heads of keys than tensor-parallel ranks, so that several ranks hold the same one."""
    lines = [line.op for _, line in architecture.walk(ONE_TOKEN)]
    return any(op.kv_heads < plan.tensor for op in lines if isinstance(op, AttentionCore))


def numbered(architecture: Architecture, numbers: Mapping[str, int]) -> Architecture:
    """An architecture whose heads are numbers, which can be dealt to more ranks than there are; other sizes stay letters."""
    known = {letter(name): numbers[name] for name in OF_HEADS if name in numbers}

    def size(found: Dim) -> Dim:
        whole = found.subs(known)
        return int(whole) if whole.is_Integer else whole

    def change(path: str, op: Op) -> Op:
        return replace(op, **{name: size(found) for name, found in dims_of(op).items() if is_symbol(found)})

    return architecture.replace(change)
