"""The sequences of a batch, read from the tensors that a training loop hands to its model.

| it has | it means |
|---|---|
| `cu_seq_lens_q`, `cu_seqlens` | packed: sequences end to end, boundaries as flash attention's variable-length kernels take them |
| `attention_mask` (b, s) | padded: a row's tokens are those that are not 0 |
| `position_ids` (b, s) without a mask | packed: a sequence begins where the position is 0 |
| `input_ids`, `inputs_embeds`, or a tensor (b, s, …) | every row is a sequence |

What runs of packed rows depends on the kernels: those of variable length run every sequence by itself, others whole rows.
Nothing waits for a GPU: what has to be read from one is asked for there, and fetched when a reading is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch

from bursar.errors import BursarError
from bursar.measure.lengths import Batch

BOUNDARIES, IDS = ("cu_seq_lens_q", "cu_seqlens_q", "cu_seqlens"), ("input_ids", "inputs_embeds", "decoder_input_ids")
Later = Callable[[], Batch]  # fetches from the device


def read(batch: Any, varlen: bool = False) -> Batch | Later:
    """The sequences of a batch, or what fetches them; `varlen` says that packed rows run sequence by sequence.

    Raises BursarError where a batch has none of the tensors above."""
    given = batch if isinstance(batch, Mapping) else {"input_ids": _first(batch)}
    ids = next((given[name] for name in IDS if given.get(name) is not None), None)
    if ids is None or ids.dim() < 2:
        raise _refused(f"a batch of {', '.join(map(str, given)) or 'nothing'}")
    rows, width = int(ids.shape[0]), int(ids.shape[1])
    bounds = next((given[name] for name in BOUNDARIES if given.get(name) is not None), None)
    if bounds is not None:
        return _soon(bounds, lambda ends: _packed(_between(ends), True, rows, width))
    mask = given.get("attention_mask")
    if mask is not None:
        if mask.dim() != 2:
            raise _refused(f"an attention_mask of {mask.dim()} dimensions")
        return _soon(mask.ne(0).sum(-1), lambda lengths: Batch(tuple(n for n in lengths if n), ((rows, width),)))
    positions = given.get("position_ids")
    if positions is not None and positions.dim() == 2:
        starts = positions.eq(0).expand(rows, width)
        return _soon(starts, lambda marks: _packed([n for row in marks for n in _runs(row)], varlen, rows, width))
    return Batch((width,) * rows, ((rows, width),))


def given_lengths(lengths: Any) -> Batch:
    """Sequences of these lengths, each run by itself."""
    found = tuple(int(n) for n in (lengths.tolist() if isinstance(lengths, torch.Tensor) else lengths))
    if not found or min(found) < 1:
        raise BursarError("a batch without sequences", field="lengths", value=found, valid="lengths of 1 or more")
    return Batch(found, tuple((1, n) for n in found))


def _first(batch: Any) -> Any:
    """The tensor of a batch that is a tensor, or begins with one."""
    found = batch[0] if isinstance(batch, (tuple, list)) and batch else batch
    if not isinstance(found, torch.Tensor):
        raise _refused(f"a batch that is {type(batch).__name__}")
    return found


def _soon(tensor: torch.Tensor, make: Callable[[Any], Batch]) -> Batch | Later:
    """Made at once of what is on the host, later of what a device still works on: of a copy, since a loop may reuse its buffers."""
    if tensor.device.type == "cpu":
        return make(tensor.tolist())
    kept = tensor.detach().clone()
    return lambda: make(kept.tolist())


def _between(ends: list[int]) -> list[int]:
    return [after - before for before, after in pairwise(ends) if after > before]


def _runs(marks: list[bool]) -> list[int]:
    """Lengths of what begins at every mark; a row begins with a sequence in any case."""
    starts = [0, *[at for at, mark in enumerate(marks) if mark and at], len(marks)]
    return _between(starts)


def _packed(lengths: list[int], varlen: bool, rows: int, width: int) -> Batch:
    return Batch(tuple(lengths), tuple((1, n) for n in lengths) if varlen else ((rows, width),))


def _refused(what: str) -> BursarError:
    return BursarError(
        f"no sequences in {what}", field="batch", valid="input_ids with attention_mask, position_ids or cu_seqlens; or lengths=[…]"
    )
