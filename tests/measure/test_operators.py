"""Proves that every kind of operator is counted, or named: products of each shape, grouped and narrow ones, convolutions, attention
on every device, loops and scans, recurrent layers; forward and backward, against counts by hand.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from bursar.measure import trace
from bursar.measure.flops import flops_of, has_formula
from bursar.measure.operators import WITHOUT_PRODUCTS, without_products
from bursar.measure.refused import TraceError

from .calls import Calls

aten = torch.ops.aten
BF16, FP8 = torch.bfloat16, torch.float8_e4m3fn
DEVICES = ("cpu", "meta")


def of(*shape: int, on: str = "cpu", dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.ones(shape, device=on, dtype=dtype, requires_grad=True)


# ── convolutions ──────────────────────────────────────────────────────────────────────────────

# function, x, weights, and multiply-adds: every output (of a transposed one every input) meets its group's filters
CONVOLUTIONS: tuple[tuple[Any, tuple[int, ...], tuple[int, ...], int], ...] = (
    (functional.conv1d, (2, 4, 10), (6, 4, 3), 2 * 8 * 6 * 4 * 3),
    (lambda x, w: functional.conv1d(x, w, groups=4), (2, 4, 10), (8, 1, 3), 2 * 8 * 8 * 1 * 3),  # depthwise, two filters a channel
    (lambda x, w: functional.conv2d(x, w, groups=2, stride=2, dilation=2), (2, 4, 10, 12), (6, 2, 3, 3), 2 * 3 * 4 * 6 * 2 * 9),
    (lambda x, w: functional.conv2d(x, w, padding=1), (2, 4, 5, 7), (6, 4, 3, 3), 2 * 5 * 7 * 6 * 4 * 9),
    (lambda x, w: functional.conv3d(x, w, groups=2), (2, 4, 5, 6, 7), (6, 2, 3, 2, 2), 2 * 3 * 5 * 6 * 6 * 2 * 12),
    (functional.conv_transpose1d, (2, 4, 10), (4, 5, 3), 2 * 10 * 4 * 5 * 3),
    (lambda x, w: functional.conv_transpose2d(x, w, groups=2, stride=2), (2, 4, 10, 7), (4, 3, 3, 3), 2 * 10 * 7 * 4 * 3 * 9),
    (functional.conv_transpose3d, (2, 4, 3, 4, 5), (4, 3, 3, 3, 2), 2 * 3 * 4 * 5 * 4 * 3 * 18),
)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("run", "x", "w", "products"), CONVOLUTIONS)
def test_convolutions(run: Any, x: tuple[int, ...], w: tuple[int, ...], products: int, device: str) -> None:
    """Both gradients have the products of the forward pass."""
    found = trace(Calls(run), of(*x, on=device), of(*w, on=device), strict=True)
    assert (found.forward, found.backward) == (2 * products, 4 * products)


# ── products ──────────────────────────────────────────────────────────────────────────────────

ENDS = torch.tensor([3, 8, 10], dtype=torch.int32)  # of three groups of ten rows
# function, inputs, multiply-adds forward, and how often they come again backward
PRODUCTS: tuple[tuple[Any, tuple[Any, ...], int, int], ...] = (
    (torch.mv, (of(3, 4), of(4)), 3 * 4, 1),  # the matrix's gradient is multiplied element by element
    (torch.einsum, ("bij,bjk->bik", of(2, 3, 4), of(2, 4, 5)), 2 * 3 * 4 * 5, 2),
    (torch.baddbmm, (of(2, 3, 5), of(2, 3, 4), of(2, 4, 5)), 2 * 3 * 4 * 5, 2),
    (torch.addbmm, (of(3, 5), of(2, 3, 4), of(2, 4, 5)), 2 * 3 * 4 * 5, 2),
    (functional.grouped_mm, (of(10, 16, dtype=BF16), of(3, 16, 8, dtype=BF16)), 10 * 16 * 8, 2),
    (torch.cdist, (of(30, 4), of(40, 4)), 30 * 40 * (4 + 2), 0),
    (lambda a, b: a.clone().addmm_(b, b), (of(3, 3), of(3, 3)), 27, 2),
    (lambda a, b: torch.mm(a, b, out=torch.empty(3, 5, device=a.device)), (of(3, 4), of(4, 5)), 60, 0),
    (lambda a, b: torch.addmv(a[0], a, b, out=torch.empty(3, device=a.device)), (of(3, 3), of(3)), 9, 0),
)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("run", "given", "products", "times"), PRODUCTS)
def test_products(run: Any, given: tuple[Any, ...], products: int, times: int, device: str) -> None:
    """A product into a tensor that is given has no gradient."""
    there = [part.detach().to(device).requires_grad_(times > 0) if isinstance(part, torch.Tensor) else part for part in given]
    grouped = {"offs": ENDS.to(device)} if run is functional.grouped_mm else {}
    found = trace(Calls(lambda *parts: run(*parts, **grouped)), *there, strict=True)
    assert (found.forward, found.backward) == (2 * products, 2 * times * products)


def test_narrow_products() -> None:
    """FP8, INT8 and four-bit numbers, of which an element holds two; a row of scales is no factor."""
    left, right, row = torch.ones(32, 64).to(FP8), torch.ones(48, 64).to(FP8).t(), torch.ones(32, 1)
    products = 32 * 64 * 48
    scaled = trace(Calls(lambda a, b: torch._scaled_mm(a, b, row, torch.ones(1, 48), out_dtype=BF16)), left, right, strict=True)
    assert scaled.forward == 2 * products
    new = flops_of(aten._scaled_mm_v2, (left, right, [row], [1], [0], [row], [1], [0], None, BF16), {}, None)
    assert new is not None and new.model == 2 * products
    whole = trace(Calls(torch._int_mm), torch.ones(32, 64, dtype=torch.int8), torch.ones(64, 48, dtype=torch.int8), strict=True)
    assert whole.forward == 2 * products
    four = [torch.empty(shape, dtype=torch.float4_e2m1fn_x2, device="meta") for shape in ((32, 32), (32, 48))]
    assert flops_of(aten._scaled_mm, (*four, row, row), {}, None) == (2 * products, 0)
    grouped = torch.empty(10, 16, dtype=FP8), torch.empty(3, 16, 8, dtype=FP8)
    assert flops_of(aten._scaled_grouped_mm, (*grouped, row, row, ENDS), {}, None) == (2 * 10 * 16 * 8, 0)


@pytest.mark.parametrize(
    ("left", "right", "products"),
    [
        ((10, 16), (3, 16, 8), 10 * 16 * 8),
        ((3, 5, 16), (16, 8), 5 * 16 * 8),
        ((10, 16), (16, 8), 10 * 16 * 8),
        ((3, 5, 16), (3, 16, 8), 3 * 5 * 16 * 8),
    ],
)
def test_groups_of_rows_of_columns_and_of_what_is_summed(left: tuple[int, ...], right: tuple[int, ...], products: int) -> None:
    given = torch.empty(left, device="meta"), torch.empty(right, device="meta")
    assert flops_of(aten._grouped_mm, given, {"offs": ENDS}, None) == (2 * products, 0)


# ── attention ─────────────────────────────────────────────────────────────────────────────────

B, A, K, S, T, D, E = 2, 4, 2, 6, 10, 8, 4  # sequences, heads, of keys; queries, keys; width of keys, of values
PAIRS = B * A * S * T


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("causal", [False, True])
def test_attention_of_torch(causal: bool, device: str) -> None:
    """All pairs of six queries and ten keys; the CPU's fused kernel computes the scores again, the written-out one does not."""
    q, k, v = of(B, A, S, D, on=device), of(B, K, T, D, on=device), of(B, K, T, D, on=device)
    run = Calls(lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True))
    found = trace(run, q, k, v, strict=True)
    assert (found.forward, found.backward) == (4 * PAIRS * D, 8 * PAIRS * D)
    assert found.again == (2 * PAIRS * D if device == "cpu" else 0)


