"""From a budget to a run: parameters and tokens by a law, a model of that size, its best plan on a cluster, days and dollars.

A budget in days or dollars becomes compute by the plan's own speed: a design for a guess of it, and again until it fits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from bursar import jobs, planner
from bursar.errors import PlanError
from bursar.machines.devices import Device
from bursar.planner import Candidate, Found, Space
from bursar.scaling import allocate, names, shapes
from bursar.scaling import law as named
from bursar.scaling.counting import RULES, count
from bursar.scaling.law import Doubt, Law, Optimum
from bursar.scaling.shapes import Experts, Shape

GUESS = 0.4  # share of the peak, before there is a plan
LONGEST_DAYS = 30  # what the number of devices is chosen for, where it is not given
SMALLEST, LARGEST = 8, 2**17  # devices
CLOSE = 0.005  # a budget in days or dollars is met to this share
ROUNDS = 16
EXPERTS_LAW = "ludziejewski"  # of active parameters and the number of experts


@dataclass(frozen=True)
class Wish:
    """What is asked for: a budget (exactly one of FLOP, dollars and days), the cluster, and what stays open in the options."""

    device: Device
    options: dict[str, Any]
    flops: float | None = None
    usd: float | None = None
    days: float | None = None
    law: str | None = None
    family: str | None = None
    experts: int | None = None
    granularity: int | None = None
    vocab: int | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.flops, self.usd, self.days) if value is not None]
        if len(given) != 1:
            raise PlanError(
                f"{len(given)} budgets are given", field="budget", value=len(given), valid="one of --budget, --usd and --days"
            )
        if self.usd is not None and self.price is None:
            raise PlanError(f"no price of {self.device.id} is known", field="price", valid="--price USD_PER_DEVICE_HOUR")
        if self.days is not None and self.devices is None:
            raise PlanError("days need a number of devices", field="devices", valid="--devices N or --nodes N")

    @property
    def price(self) -> float | None:
        return jobs.usd_per_device_hour_of(self.device, self.options.get("price"))

    @property
    def devices(self) -> int | None:
        return jobs.device_count(self.options, self.device)

    @property
    def peak(self) -> float:
        """FLOP/s of one device in bf16, or the widest of what it has."""
        peaks = self.device.peaks
        return float((peaks["bf16"] if "bf16" in peaks else next(iter(peaks.values()))).si)

    @property
    def routed(self) -> Experts | None:
        """Experts of a layer, and how many a token uses: as many as the granularity, so that they are as wide as a dense layer."""
        if self.experts is None:
            return None
        published = shapes.FAMILIES[shapes.family(self.family, self.experts)].model
        used = self.granularity or shapes.used_experts(published)
        if used > self.experts:
            raise PlanError(f"{used} of {self.experts} experts", field="granularity", value=used, valid=f"1 to {self.experts}")
        return Experts(self.experts, used)


class Design(NamedTuple):
    """A run: the law's optimum, the model, its plan, and what it takes."""

    flops: float
    law: Law
    optimum: Optimum
    rule: str
    shape: Shape
    tokens: int
    batch: jobs.Batch
    space: Space
    found: Found
    run: jobs.Run
    notes: tuple[Doubt, ...]

    @property
    def given(self) -> dict[str, float]:
        """What its law needs beside compute: experts for one that a token uses."""
        config = self.shape.config
        experts = config.get("num_experts") or config.get("num_local_experts")
        return {"experts": experts / config["num_experts_per_tok"]} if experts else {}

    @property
    def best(self) -> Candidate:
        return self.found.best[0]


class Predicted(NamedTuple):
    """The loss of a design by a law, in the law's unit; `comparable` with the chosen law where text and unit are the same."""

    law: str
    loss: float
    unit: str
    comparable: bool
    outside: list[Doubt]


def design(wish: Wish) -> Design:
    """The run that a budget buys. Raises PlanError where no model or no plan fits."""
    if wish.flops is not None:
        return _of_compute(wish, wish.flops)
    under: Design | None = None  # the largest that stays within the budget
    high = math.inf  # the least compute that does not
    flops = _first_guess(wish)
    for _ in range(ROUNDS):
        made = _of_compute(wish, flops)
        share = _spent(wish, made)
        if abs(share - 1) < CLOSE:
            return made
        if share < 1:
            under = made if under is None or made.flops > under.flops else under
        else:
            high = min(high, made.flops)
        if under is not None and high / under.flops < 1 + CLOSE:
            break
        flops = flops / share
        if under is not None and not under.flops * (1 + CLOSE) < flops < high * (1 - CLOSE):
            flops = math.sqrt(under.flops * high) if high < math.inf else under.flops * 2
    if under is None:
        raise PlanError("no run stays within the budget", field="budget", valid="a larger budget or fewer --devices")
    return under._replace(notes=(*under.notes, Doubt("unspent", {"share": 1 - _spent(wish, under)})))


