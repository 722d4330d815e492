"""The KV cache: what every layer keeps of the tokens so far, by its rule, and the states that do not grow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bursar.explain.letters import Letters, Pair
from bursar.explain.lines import Both, layer_of, lines
from bursar.explain.step import Explained, Reason, Step, of_layer, times, total
from bursar.model import Model
from bursar.ops.attention import Attention, AttentionCore, CrossAttention
from bursar.ops.sparse import Index, SelectedAttention
from bursar.precision import bits_of, bytes_of, size
from bursar.step import Step as Workload
from bursar.tree import Line


def kv(model: Model, workload: Workload, dtype: str, layer: int | None = None) -> Explained:
    """Bytes of the cache of all sequences, or of one layer of it; beside it the recurrent state of one sequence."""
    named = Letters(model)
    numbers = {**named.numbers, "b": workload.sequences, "s": workload.queries}
    rate = bytes_of(bits_of(dtype))
    pairs = named.pairs if layer is None else (layer_of(named, layer)._replace(times=1, count=1),)
    steps = tuple([step for pair in pairs for step in _caches(pair, workload, rate)])
    formula, value = total(steps)
    root = Step(model.name, formula, value, "B", "explain_kv", {"kind": pairs[0].kind}, assumes=("assume_cache",), steps=steps)
    root = root if layer is None else of_layer(root, model.name, layer)
    return Explained(root, numbers, beside=tuple(_state(pairs, workload, rate, model.name)))


def _caches(pair: Pair, workload: Workload, rate: Any) -> Iterator[Step]:
    for both in lines(pair, workload):
        sizes = [_held(line, rate) for line in both]
        if None not in sizes:
            name = f"{pair.path}{both.path}"
            reasons = (Reason(_rule(both), (name,)),)
            yield Step(name, times(pair.count, sizes[1]), pair.times * sizes[0], "B", reasons=reasons)


def _held(line: Line, rate: Any) -> Any:
    """Bytes of the cache of an operator, if it has one."""
    return size(line.op.cache(line.step), rate) if isinstance(line.op, (AttentionCore, Index)) else None


def _rule(both: Both) -> str:
    """The rule by which a layer keeps tokens."""
    op = both.ints.op
    if isinstance(op, Index):
        return "cache_index"
    if isinstance(op, CrossAttention):
        return "cache_source"
    if not isinstance(op, Attention):
        return "cache_all"
    if not op.causal:
        return "cache_none"
    if op.cached != op.kv_heads * (op.head_dim + op.v_dim):
        return "cache_latent"
    if isinstance(op, SelectedAttention):
        return "cache_all"
    return "cache_window" if op.window is not None else "cache_chunk" if op.chunk is not None else "cache_all"


def _state(pairs: tuple[Pair, ...], workload: Workload, rate: Any, name: str) -> Iterator[Step]:
    steps: list[Step] = []
    for pair in pairs:
        for both in lines(pair, workload):
            ints, words = (size(line.op.state(), rate) for line in both)
            if type(ints) is not int or ints:
                path = f"{pair.path}{both.path}"
                steps.append(
                    Step(path, times(pair.count, words), pair.times * ints, "B", reasons=(Reason("cache_state", (path,)),))
                )
    if steps:
        formula, value = total(tuple(steps))
        yield Step(name, formula, value, "B", "explain_state", steps=tuple(steps))