KERNELS = (
    "flash_attention", "efficient_attention", "cudnn_attention", "flash_attention_for_cpu", "fused_attention_overrideable",
)  # fmt: skip


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_of_attention(kernel: str) -> None:
    """Of CUDA, ROCm, XPU, the CPU and of what others register; values narrower than keys."""
    q, k, v = (torch.empty(shape, device="meta") for shape in ((B, A, S, D), (B, K, T, D), (B, K, T, E)))
    forward = getattr(aten, f"_scaled_dot_product_{kernel}")
    backward = getattr(aten, f"_scaled_dot_product_{kernel}_backward")
    assert flops_of(forward, (q, k, v), {}, None) == (2 * PAIRS * (D + E), 0)
    assert flops_of(backward, (q, q, k, v), {}, None) == (4 * PAIRS * (D + E), 2 * PAIRS * D)


def test_attention_on_apple_devices() -> None:
    q, k = torch.empty((B, A, S, D), device="meta"), torch.empty((B, K, T, D), device="meta")
    assert flops_of(aten._scaled_dot_product_attention_math_for_mps, (q, k, k), {}, None) == (4 * PAIRS * D, 0)


@pytest.mark.parametrize("name", ["flash", "efficient"])
def test_kernels_that_take_tokens_before_heads(name: str) -> None:
    """(b, s, a, d); and sequences of 3 and 5 tokens end to end, of which pairs of one sequence alone meet. Without values each
    sequence is as long as the longest."""
    forward, backward = getattr(aten, f"_{name}_attention_forward"), getattr(aten, f"_{name}_attention_backward")
    none = (None,) if name == "efficient" else ()

    def asked(q: Any, k: Any, ends: Any, longest: Any) -> Any:
        bounds = ends, ends, longest, longest
        between = (None, q) if name == "efficient" else (q, None)  # bias and result, or result and log-sum-exp
        there = flops_of(forward, (q, k, k, *none, *bounds), {}, None)
        back = flops_of(backward, (q, q, k, k, *between, *bounds), {}, None)
        return there, back

    q, k = torch.empty((B, S, A, D), device="meta"), torch.empty((B, T, K, D), device="meta")
    assert asked(q, k, None, None) == ((4 * PAIRS * D, 0), (8 * PAIRS * D, 2 * PAIRS * D))
    packed = [torch.empty((*((1,) if name == "efficient" else ()), 8, heads, D)) for heads in (A, K)]
    ends = torch.tensor([0, 3, 8], dtype=torch.int32)
    pairs = A * (3 * 3 + 5 * 5)
    assert asked(*packed, ends, 5) == ((4 * pairs * D, 0), (8 * pairs * D, 2 * pairs * D))
    assert asked(*packed, ends.to("meta"), 5)[0] == (4 * A * 2 * 5 * 5 * D, 0)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("device", DEVICES)
