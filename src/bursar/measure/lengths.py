"""Exact FLOPs of a batch whose sequences have any lengths, in microseconds.

The cost of a model is read once as a polynomial in the number of sequences and their length (`polynomials`); a batch then costs the
sums of powers of its lengths. What is no polynomial, a window or a chunk, is asked for once at every length and remembered.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from bursar.errors import BursarError
from bursar.measure.polynomials import LENGTH, SEQUENCES, Polynomial, Powers, polynomial
from bursar.recompute import MODES, runs_again
from bursar.step import Step
from bursar.tree import Architecture, Block, Line

Price = Callable[[Line], Any]


class Batch(NamedTuple):
    """A micro-batch: the lengths of its sequences, and (how many, how long) the rows are that run, padding included."""

    lengths: tuple[int, ...]
    rows: tuple[tuple[int, int], ...]

    @property
    def tokens(self) -> int:
        """Those of sequences."""
        return sum(self.lengths)

    @property
    def run(self) -> int:
        """Those that run."""
        return sum(count * length for count, length in self.rows)


class Flops(NamedTuple):
    """FLOPs of a batch: `model`, of its sequences, forward and backward; `run`, of the rows that run, padding included; `again`, of
    what runs a second time for the backward pass."""

    model: int
    run: int
    again: int

    @property
    def executed(self) -> int:
        return self.run + self.again


class Priced:
    """A price of every operator of blocks, each so many times, read at any lengths."""

    def __init__(self, parts: Iterable[tuple[Any, Block]], price: Price, mask: str, images: int = 0) -> None:
        self.price, self.mask, self.images = price, mask, images
        self.stepwise: list[tuple[int, Block, frozenset[int]]] = []  # operators by their number in the block
        whole, repeated = polynomial(0), Counter[Block]()
        for times, block in parts:
            repeated[block] += times
        for block, times in repeated.items():
            found, others = self._read(block)
            whole = whole + times * found
            if others:
                self.stepwise.append((times, block, others))
        self.whole = Whole.of(whole)
        self.known: dict[int, Whole] = {}

    def of(self, rows: Iterable[tuple[int, int]]) -> int:
        """The cost of one pass over rows, each (how many, how long).

        Raises BursarError where a cost depends on how sequences of several lengths are put together."""
        rows = tuple(rows)
        total = self.whole.at(rows)
        return total + sum([self._at(row[1]).at((row,)) for row in rows]) if self.stepwise else total

    def _step(self, length: Any) -> Step:
        return Step(SEQUENCES, length, 0, self.mask, images=self.images)

    def _read(self, block: Block) -> tuple[Polynomial, frozenset[int]]:
        """The polynomial of a block, and the operators that have none."""
        found, others = polynomial(0), set()
        for number, line in enumerate(block.walk(self._step(LENGTH))):
            try:
                found = found + polynomial(self.price(line))
            except TypeError:
                others.add(number)
        return found, frozenset(others)

    def _at(self, length: int) -> Whole:
        """The terms at one length of what is no polynomial in it."""
        if length not in self.known:
            found = polynomial(0)
            for times, block, numbers in self.stepwise:
                lines = [line for number, line in enumerate(block.walk(self._step(length))) if number in numbers]
                found = found + times * sum([polynomial(self.price(line)) for line in lines], polynomial(0))
            self.known[length] = Whole.of(found)
        return self.known[length]


class Whole(NamedTuple):
    """A polynomial with whole values: whole coefficients over one denominator."""

    terms: tuple[tuple[Powers, int], ...]
    over: int

    @classmethod
    def of(cls, found: Polynomial) -> Whole:
        over = math.lcm(*[value.denominator for value in found.terms.values()])
        return cls(tuple((powers, int(value * over)) for powers, value in found.terms.items()), over)

    def at(self, rows: tuple[tuple[int, int], ...]) -> int:
        return sum([value * _power(rows, powers) for powers, value in self.terms]) // self.over


def _power(rows: tuple[tuple[int, int], ...], powers: Powers) -> int:
    """Σ length^p over all sequences; 1 for what a pass pays once."""
    of_count, of_length = powers
    if of_count == 1:
        return sum([count * length**of_length for count, length in rows])
    if powers == (0, 0):
        return 1
    if len({length for _, length in rows}) == 1:
        return int(sum(count for count, _ in rows) ** of_count * rows[0][1] ** of_length)
    raise BursarError(
        "FLOPs of sequences of several lengths in one pass do not add up in this model",
        field="lengths",
        valid="sequences of one length",
    )


class Counting:
    """FLOPs of training batches of a model, under a mask convention ("full": every pair of a sequence; "causal": those that are
    attended to) and a recompute mode, "none", "selective" or "full". `images` is how many pictures a sequence has."""

    def __init__(self, tree: Architecture, mask: str = "full", mode: str = "none", images: int = 0) -> None:
        if mode not in MODES:
            raise BursarError(f"recompute={mode} of a meter", field="recompute", value=mode, valid=MODES)
        parts = [(times, block) for _, times, block in tree.parts()]
        layers = [(run.times, run.block) for run in tree.trunk if mode != "none"]
        self.train = Priced(parts, _trained, mask, images)
        self.again = Priced(layers, lambda line: line.op.flops(line.step) if runs_again(line.op, mode) else 0, mask, images)
        self.limit = tree.max_length

    def of(self, batch: Batch) -> Flops:
        """Raises BursarError where a row is longer than the model's positions."""
        if self.limit is not None and any(length > self.limit for _, length in batch.rows):
            raise BursarError(
                f"a sequence is beyond the {self.limit} learned positions", field="lengths", valid=f"1 to {self.limit}"
            )
        model = self.train.of([(1, length) for length in batch.lengths])
        return Flops(model, self.train.of(batch.rows), self.again.of(batch.rows))


def _trained(line: Line) -> Any:
    """Model FLOPs of a training step."""
    return line.op.flops(line.step) + sum(line.op.gradients(line.step))
