"""The rewrite that marks what recomputation makes of the operators of a rank's layers.

A checkpoint is a set of lines of a block: the modules that Megatron-Core names, or all of a layer, or of several layers that are
put together as one block. A line inside keeps nothing but what the checkpoint reads from outside, and runs again; where the result
of a checkpoint is thrown away as well, the lines after it do not keep it either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from bursar import recompute
from bursar.ops.attention import AttentionCore
from bursar.ops.collective import Copy, Gather, GatherOnce
from bursar.ops.elementwise import Activation, Dropout, Gated
from bursar.ops.linear import Linear
from bursar.recompute import Spec, spec
from bursar.tree import Block, Input, Mark, Nested, Op

Part = tuple[str, int, Block]
TOGETHER = (Gather, GatherOnce, Copy)  # what brings tokens together before a product


class Module(NamedTuple):
    """A part of a layer that is a checkpoint: its lines, by path and operator, and whether its result is thrown away as well, to
    be made again before what reads it runs backward (Megatron-Core's output-discarding checkpoints). `beside`: a line that a layer
    must have for it."""

    holds: Callable[[str, Op], bool]
    discards: bool = False
    beside: str | None = None

    def lines(self, block: Block, prefix: str) -> list[str]:
        """Those of its lines that a block has. What brings the tokens together for other lines is no module by itself."""
        if self.beside is not None and self.beside not in block.lines:
            return []
        found = [name for name, op in block.lines.items() if self.holds(prefix + name, op) and not isinstance(op, Input)]
        return found if any(not isinstance(block.lines[name], TOGETHER) for name in found) else []


def _core(path: str, op: Op) -> bool:
    return isinstance(op, AttentionCore)


def _layer_norm(path: str, op: Op) -> bool:
    return op.slot == "norm" and path in ("attn.norm", "mlp.norm", "cross.norm", "mixer.norm")


def _mlp(path: str, op: Op) -> bool:
    """Between the norm and the residual sum; what brings the tokens together for it is a part of it."""
    outside = ("norm", "post_norm", "add", "dropout", "sum")
    words = path.split(".")
    return words[0] == "mlp" and (words[1] not in outside or isinstance(op, TOGETHER))


def _shared_experts(path: str, op: Op) -> bool:
    return path.startswith("shared.")


def _moe(path: str, op: Op) -> bool:
    return path.split(".")[0] in ("router", "experts", "shared") or path == "mlp.sum"


def _expert_activation(path: str, op: Op) -> bool:
    return path.startswith("experts.") and isinstance(op, (Gated, Activation))


def _latent_up(path: str, op: Op) -> bool:
    """What makes Q, K and V of the latents: norms, up-projections, rotations (`qkv_up_proj_and_rope_apply`)."""
    outside = ("core", "out", "norm", "add", "post_norm", "dropout", "q_down", "kv_down")
    words = path.split(".")
    return words[0] == "attn" and (words[1] not in outside or isinstance(op, TOGETHER))


# https://github.com/NVIDIA/Megatron-LM/blob/main/megatron/core/transformer/transformer_config.py: recompute_modules
MODULES: Mapping[str, Module] = {
    "core_attn": Module(_core),
    "layernorm": Module(_layer_norm, discards=True),
    "mlp": Module(_mlp),
    "moe_act": Module(_expert_activation, discards=True),
    "mla_up_proj": Module(_latent_up, discards=True, beside="attn.kv_down"),
    "moe": Module(_moe),
    "shared_experts": Module(_shared_experts),
}


def applied(layers: tuple[Part, ...], mode: str, checkpoint: str, done: dict[object, Block]) -> tuple[Part, ...]:
    """The layers of a chunk with every operator marked; `done` remembers blocks, so that what is equal stays one object."""
    chosen, early = spec(mode), checkpoint == "non-reentrant"

    def once(*blocks: Block) -> Block:
        key = tuple(map(id, blocks))
        if key not in done:
            done[key] = marked(blocks[0] if len(blocks) == 1 else together(blocks), chosen, early)
        return done[key]

    if not chosen.full:
        return tuple([(prefix, times, once(block)) for prefix, times, block in layers])
    trunk = [part for part in layers if part[0].startswith("layers.")]
    towers = [part for part in layers if part not in trunk]
    found = [(prefix, times, once(block)) for prefix, times, block in towers] if chosen.first is None else towers
    for parts, whole in _groups(trunk, chosen):
        if whole:
            found.append((parts[0][0], parts[0][1], once(*[block for _, _, block in parts])))
        else:
            found += parts
    return tuple(found)


def _groups(layers: list[Part], chosen: Spec) -> Iterator[tuple[list[Part], bool]]:
    """Runs of equal groups of layers, each group as one layer of every part, and whether it is recomputed."""
    left = chosen.first
    if left is not None:
        for prefix, times, block in layers:
            held = min(left, times)
            left -= held
            if held:
                yield [(prefix, held, block)], True
            if times > held:
                yield [(prefix, times - held, block)], False
        return
    waiting: list[Part] = []  # single layers of the group that is being filled
    for prefix, times, block in layers:
        left = times
        while left and (waiting or left < chosen.group):
            waiting.append((prefix, 1, block))
            left -= 1
            if len(waiting) == chosen.group:
                yield waiting, True
                waiting = []
        if whole := left // chosen.group:
            yield [(prefix, whole, block)] * chosen.group, True
            waiting = [(prefix, 1, block)] * (left - whole * chosen.group)
    if waiting:
        yield waiting, True


@lru_cache(maxsize=256)
def together(blocks: tuple[Block, ...]) -> Block:
    """Layers one after another as one block."""
    lines: dict[str, Op] = {}
    sources: dict[str, str] = {}
    last, kind, count = "", "", 0
    for index, block in enumerate(blocks):
        named: dict[str, str] = {}
        for name, op in block.lines.items():
            if isinstance(op, Input) and op.source:
                named[name] = sources.setdefault(name, name)
                lines.setdefault(name, op)
            elif isinstance(op, Input) and last:
                named[name] = last
            else:
                named[name] = f"{index}.{name}"
                renamed: dict[str, Any] = {wire: named[getattr(op, wire)] for wire in op.wires}
                lines[named[name]] = replace(op, **renamed)
        last, kind, count = named[[*block.lines][-1]], block.kind, count + 1
    return Block(lines, f"{kind}x{count}", block.sees)


@lru_cache(maxsize=1024)
def marked(block: Block, chosen: Spec, early: bool) -> Block:
    """A block whose operators know what of it runs again."""
    regions = _regions(block, chosen, "")
    if all(op.still for op in block.lines.values() if op.wires):
        return block  # nothing of it runs backward
    return _marked(block, regions, chosen, "", early)


def _regions(block: Block, chosen: Spec, prefix: str) -> dict[str, str]:
    """Line → the checkpoint that it is in."""
    if chosen.full:
        return {name: "full" for name, op in block.lines.items() if not isinstance(op, Input)}
    found: dict[str, str] = {}
    for word in recompute.MODULES:
        if word in chosen.modules:
            found = {**dict.fromkeys(MODULES[word].lines(block, prefix), word), **found}
    return found


def _marked(block: Block, regions: Mapping[str, str], chosen: Spec, prefix: str, early: bool) -> Block:
    stopping = {region for region in regions.values() if early and not _discards(region)}
    skipped = {name for region in stopping for name in _not_again(block, regions, region)}
    last = {name: region for name, region in regions.items() if region in stopping and name not in skipped}
    ends = {region: name for name, region in last.items()}.values()
    lines: dict[str, Op] = {}
    for name, op in block.lines.items():
        region = regions.get(name)
        if isinstance(op, Nested):
            path = f"{prefix}{name}."
            inner = dict.fromkeys(op.block.lines, region) if region else _regions(op.block, chosen, path)
            op = replace(op, block=_marked(op.block, inner, chosen, path, early and not region))
        roots = [(read, block.storage[read]) for read in op.reads]
        thrown = {read for read, root in roots if _discards(regions.get(root))} | ({name} if _discards(region) else set())
        if region:
            held = tuple([read for read, root in roots if regions.get(root) != region and read not in thrown])
            lines[name] = replace(op, mark=Mark(name not in skipped, True, held, last=name in ends))
        else:
            lines[name] = replace(op, mark=Mark(drops=frozenset(thrown))) if thrown else op
    return block.rewired(lines)


def _discards(region: str | None) -> bool:
    return region is not None and region in MODULES and MODULES[region].discards


def _not_again(block: Block, regions: Mapping[str, str], region: str) -> list[str]:
    """The lines at the end of a checkpoint that a run which stops early does not come to: sums, and a product whose backward pass
    needs its input and its weight alone."""
    found: list[str] = []
    for name in reversed([name for name in block.lines if regions.get(name) == region]):
        op = block.lines[name]
        if isinstance(op, Linear) and not op.still:
            return [*found, name]
        if op.slot != "nothing" and not op.still and not (isinstance(op, Dropout) and not op.p):
            return found
        found.append(name)
    return found


def present(blocks: list[Block]) -> list[str]:
    """The modules that any of these layers has."""
    return [word for word in MODULES if any(_has(block, word, "") for block in blocks)]


def missing(mode: str, blocks: Iterable[Block]) -> tuple[str, list[str]] | None:
    """The first module of a list that none of these layers has, and those that they have."""
    have = present(list(blocks))
    return next(((word, have) for word in spec(mode).modules if word not in have), None)


def _has(block: Block, word: str, prefix: str) -> bool:
    if MODULES[word].lines(block, prefix):
        return True
    return any(_has(op.block, word, f"{prefix}{name}.") for name, op in block.lines.items() if isinstance(op, Nested))
