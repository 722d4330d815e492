"""What a scaling law is: a form with constants, and what its letters count, where it was fitted, and how sure it is.

Losses of different laws are not comparable: their texts, tokenizers and counting rules differ. An answer outside the range that a
law was fitted on says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple

from bursar.dims import Dim
from bursar.errors import PlanError

PF_DAY = 8.64e19  # FLOP of a petaFLOP/s for a day


class Doubt(NamedTuple):
    """Something that makes an answer doubtful, as data: the reports' words have its text under `doubt_<key>`."""

    key: str
    facts: Mapping[str, Any]


class Counts(NamedTuple):
    """What the letters of a law count. `params` is one of the rules of `counting.py`."""

    params: str
    flops: str
    tokens: str
    loss: str


class Optimum(NamedTuple):
    """The best split of a compute budget: parameters (by the law's counting rule), tokens, and the loss there if the law has one.
    `model_scale` is FLOP per token, for laws that count so."""

    flops: float
    params: float | None
    tokens: float
    loss: float | None = None
    model_scale: float | None = None


class Spread(NamedTuple):
    """How sure a frontier is: the standard deviation of ln N* at a pivot budget, where it does not depend on that of the exponent,
    and the latter, both of a bootstrap."""

    flops: float
    level: float
    exponent: float

    def at(self, flops: float) -> float:
        """The standard deviation of ln N* at a budget."""
        return math.hypot(self.level, self.exponent * math.log(flops / self.flops))


@dataclass(frozen=True)
class Form:
    """A law's arithmetic; its fields are the constants. A form has those of the questions below that its paper answers; `reads`
    are the quantities that its hyper-parameters follow from."""

    reads: ClassVar[tuple[str, ...]] = ()

    @property
    def constants(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def loss(self, params: Dim, tokens: Dim, **more: float) -> Dim:
        raise NotImplementedError

    def alone(self, name: str, value: float) -> float:
        raise NotImplementedError

    def beside(self, name: str, value: float) -> dict[str, float]:
        """What the paper says of the others where one of them is given alone."""
        return {}

    def optimum(self, flops: float, **more: float) -> Optimum:
        raise NotImplementedError

    def hyperparameters(self, **given: float) -> dict[str, float]:
        raise NotImplementedError


@dataclass(frozen=True)
class Law:
    """A published law. `domain` holds the least and largest params, tokens, flops that it was fitted on; `seen` is how its
    constants are known: read in the source, at second hand, or recalled. `errors` are standard errors of constants."""

    name: str
    title: str
    source: str
    form: Form
    counts: Counts
    domain: Mapping[str, tuple[float, float]]
    seen: str
    errors: Mapping[str, float] = field(default_factory=dict)
    takes: tuple[str, ...] = ()  # what `loss` and `optimum` need beside parameters and tokens, or compute
    spread: Spread | None = None
    note: str = ""

    def answers(self, question: str) -> bool:
        """Whether its paper answers a question: loss, alone, optimum or hyperparameters."""
        return getattr(type(self.form), question) is not getattr(Form, question)

    def loss(self, params: Dim, tokens: Dim, **more: float) -> Dim:
        """Loss at N parameters and D tokens, in the law's own unit."""
        self._needs("loss")
        return self.form.loss(params, tokens, **self._given(self.takes, more))

    def alone(self, name: str, value: float) -> float:
        """Loss where parameters, tokens or FLOPs alone limit it, for laws that say so."""
        self._needs("alone")
        return self.form.alone(name, value)

    def optimum(self, flops: float, **more: float) -> Optimum:
        """The compute-optimal model and data of a budget in FLOP."""
        self._needs("optimum")
        return self.form.optimum(flops, **self._given(self.takes, more))

    def hyperparameters(self, **given: float) -> dict[str, float]:
        """Learning rate, batch and what else the law says for params, tokens, flops as it needs them."""
        self._needs("hyperparameters")
        return self.form.hyperparameters(**self._given(self.form.reads, given))

    def _given(self, names: tuple[str, ...], values: Mapping[str, float]) -> dict[str, float]:
        """What a question needs of the values at hand."""
        for name in names:
            if name not in values:
                raise PlanError(f"law {self.name} needs {name}", field=name, valid=f"--{name.replace('_', '-')} NUMBER")
        return {name: values[name] for name in names}

    def comparable(self, other: Law) -> bool:
        """Whether losses of both are of one text, tokenizer and unit, as far as the papers name them."""
        return self.counts.loss == other.counts.loss and "," in self.counts.loss

    def _needs(self, question: str) -> None:
        if not self.answers(question):
            have = [name for name in ("loss", "alone", "optimum", "hyperparameters") if self.answers(name)]
            raise PlanError(f"law {self.name} has no {question}", field="law", value=self.name, valid=have)

    def outside(self, **values: float | None) -> list[Doubt]:
        """Every value that lies outside the range of the fit."""
        found = []
        for name, value in values.items():
            if value is not None and name in self.domain:
                low, high = self.domain[name]
                if not low <= value <= high:
                    found.append(Doubt("outside", {"name": name, "value": value, "low": low, "high": high}))
        return found