def test_flex_attention(device: str) -> None:
    """With a causal block mask, changed scores and grouped heads, on devices that have no kernel for it; what it keeps is Q, K, V,
    the result, and two numbers a row (log-sum-exp and the largest score), beside the mask's tables."""
    q, k, v = of(1, 4, 128, 16, on=device), of(1, 2, 128, 16, on=device), of(1, 2, 128, 16, on=device)
    blocks = create_block_mask(lambda b, h, i, j: i >= j, None, None, 128, 128, device=device)
    run = Calls(lambda q, k, v: flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s * 2, block_mask=blocks, enable_gqa=True))
    found = trace(run, q, k, v, strict=True)
    pairs, inputs = 4 * 128 * 128, 4 * (4 + 2 + 2) * 128 * 16
    assert (found.forward, found.backward, found.again) == (4 * pairs * 16, 8 * pairs * 16, 2 * pairs * 16)
    made = {item.shape: item.bytes for item in found.saved if item.operator == "flex_attention"}
    assert made == {(1, 4, 128, 16): 4 * 4 * 128 * 16, (1, 4, 128): 4 * 4 * 128}
    rows = sum(item.bytes for item in found.saved if item.shape == (1, 4, 128))
    tables = sum(item.bytes for item in found.saved if item.dtype == "int32")
    assert found.saved_bytes == inputs + 4 * 4 * 128 * 16 + rows + tables


# ── loops and recurrent layers ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("device", DEVICES)
def test_a_scan_runs_step_by_step(device: str) -> None:
    """Five steps of (2, 3) × (3, 3); the first state has no gradient, so its step has that of the weight alone."""
    from torch._higher_order_ops.scan import scan

    class Scan(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.ones(3, 3))

        def forward(self, h: Any, x: Any) -> Any:
            def step(h: Any, x: Any) -> Any:
                h = torch.tanh(h @ self.w + x)
                return h, h.clone()

            return scan(step, h, x)[1]

    found = trace(Scan().to(device), torch.ones(2, 3, device=device), torch.ones(5, 2, 3, device=device), strict=True)
    step = 2 * 2 * 3 * 3
    assert (found.forward, found.backward) == (5 * step, 2 * 5 * step - step)


