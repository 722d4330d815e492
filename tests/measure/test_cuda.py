"""Proves that the table of what CUDA's kernels keep is what their stand-ins keep: bytes beyond the CPU's, call by call, as rows of
`bursar.measure.cuda.KERNELS` have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="what is measured is PyTorch")

from bursar.measure.cuda import KERNELS, STAND_INS, kernels  # noqa: E402

functional = torch.nn.functional
B, S, A, D, W = 2, 9, 3, 16, 2  # sequences, tokens, heads, width of a head, bytes of BF16
N = B * S * A * D


def made(*shape: int) -> Any:
    return torch.zeros(shape, dtype=torch.bfloat16, requires_grad=True)


def kept(call: Callable[[], Any]) -> int:
    """Bytes of the storages that a call saves."""
    storages: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        storages[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = call()
    assert out.requires_grad
    return sum(storage.nbytes() for storage in storages.values())


def attended(heads: int = A, **given: Any) -> Any:
    """The core on Q, K and V head by head, and a product that reads its result token by token."""
    q, k, v = made(B, A, S, D), made(B, heads, S, D), made(B, heads, S, D)
    result = functional.scaled_dot_product_attention(q, k, v, **given)
    return result.transpose(1, 2).reshape(B * S, A * D) @ made(A * D, 1)


MASK = torch.zeros(B, 1, S, S, dtype=torch.bfloat16)
# the call, and the sum of the rows that it meets: bytes on CUDA less bytes on the CPU
CALLS: list[tuple[str, Callable[[], Any], int]] = [
    ("layer_norm", lambda: functional.layer_norm(made(B, S, D), (D,)), 8 * B * S - 2 * W * B * S),
    ("dropout", lambda: functional.dropout(made(B, S, A * D), 0.1, True), N - W * N),
    ("logsigmoid", lambda: functional.logsigmoid(made(B, S, A * D)), -W * N),
    ("scaled_dot_product_attention", attended, 0),
    (
        "scaled_dot_product_attention",
        lambda: attended(attn_mask=MASK),
        4 * B * A * (32 - S) + W * B * S * (16 - S) - W * N,  # log-sum-exp, bias, the copy of a result that is laid out as Q is
    ),
    # one head of keys for all queries: the fallback, whose dropout keeps a bool for every pair
    ("scaled_dot_product_attention", lambda: attended(heads=1, dropout_p=0.1), B * A * S * S - 4 * B * A * S * S),
]


@pytest.mark.parametrize(("function", "call", "beyond"), CALLS)
def test_what_cuda_keeps_beyond_the_cpu(function: str, call: Callable[[], Any], beyond: int) -> None:
    on_cpu = kept(call)
    with kernels():
        assert kept(call) - on_cpu == beyond


def test_dropout_in_a_fused_core_keeps_nothing() -> None:
    plain = kept(attended)
    with kernels():
        assert kept(lambda: attended(dropout_p=0.1)) == plain


def test_every_stand_in_is_said_in_words() -> None:
    assert {function for function, rows in KERNELS.items() if any(row.modelled for row in rows)} == set(STAND_INS)
    assert {function for function, _, _ in CALLS} == set(STAND_INS)