def _spent(wish: Wish, made: Design) -> float:
    """The share of the budget in days or dollars that a run takes."""
    took, asked = (made.run.days, wish.days) if wish.days is not None else (made.run.cost_usd, wish.usd)
    assert took is not None and asked is not None
    return float(took / asked)


def _first_guess(wish: Wish) -> float:
    if wish.days is not None:
        assert wish.devices is not None
        seconds = wish.days * jobs.SECONDS_PER_DAY * wish.devices
    else:
        assert wish.usd is not None and wish.price
        seconds = wish.usd / wish.price * 3600
    return GUESS * wish.peak * seconds


def _of_compute(wish: Wish, flops: float) -> Design:
    experts = wish.routed
    law = named(wish.law or (EXPERTS_LAW if experts else allocate.DEFAULT))
    given = {"experts": experts.experts / experts.top_k} if experts else {}
    best = law.optimum(flops, **given)
    target = best.params if best.params is not None else best.model_scale
    assert target is not None
    rule, notes = _rule(law, experts)
    family = shapes.family(wish.family, wish.experts)
    found = shapes.shape(family, rule, target, experts=experts, vocab=wish.vocab, seq=wish.options.get("seq"))
    tokens = round(best.tokens * target / found.size)
    return _planned(wish, flops, law, best, rule, found, tokens, notes)


def _rule(law: Law, experts: Experts | None) -> tuple[str, list[Doubt]]:
    """The counting rule of a law; a law of dense models means active parameters where there are experts."""
    if experts and law.counts.params in ("total", "all but input embedding"):
        return "active", [Doubt("dense_law", {"law": law.name})]
    return law.counts.params, []


def _planned(wish: Wish, flops: float, law: Law, best: Optimum, rule: str, shape: Shape, tokens: int, notes: list[Doubt]) -> Design:
    """The plan of a model: on the devices that are given, or on the least power of two that would end
    within a month at 40 % of the peak."""
    asked = wish.options.get("global_batch") is not None or wish.options.get("global_batch_tokens") is not None
    batch_tokens = None if asked else round(_batch(flops, shape, tokens, wish.experts is not None))
    devices = wish.devices or _devices(flops, wish.peak)
    while True:
        options = {**wish.options, "devices": devices, "nodes": None}
        if batch_tokens is not None:
            options["global_batch_tokens"] = max(batch_tokens, shape.model.length(wish.options.get("seq")))
        space, batch = planner.space_of(shape.model, options, wish.device)
        found = planner.best_of(space)
        if found.best:
            break
        if wish.devices or devices >= LARGEST:
            need, have = found.leanest.peak / 2**30, wish.device.memory.si / 2**30
            raise PlanError(
                f"no plan fits {devices} × {wish.device.id}: the leanest needs {need:,.1f} GiB of {have:,.1f} GiB",
                field="devices", value=devices, valid="more --devices, a larger device, or a smaller budget",
            )  # fmt: skip
        devices *= 2
    run = jobs.run(space.training(found.best[0].plan), tokens, wish.options.get("price"))
    return Design(flops, law, best, rule, shape, tokens, batch, space, found, run, tuple(notes))


def _batch(flops: float, shape: Shape, tokens: int, experts: bool) -> float:
    """Tokens per step: by the Step Law of dense models, by Ling's of mixtures of experts; to a power of two, well within what the
    laws disagree by, because that is what devices share out evenly."""
    if experts:
        wanted = named("ling").hyperparameters(flops=flops)["batch_tokens"]
    else:
        wanted = named("step-law").hyperparameters(params=shape.size, tokens=tokens)["batch_tokens"]
    return 2.0 ** round(math.log2(wanted))


def _devices(flops: float, peak: float) -> int:
    devices = SMALLEST
    while flops / (GUESS * peak * devices) > LONGEST_DAYS * jobs.SECONDS_PER_DAY and devices < LARGEST:
        devices *= 2
    return devices


def predicted(made: Design) -> list[Predicted]:
    """The loss of a design by every law of dense models, or of every law of so many experts, by its own count of the model."""
    given = made.given
    found = []
    for name in names():
        law = named(name)
        if law.answers("loss") and law.takes == tuple(given) and law.counts.params in RULES:
            params = count(made.shape.model, law.counts.params)
            loss = float(law.loss(params, made.tokens, **given))
            outside = law.outside(params=params, tokens=made.tokens, **given)
            found.append(Predicted(name, loss, law.counts.loss, law is made.law or law.comparable(made.law), outside))
    return found
