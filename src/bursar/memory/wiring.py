"""Which tensors of a block are there together, forward and backward, as its wiring alone says.

Forward, a tensor lives from the line that makes it to the last line that reads it, or on to its backward pass if an
implementation keeps it. Backward, the gradient of a tensor lives from the backward pass of its last reader to that of its
maker; a sum hands its gradient on to both of its terms, and gradients of one tensor from two readers are added up.

Names: a wire is the tensor that its line makes, `∂wire` its gradient (`∂wire+` that of a second reader, `∂wire+=` their sum),
`wire.name` what an implementation keeps, `wire forward` and `wire backward` what it holds for the length of a pass, `∂wire weights`
the gradients of weights. Moments that another one covers, tensor by tensor of the same size, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

# how a gradient goes through a line: into a new tensor, as it is, to all terms of a sum, into a part of one, over its input
MAKES, HANDS_ON, JOINS, FILLS, OVERWRITES = "makes", "hands on", "joins", "fills", "overwrites"


class Node(NamedTuple):
    """The wiring of a line, without sizes. `storage` names the tensor that its result is or is a view of, `keeps` what its
    implementation holds for backward, `again` whether it runs a second time."""

    path: str
    reads: tuple[str, ...]
    into: tuple[str, ...]  # those whose gradient it makes
    storage: str
    way: str
    keeps: tuple[str, ...]
    again: bool
    forward: bool  # holds something for the length of its forward pass
    backward: bool  # and of its backward pass
    weights: bool  # makes gradients of weights that are new tensors
    product: bool
    alike: tuple[str, ...]  # what it reads that is as large as what it makes


class Wiring(NamedTuple):
    """A block without sizes: its lines in order, what stays between its passes, what has a gradient, what is gathered
    in passing, whether the gradients of weights stay from here on, and what else is there until the forward pass of all blocks is
    over (copies of weights that autocast caches)."""

    nodes: tuple[Node, ...]
    stays: frozenset[str]
    differentiable: frozenset[str]
    gathers: frozenset[str]
    growing: bool
    cached: frozenset[str] = frozenset()


class Changes(NamedTuple):
    """A moment: the names of what is there together, and how that differs from the moment before."""

    names: tuple[str, ...]
    comes: tuple[str, ...]
    goes: tuple[str, ...]


class Moments(NamedTuple):
    """The moments of both passes, in order, and those of the forward pass that none of the backward pass covers."""

    forward: tuple[Changes, ...]
    backward: tuple[Changes, ...]
    beyond: tuple[Changes, ...]


# ── the moments of both passes ────────────────────────────────────────────────────────────


@lru_cache(maxsize=4096)
def moments(wiring: Wiring) -> Moments:
    """The moments of a block's passes that may be its highest."""
    passes = [list(dict.fromkeys(found)) for found in (_forward(wiring), _backward(wiring))]
    covers = _Cover(sizes(wiring.nodes), max([len(moment) for found in passes for moment in found]))
    forward, backward = [covers.highest(found) for found in passes]
    beyond = [moment for counts, moment in forward.items() if not covers.covered(counts, backward)]
    return Moments(_changes(forward.values()), _changes(backward.values()), _changes(beyond))


def sizes(nodes: tuple[Node, ...]) -> dict[str, str]:
    """Wire → the first wire of the same size that the wiring shows."""
    found: dict[str, str] = {}
    for node in nodes:
        same = [found[read] for read in node.alike if read in found]
        found[node.path] = same[0] if same else node.path
        for other in same[1:]:
            found.update({wire: same[0] for wire, size_ in found.items() if size_ == other})
    return found


class _Cover:
    """Which moment has as many tensors of each size as another. The counts of a moment are one whole number, with a field of bits
    for each size whose highest bit is free: where a field of one is larger than that of the other, their difference borrows it."""

    def __init__(self, kinds: Mapping[str, str], most: int) -> None:
        self.kinds, self.width = kinds, most.bit_length() + 1
        self.free = 0
        self.fields: dict[str, int] = {}
        self.ones: dict[str, int] = {}  # name of a tensor → a one in the field of its size

    def _one(self, name: str) -> int:
        """A gradient is as large as its tensor."""
        size = self.kinds.get(name.strip("∂+="), name)
        if size not in self.fields:
            self.fields[size] = 1 << (len(self.fields) * self.width)
            self.free += self.fields[size] << (self.width - 1)
        self.ones[name] = self.fields[size]
        return self.fields[size]

    def counts(self, moment: frozenset[str]) -> int:
        ones = self.ones
        return sum([ones[name] if name in ones else self._one(name) for name in moment])

    def covered(self, own: int, others: Iterable[int]) -> bool:
        return any(((other | self.free) - own) & self.free == self.free for other in others)

    def highest(self, found: list[frozenset[str]]) -> dict[int, frozenset[str]]:
        """The moments for which no other has as many tensors of each size, of equals the first, in order, by their counts. One that
        covers another has no fewer tensors."""
        places: dict[int, int] = {}
        for place in sorted(range(len(found)), key=lambda place: -len(found[place])):
            own = self.counts(found[place])
            if not self.covered(own, places):
                places[own] = place
        return {counts: found[place] for counts, place in sorted(places.items(), key=lambda item: item[1])}


def _changes(found: Iterable[frozenset[str]]) -> tuple[Changes, ...]:
    steps = pairwise([frozenset[str](), *found])
    return tuple([Changes(*[tuple(sorted(names)) for names in (new, new - old, old - new)]) for old, new in steps])