def test_branches_loops_and_maps() -> None:
    """The branch that is taken, with the gradient of a weight that it alone knows; three rounds; a product for every row."""
    from torch._higher_order_ops.associative_scan import associative_scan
    from torch._higher_order_ops.map import map as mapped
    from torch._higher_order_ops.while_loop import while_loop

    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.yes, self.no = nn.Linear(3, 4), nn.Linear(3, 5)

        def forward(self, x: Any) -> Any:
            return torch.cond(x.sum() > 0, self.yes, self.no, (x,))

    taken = trace(Branch(), torch.ones(2, 3), strict=True)
    assert (taken.forward, taken.backward) == (2 * 2 * 3 * 4,) * 2
    thrice = Calls(lambda x: while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x @ x), (torch.tensor(0), x)))
    assert trace(thrice, torch.ones(3, 3), strict=True).forward == 3 * 2 * 27
    rows = trace(Calls(lambda x, w: mapped(lambda row, w: row @ w, x, w)), of(5, 2, 3), of(3, 4), strict=True)
    assert (rows.forward, rows.backward) == (5 * 2 * 2 * 3 * 4, 2 * 5 * 2 * 2 * 3 * 4)
    products = Calls(lambda x: associative_scan(lambda a, b: a * b, x, 0, combine_mode="generic"))
    assert trace(products, of(5, 3), strict=True).forward == 0


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers(kind: Any, gates: int, device: str) -> None:
    """Two layers, both ways, 13 steps of 3 sequences, 7 → 11 a direction. Off the CPU's fused LSTM, inputs of the first layer (in
    both directions) and first states (in all four) have no gradients."""
    layers = kind(7, 11, num_layers=2, bidirectional=True, device=device)
    found = trace(layers, torch.ones(13, 3, 7, device=device), strict=True)
    first, second, state = 7 * 11, 22 * 11, 11 * 11
    forward = 2 * 13 * 3 * gates * 2 * (first + second + 2 * state)
    fused = kind is nn.LSTM and device == "cpu"
    without = 2 * 3 * gates * 2 * (13 * first + 2 * state)
    assert (found.forward, found.backward) == (forward, 2 * forward - (0 if fused else without))


def test_the_kernel_of_a_gpu_for_all_layers() -> None:
    """cuDNN's, of two layers of an LSTM 7 → 11: matrices of four gates, biases, nothing else."""
    weights = [torch.empty(shape, device="meta") for shape in ((44, 7), (44, 11), (44,), (44,), (44, 11), (44, 11), (44,), (44,))]
    x = torch.empty(13, 3, 7, device="meta")
    forward = 2 * 13 * 3 * 44 * (7 + 11 + 11 + 11)
    assert flops_of(aten._cudnn_rnn, (x, weights, 4), {}, None) == (forward, 0)
    for asked, times in ([True, True, True, True], 2), ([True, False, False, False], 1):
        assert flops_of(aten._cudnn_rnn_backward, (x, weights, 4, asked), {}, None) == (times * forward, 0)


# ── what is not counted ───────────────────────────────────────────────────────────────────────


def test_a_strict_trace_lists_every_operator_without_formula() -> None:
    def forward(x: Any) -> Any:
        return torch.linalg.qr(x)[1] + torch.fft.rfft(x).abs()[:, :1] + torch.linalg.inv(x) + torch.linalg.inv(x + 1)

    x = torch.eye(4) + torch.arange(16.0).view(4, 4) / 7
    with pytest.raises(TraceError) as refused:
        trace(Calls(forward), x, strict=True)
    for name in ("aten.linalg_qr (1 call)", "aten._fft_r2c (1 call)", "aten.linalg_inv_ex (2 calls)"):
        assert name in str(refused.value)
    assert refused.value.field == "strict"


def test_no_operator_is_both_a_product_and_none() -> None:
    """The tables of PyTorch's operators name what is there, and none that has a formula; in place is as elsewhere."""
    assert not [name for name in sorted(WITHOUT_PRODUCTS) if hasattr(aten, name) and has_formula(getattr(aten, name))]
    assert not [name for name in sorted(WITHOUT_PRODUCTS) if not hasattr(aten, name) and not hasattr(aten, f"{name}_")]
    assert without_products(aten.transpose_.default) and without_products(aten.masked_fill_.Scalar)
    assert not without_products(aten.addmm_.default) and has_formula(aten.addmm_)
