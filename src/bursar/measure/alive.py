"""Storages that operators make, for as long as they live: which operator made each, and how many bytes there are at once.

An address is used again once a storage is gone, so a storage is known by a weak reference that forgets it in that moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple
from weakref import ref

import torch

OUTSIDE = -1


class Peak(NamedTuple):
    """The highest moment between operators, the first of equals: bytes, the module that ran, and its operator."""

    bytes: int
    module: str
    operator: str


class _Storage(ref):  # type: ignore[type-arg]
    """A storage while it lives: its address and its number, OUTSIDE for one that was there before."""

    __slots__ = ("address", "number")
    address: int
    number: int


class _Made(NamedTuple):
    bytes: int
    module: str
    operator: str


class Alive:
    """Storages in the order of their making; `events` are numbers of those that come, and their complements of those that go."""

    def __init__(self, outside: Iterable[Any]) -> None:
        self.known: dict[int, _Storage] = {}
        self.made: list[_Made] = []
        self.events: list[int] = []
        for tensor in outside:
            if tensor.layout == torch.strided:
                self._watch(tensor.untyped_storage(), OUTSIDE)

    def enter(self, tensor: torch.Tensor, module: str, operator: str) -> None:
        """A tensor that an operator returned; one whose storage is known already is a view."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self.known:
            number = len(self.made)
            self.made.append(_Made(int(storage.nbytes()), module, operator))
            self.events.append(number)
            self._watch(storage, number)

    def operator(self, address: int) -> str:
        """What made the storage that is there; "" for what came from outside."""
        found = self.known.get(address)
        return "" if found is None or found.number == OUTSIDE else self.made[found.number].operator

    def numbers(self, addresses: Iterable[int]) -> frozenset[int]:
        return frozenset(self.known[address].number for address in addresses if address in self.known)

    def peak(self, begin: int, end: int, without: Collection[int] = ()) -> Peak:
        """The highest moment from one event to another, of all storages but some."""
        return max(self._moments(begin, end, without), key=lambda moment: moment.bytes, default=Peak(0, "", ""))

    def by_module(self, begin: int, end: int, without: Collection[int] = ()) -> dict[str, int]:
        """The highest bytes while each module was the innermost one."""
        found: dict[str, int] = {}
        for moment in self._moments(begin, end, without):
            found[moment.module] = max(found.get(moment.module, 0), moment.bytes)
        return found

    def _moments(self, begin: int, end: int, without: Collection[int]) -> Iterator[Peak]:
        """Bytes after every storage that is made."""
        total = 0
        for at, event in enumerate(self.events[:end]):
            number = event if event >= 0 else ~event
            if number in without:
                continue
            bytes, module, operator = self.made[number]
            total += bytes if event >= 0 else -bytes
            if event >= 0 and at >= begin:
                yield Peak(total, module, operator)

    def _watch(self, storage: Any, number: int) -> None:
        found = _Storage(storage, self._gone)
        found.address, found.number = storage._cdata, number
        self.known[found.address] = found

    def _gone(self, storage: _Storage) -> None:
        self.known.pop(storage.address, None)
        if storage.number != OUTSIDE:
            self.events.append(~storage.number)
