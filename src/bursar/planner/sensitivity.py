"""What one fact of a job changed would bring: the best step after another whole search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from bursar.facts import Fact
from bursar.machines.devices import Device
from bursar.planner.found import Candidate, best_if_any
from bursar.planner.space import Space

GIGABYTE = 10**9


class Changed(NamedTuple):
    """A change by name, the best plan with it (None: none fits), and tokens per second over those of the best plan without it."""

    change: str
    best: Candidate | None
    faster: float | None


def _more(fact: Fact, times: float = 1, bytes_: float = 0) -> Fact:
    return replace(fact, value=fact.value * times + bytes_ / (fact.si / fact.value))


def _device(space: Space, change: Callable[[Device], Device]) -> Space:
    return replace(space, device=change(space.device))


def _network(device: Device) -> Device:
    return device if device.network is None else replace(device, network=_more(device.network, 2))


CHANGES: Mapping[str, Callable[[Space], Space]] = MappingProxyType({
    "memory": lambda s: _device(s, lambda d: replace(d, memory=_more(d.memory, bytes_=GIGABYTE))),
    "network": lambda s: _device(s, _network),
    "link": lambda s: _device(s, lambda d: replace(d, link=_more(d.link, 2))),
    "batch": lambda s: replace(s, global_batch=2 * s.global_batch),
})  # fmt: skip


def sensitivity(space: Space, best: Candidate | None) -> tuple[Changed, ...]:
    """The best plan with 1 GB more memory per device, a network and a link twice as fast, a global batch twice as large."""
    return tuple([_changed(name, change(space), space, best) for name, change in CHANGES.items()])


def _changed(name: str, changed: Space, space: Space, best: Candidate | None) -> Changed:
    found, grown = best_if_any(changed), changed.global_batch / space.global_batch
    return Changed(name, found, None if best is None or found is None else best.step_s / found.step_s * grown)
