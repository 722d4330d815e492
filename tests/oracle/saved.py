"""What autograd saves on the CPU, put right by name to what it saves on a CUDA device.

The CPU runs the same modules, so that all that differs is what a few kernels keep; each difference is computed where the kernel is
called and entered under its name (`differences.KERNELS` says them in words):

- statistics   LayerNorm keeps its mean and deviation in FP32 on CUDA, in the dtype of its input on the CPU.
- logsumexp    with a mask CUDA runs memory-efficient attention, which fills the rows of the logsumexp up to a multiple of 32.
- bias         the same kernel wants the rows of the mask at a multiple of 8: a mask that is not is copied for every call.
- contiguous   the same kernel makes its result token by token; on the CPU (as with flash attention on CUDA) it is laid out as Q is,
               and read again as a copy where Q is laid out head by head.
- mask         dropout of the fallback that is written out keeps a bool mask on CUDA, one in FP32 on the CPU.

Dropout elsewhere is `aten.native_dropout`, whose mask is a bool as CUDA's is; in fused attention it is left out, since CUDA's
kernels keep the state of the random numbers and no mask.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from . import reference
from .values import Values

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")

from bursar.measure.cuda import BIAS_ROW, LOGSUMEXP_ROW, filled  # noqa: E402
from bursar.measure.cuda import dropout as native_dropout  # noqa: E402

DTYPES = {"fp32": torch.float32, "bf16-pure": torch.bfloat16}


class Differences:
    """Bytes that CUDA keeps beyond the CPU, by name, as the kernels are called."""

    def __init__(self) -> None:
        self.bytes: Counter[str] = Counter()
        self.masks: dict[int, Any] = {}  # by id, held so that an id is not used again
        self.layer_norm, self.attention = torch.nn.functional.layer_norm, torch.nn.functional.scaled_dot_product_attention

    def normed(self, x: Any, shape: Any, *others: Any, **named: Any) -> Any:
        self.bytes["statistics"] += 2 * (x.numel() // math.prod(shape)) * (4 - x.dtype.itemsize)
        return self.layer_norm(x, shape, *others, **named)

    def attended(self, q: Any, k: Any, v: Any, attn_mask: Any = None, dropout_p: float = 0.0, **named: Any) -> Any:
        one_for_all = k.shape[1] != q.shape[1] and not named.get("enable_gqa")
        if one_for_all:  # no fused kernel takes it, here or there
            self.bytes["mask"] -= 3 * math.prod(q.shape[:-1]) * k.shape[2] * bool(dropout_p)
        elif attn_mask is not None:
            self.masked(q, k, attn_mask)
        return self.attention(q, k, v, attn_mask=attn_mask, dropout_p=dropout_p if one_for_all else 0.0, **named)

    def masked(self, q: Any, k: Any, mask: Any) -> None:
        *rows, queries, _ = q.shape
        self.bytes["logsumexp"] += math.prod(rows) * (filled(queries, LOGSUMEXP_ROW) - queries) * 4
        lines, keys, size = math.prod(mask.shape[:-1]), k.shape[2], q.dtype.itemsize
        if mask.dtype == torch.bool:  # made anew in the working dtype on every call, here and there
            self.bytes["bias"] += lines * (filled(keys, BIAS_ROW) - keys) * size
        elif keys % BIAS_ROW:  # one for all calls here
            self.bytes["bias"] += lines * filled(keys, BIAS_ROW) * size - (id(mask) not in self.masks) * lines * keys * size
            self.masks[id(mask)] = mask
        if q.is_contiguous() and q.shape[1] > 1:
            self.bytes["contiguous"] -= q.numel() * size


def saved_bytes(
    values: Values, kernels: str, precision: str, seq: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, Counter[str]]:
    """Bytes that autograd keeps of one training step's forward pass on the CPU, each storage once and those of parameters and
    buffers not at all; and what CUDA keeps beyond, by name."""
    beyond = Differences()
    monkeypatch.setattr(torch.nn.functional, "dropout", native_dropout)
    monkeypatch.setattr(torch.nn.functional, "layer_norm", beyond.normed)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", beyond.attended)
    model = reference.build(values, device="cpu", attention=kernels).to(DTYPES[precision]).train()
    own = {tensor.untyped_storage()._cdata for tensor in (*model.parameters(), *model.buffers())}
    storages: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            storages[storage._cdata] = storage  # held, so that its address is not used again
        return tensor

    ids = torch.zeros((batch, seq), dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    assert loss.requires_grad
    monkeypatch.undo()
    return sum(storage.nbytes() for storage in storages.values()), beyond.bytes