def _last_reads(nodes: Iterable[Node]) -> dict[str, str]:
    """Tensor → the last line that reads it."""
    storage: dict[str, str] = {}
    last: dict[str, str] = {}
    for node in nodes:
        storage[node.path] = node.storage
        for read in node.reads:
            if read in storage:
                last[storage[read]] = node.path
        last.setdefault(node.storage, "")  # what no line reads is the result of the block
    return last


def _run(nodes: tuple[Node, ...], live: set[str], stays: frozenset[str]) -> Iterator[frozenset[str]]:
    """A forward pass over lines, which changes what is there: one moment for each line."""
    last = _last_reads(nodes)
    for node in nodes:
        live.add(node.storage)
        passing = {*node.keeps, *([f"{node.path} forward"] if node.forward else [])}
        yield frozenset(live | passing)
        live |= passing & stays
        live -= {name for name, reader in last.items() if reader == node.path and name not in stays}


def _forward(wiring: Wiring) -> Iterator[frozenset[str]]:
    yield from _run(wiring.nodes, set(), wiring.stays | wiring.cached)


def _keepers(nodes: tuple[Node, ...]) -> dict[str, str]:
    """What is kept → the first line that keeps it, whose backward pass is the last to need it."""
    first: dict[str, str] = {}
    for node in nodes:
        for name in node.keeps:
            first.setdefault(name, node.path)
    return first


def _segments(nodes: tuple[Node, ...], stays: frozenset[str]) -> dict[str, tuple[Node, ...]]:
    """The last line that keeps what a run of lines makes when it is executed again (of the run itself, unless one after it keeps
    what was thrown away) → the run."""
    found: dict[str, tuple[Node, ...]] = {}
    run: list[Node] = []
    for node, after in zip(nodes, (*nodes[1:], None), strict=True):
        if node.again:
            run.append(node)
            if after is None or not after.again:
                made = {each.storage for each in run} - stays
                last = [node.path, *[late.path for late in nodes if not late.again and made.intersection(late.keeps)]][-1]
                found[last] = (*found.get(last, ()), *run)
                run = []
    return found


class _Gradients:
    """Which tensor holds the gradient of every wire; a sum hands the same one to all of its terms."""

    def __init__(self, last: str, wiring: Wiring) -> None:
        self.of = {last: f"∂{last}"} if last in wiring.differentiable else {}
        self.views: set[str] = set()  # made by a product: autograd adds two of them into a third

    @property
    def live(self) -> set[str]:
        return set(self.of.values())

    def offered(self, node: Node, wiring: Wiring) -> dict[str, str]:
        """What the backward pass of a line gives to every wire that it reads."""
        reads = [read for read in dict.fromkeys(node.into) if read in wiring.differentiable]
        if node.way in (HANDS_ON, JOINS):
            return dict.fromkeys(reads, self.of[node.path])
        if node.way == OVERWRITES:
            return dict(zip(reads, node.keeps, strict=False))
        if node.way == FILLS:
            return {read: self.of.get(read, f"∂{read}") for read in reads}
        return {read: f"∂{read}" if self.of.get(read) != f"∂{read}" else f"∂{read}+" for read in reads}

    def accept(self, node: Node, read: str, tensor: str) -> set[str]:
        """Adds a gradient to that of a wire; returns the sum's tensor where it is a third one."""
        held = self.of.get(read)
        viewed = node.product and node.way == MAKES
        if held is None:
            self.of[read] = tensor
            self.views |= {tensor} if viewed else set()
            return set()
        if viewed and held in self.views:
            self.views.discard(held)
            return {f"∂{read}+="}
        if sum(other == held for other in self.of.values()) > 1:
            self.of[read] = tensor  # the other wires still need theirs
        return set()


def _backward(wiring: Wiring) -> Iterator[frozenset[str]]:
    """The backward pass over a block, with what runs again before it."""
    nodes = wiring.nodes
    first, segments = _keepers(nodes), _segments(nodes, wiring.stays)
    grads = _Gradients(nodes[-1].path, wiring)
    live: set[str] = set(wiring.stays)
    gathered: set[str] = set()
    yield frozenset(live | grads.live)
    for node in reversed(nodes):
        if node.path in segments:
            made = {each.storage for each in segments[node.path]}
            needed = frozenset([name for each in segments[node.path] for name in each.keeps])
            needed |= made.intersection([name for each in nodes for name in each.keeps])
            for moment in _run(segments[node.path], set(live), needed | wiring.stays):
                yield moment | grads.live
            live |= needed
        if node.path in grads.of:
            gathered |= {read for read in node.reads if read in wiring.gathers}
            offered = grads.offered(node, wiring)
            weights = {f"∂{node.path} weights"} if node.weights else set()
            passing = {f"{node.path} backward"} if node.backward else set()
            yield frozenset(live | grads.live | set(offered.values()) | weights | passing | gathered)
            live |= weights if wiring.growing else set()
            del grads.of[node.path]
            for read, tensor in offered.items():
                before = grads.live | set(offered.values())
                if third := grads.accept(node, read, tensor):
                    yield frozenset((live - _done(first, node)) | before | third | gathered)
        gathered.discard(node.path)
        live -= _done(first, node)


def _done(first: Mapping[str, str], node: Node) -> set[str]:
    """What no earlier line needs for its backward pass."""
    return {name for name, keeper in first.items() if keeper == node.path}
