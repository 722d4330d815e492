"""Proves `trace` against counts by hand, on modules that are no language models: every product, forward and backward, with its
shape, and every parameter once.

Sizes share few factors, so that a wrong one shows. Letters: B samples, C channels, H × W pixels, k kernel, s tokens, h width.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from bursar.measure import trace
from bursar.measure.flops import FORMULAS, counts
from bursar.measure.refused import TraceError

FP32 = 4


def test_an_mlp() -> None:
    """Register N3.01 to N3.03: 32-128-128-10 of 64 samples; the input has no gradient, so layer 1 has one product backward."""
    mlp = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    products = [2 * 64 * n * m for n, m in ((32, 128), (128, 128), (128, 10))]
    found = trace(mlp, torch.randn(64, 32))
    assert found.params == 32 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10
    assert (found.forward, found.backward) == (2_785_280, 5_046_272) == (sum(products), 2 * sum(products) - products[0])
    assert trace(mlp, torch.randn(64, 32, requires_grad=True)).backward == 5_570_560
    # the input for the first weight's gradient, each ReLU's result for its own and for the next weight's
    assert found.saved_bytes == FP32 * 64 * (32 + 128 + 128)


def test_a_residual_network() -> None:
    """conv 3→16, 7×7, stride 2 on 32×32; a block of two 3×3 with a 1×1 shortcut to 24 channels at stride 2; pooled; 10 classes."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(16, 24, 3, stride=2, padding=1, bias=False)
            self.b = nn.Conv2d(24, 24, 3, padding=1, bias=False)
            self.short = nn.Conv2d(16, 24, 1, stride=2, bias=False)
            self.n, self.m = nn.BatchNorm2d(24), nn.BatchNorm2d(24)

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(self.m(self.b(nn.functional.relu(self.n(self.a(x))))) + self.short(x))

    stem = nn.Conv2d(3, 16, 7, stride=2, padding=3, bias=False)
    net = nn.Sequential(stem, Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10))
    found = trace(net, torch.randn(5, 3, 32, 32))
    first, rest = 5 * 16 * 16 * 16 * 3 * 49, 5 * 8 * 8 * (24 * 16 * 9 + 24 * 24 * 9 + 24 * 16)  # multiply-adds
    head = 5 * 24 * 10
    assert found.params == 3 * 16 * 49 + 16 * 24 * 9 + 24 * 24 * 9 + 16 * 24 + 4 * 24 + 24 * 10 + 10
    assert found.buffers == 2 * (24 + 24 + 1)  # running mean and variance, and the batches seen
    assert found.forward == 2 * (first + rest + head)
    assert found.backward == 2 * (first + 2 * rest + 2 * head)  # pixels have no gradient
    assert found.macs == first + rest + head


def test_a_depthwise_and_a_transposed_convolution_as_in_a_unet() -> None:
    """Down by a strided convolution, depthwise 3×3 (groups = channels: every filter meets its own channel alone), up transposed."""
    down, depthwise, up = (
        nn.Conv2d(4, 6, 2, stride=2),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
        nn.ConvTranspose2d(6, 4, 2, stride=2),
    )

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.depthwise, self.up = down, depthwise, up
            self.out = nn.Conv2d(8, 1, 1)

        def forward(self, x: Any) -> Any:
            return self.out(torch.cat([x, self.up(nn.functional.silu(self.depthwise(self.down(x))))], dim=1))

    found = trace(UNet(), torch.randn(3, 4, 10, 14))
    small, whole = 3 * 5 * 7, 3 * 10 * 14
    products = {"down": small * 6 * 4 * 4, "depthwise": small * 6 * 9, "up": small * 6 * 4 * 4, "out": whole * 8}
    parts = {part.path: part for part in found.parts}
    for name, multiply_adds in products.items():
        assert parts[name].forward == 2 * multiply_adds, name
        assert parts[name].backward == 2 * multiply_adds * (1 if name == "down" else 2), name


def test_an_lstm() -> None:
    """Every step multiplies its input and the state by the matrices of four gates, in both layers."""
    lstm = nn.LSTM(7, 11, num_layers=2)
    found = trace(lstm, torch.randn(13, 3, 7))
    layers = [4 * 11 * (7 + 11), 4 * 11 * (11 + 11)]
    assert found.params == sum(layers) + 2 * 2 * 4 * 11
    assert found.forward == 2 * 13 * 3 * sum(layers)
    assert not found.unknown
    assert found.backward == 2 * found.forward  # the CPU's fused kernel makes the input's gradient whether asked for or not


class Attention(nn.Module):
    """q, k, v, o of width h with `heads` heads."""

    def __init__(self, h: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(h, 3 * h), nn.Linear(h, h)

    def forward(self, x: Any) -> Any:
        b, s, h = x.shape
        q, k, v = self.qkv(x).view(b, s, 3, self.heads, h // self.heads).permute(2, 0, 3, 1, 4)
        return self.out(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, s, h))


class Encoder(nn.Module):
    """A layer of a transformer before its norms."""

    def __init__(self, h: int, heads: int, f: int) -> None:
        super().__init__()
        self.n, self.m = nn.LayerNorm(h), nn.LayerNorm(h)
        self.attention, self.mlp = Attention(h, heads), nn.Sequential(nn.Linear(h, f), nn.GELU(), nn.Linear(f, h))

    def forward(self, x: Any) -> Any:
        x = x + self.attention(self.n(x))
        return x + self.mlp(self.m(x))


def encoder(b: int, s: int, h: int, f: int) -> int:
    """Multiply-adds of one such layer: 4h² + 2hf per token, 2h per pair of tokens."""
    return b * s * (4 * h * h + 2 * h * f) + b * s * s * 2 * h


def test_a_vision_transformer() -> None:
    """Patches of 4×4 of 3 channels in a 12×20 picture: 15 tokens of width 24, two layers, a head on their mean."""

    class ViT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 24, 4, stride=4)
            self.layers = nn.Sequential(Encoder(24, 3, 56), Encoder(24, 3, 56))
            self.head = nn.Linear(24, 9)

        def forward(self, x: Any) -> Any:
            return self.head(self.layers(self.patches(x).flatten(2).transpose(1, 2)).mean(1))

    found = trace(ViT(), torch.randn(2, 3, 12, 20))
    patches, layers, head = 2 * 15 * 24 * 48, 2 * encoder(2, 15, 24, 56), 2 * 24 * 9
    assert found.forward == 2 * (patches + layers + head)
    assert found.backward == 2 * (patches + 2 * layers + 2 * head)
    assert found.again == 2 * (2 * 15 * 15 * 24) * 2  # the fused kernel computes Q·Kᵀ once more, in both layers


def test_two_towers_as_in_clip() -> None:
    """A tower of pictures and one of texts; B × B products of their embeddings."""

    class Clip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image, self.text = nn.Linear(30, 16), nn.Sequential(nn.Embedding(50, 20), Encoder(20, 2, 44))
            self.project, self.scale = nn.Linear(20, 16, bias=False), nn.Parameter(torch.ones(()))

        def forward(self, pixels: Any, ids: Any) -> Any:
            i, t = nn.functional.normalize(self.image(pixels)), nn.functional.normalize(self.project(self.text(ids)[:, -1]))
            return self.scale * i @ t.T

    found = trace(Clip(), torch.randn(7, 30), torch.zeros((7, 5), dtype=torch.long))
    image, text, project, pairs = 7 * 30 * 16, encoder(7, 5, 20, 44), 7 * 20 * 16, 7 * 7 * 16
    assert found.forward == 2 * (image + text + project + pairs)
    assert found.backward == 2 * (image + 2 * (text + project + pairs))  # pixels have no gradient; a look-up is no product


def test_a_block_of_a_diffusion_transformer() -> None:
    """A block whose norms are modulated by six vectors made from a condition (arXiv:2212.09748, figure 3)."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.n = nn.LayerNorm(24, elementwise_affine=False)
            self.attention, self.mlp = Attention(24, 3), nn.Sequential(nn.Linear(24, 96), nn.GELU(), nn.Linear(96, 24))
            self.modulate = nn.Linear(24, 6 * 24)

        def forward(self, x: Any, condition: Any) -> Any:
            a, b, c, d, e, f = self.modulate(nn.functional.silu(condition)).unsqueeze(1).chunk(6, -1)
            x = x + c * self.attention(self.n(x) * (1 + a) + b)
            return x + f * self.mlp(self.n(x) * (1 + d) + e)

    found = trace(Block(), torch.randn(2, 10, 24), torch.randn(2, 24))
    block, modulation = encoder(2, 10, 24, 96), 2 * 24 * 6 * 24
    assert found.forward == 2 * (block + modulation)
    assert found.backward == 2 * (
        2 * block + modulation
    )  # the condition has no gradient; x has, through the modulation of its norm


def test_a_scan_has_the_products_that_it_has() -> None:
    """h ← a·h + b·x element by element, y = C·h: one product of n elements per channel and token, forward and twice backward."""

    class Scan(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.c = nn.Parameter(torch.rand(6, 4)), nn.Parameter(torch.rand(3, 4, 1))

        def forward(self, x: Any) -> Any:
            h, made = torch.zeros(3, 6, 4), []
            for token in x.unbind(1):
                h = self.a * h + token.unsqueeze(-1)
                made.append(torch.bmm(h, self.c).squeeze(-1))
            return torch.stack(made, 1)

    found = trace(Scan(), torch.randn(3, 5, 6))
    assert found.forward == 5 * 2 * 3 * 6 * 4
    assert found.backward == 2 * found.forward
    assert not found.unknown


@torch.library.custom_op("bursar_tests::gram", mutates_args=())
def gram(x: torch.Tensor) -> torch.Tensor:
    """x·xᵀ, as an operator that nothing is known of."""
    return x @ x.T


@gram.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return x.new_empty(x.shape[0], x.shape[0])


class Gram(nn.Module):
    def forward(self, x: Any) -> Any:
        return gram(x)


def test_a_custom_operator_is_named_until_its_formula_is_registered() -> None:
    found = trace(Gram(), torch.randn(5, 3))
    assert dict(found.unknown) == {"bursar_tests.gram": 1}
    with pytest.raises(TraceError, match=r"bursar_tests\.gram"):
        trace(Gram(), torch.randn(5, 3), strict=True)

    @counts(torch.ops.bursar_tests.gram)
    def _gram(x: Any, *, out: Any) -> int:
        return 2 * int(x.shape[0]) ** 2 * int(x.shape[1])

    try:
        known = trace(Gram(), torch.randn(5, 3), strict=True)
        assert (known.forward, dict(known.unknown)) == (2 * 5 * 5 * 3, {})
    finally:
        FORMULAS.pop(torch.ops.bursar_tests.gram)


def test_the_example_of_contributing() -> None:
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    try:
        exec(compile(block, "CONTRIBUTING.md", "exec"), {"__name__": "example"})
    finally:
        FORMULAS.pop(torch.ops.mine.gram, None)


def test_tied_and_frozen_weights() -> None:
    """A table that is also the head counts once; a frozen product has no gradient of its weights, and what precedes all that is
    trained has none at all."""

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.first, self.second = nn.Embedding(40, 12), nn.Linear(12, 12), nn.Linear(12, 12)
            self.head = nn.Linear(12, 40, bias=False)
            self.head.weight = self.table.weight

        def forward(self, ids: Any) -> Any:
            return self.head(self.second(self.first(self.table(ids))))

    model = Tied()
    ids = torch.zeros((2, 9), dtype=torch.long)
    assert trace(model, ids).params == 40 * 12 + 2 * (12 * 12 + 12)
    square, head = 2 * 18 * 12 * 12, 2 * 18 * 12 * 40
    assert trace(model, ids).backward == 2 * (2 * square + head)
    model.second.requires_grad_(False)
    assert trace(model, ids).backward == 2 * (2 * square + head) - square
    model.table.requires_grad_(False)
    model.first.requires_grad_(False)
    model.second.requires_grad_(True)
    frozen = trace(model, ids)
    assert frozen.backward == square + head  # the weights of `second`, and the way back through the head
    assert frozen.trainable == 12 * 12 + 12


def test_on_meta_nothing_is_computed() -> None:
    """The same FLOPs and parameters without memory: a product of 2⁴⁰ elements on each side."""
    with torch.device("meta"):
        wide = nn.Linear(2**20, 2**20, bias=False)
        x = torch.empty(2**20, 2**20)
    found = trace(wide, x)
    assert found.forward == 2 * 2**60
    assert found.params == 2**40


def test_a_checkpoint_runs_its_forward_pass_again() -> None:
    """Model FLOPs stay; what runs again is executed and counted apart."""
    from torch.utils.checkpoint import checkpoint

    class Checked(nn.Module):
        def __init__(self, reentrant: bool | None) -> None:
            super().__init__()
            self.layer = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh())
            self.reentrant = reentrant

        def forward(self, x: Any) -> Any:
            return self.layer(x) if self.reentrant is None else checkpoint(self.layer, x, use_reentrant=self.reentrant)

    x = torch.randn(4, 8, requires_grad=True)
    plain, checked = trace(Checked(None), x), trace(Checked(False), x)
    assert (checked.forward, checked.backward) == (plain.forward, plain.backward)
    assert (plain.again, checked.again) == (0, plain.forward)


class Reads(nn.Module):
    """Asks for a value, or has an argument too few, or raises in either pass."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 3), nn.Linear(4, 3))

    def forward(self, x: Any, does: str) -> Any:
        if does == "reads":
            return self.layers[0](x) if (x > 0).any() else x
        if does == "forgets":
            return self.layers()
        if does == "backward":
            return Fails.apply(self.layers[0](x))
        return self.layers(x)


class Fails(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradient: Any) -> Any:
        raise ValueError("has no gradient")


@pytest.mark.parametrize(
    ("does", "parts"),
    [
        ("reads", ["forward", "(x > 0).any()", "_local_scalar_dense", "--on cpu", "control flow reads values"]),
        ("forgets", ["forward", "module layers;", "return self.layers()", "inputs of Sequential.forward(input)"]),
        ("shapes", ["forward", "module layers.1;", "return self.layers(x)", "aten.addmm", "runs by itself with these inputs"]),
        ("backward", ["backward", "ValueError: has no gradient", "raise ValueError", "aten.ones_like", "backward=False"]),
    ],
)
def test_what_cannot_run_is_refused_with_module_line_operator_and_remedy(does: str, parts: list[str]) -> None:
    with torch.device("meta"):
        module, x = Reads(), torch.zeros(2, 3)
    with pytest.raises(TraceError) as refused:
        trace(module, x, does)
    found = str(refused.value)
    assert "\n" not in found and __file__ in found
    assert not [part for part in parts if part not in found], found


def test_what_cannot_run_without_a_line_of_its_own() -> None:
    """A module of PyTorch that is called without its input; an operator that the meta device does not have; a way out."""
    with pytest.raises(TraceError, match=r"missing 1 required positional argument.*inputs of Linear.forward\(input"):
        trace(nn.Linear(3, 3))

    class Leaves(nn.Module):
        def forward(self, x: Any) -> Any:
            raise SystemExit(3)

    with pytest.raises(TraceError, match="SystemExit: 3"):
        trace(Leaves(), torch.zeros(1))

    class Sparse(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.to_sparse()

    with pytest.raises(TraceError, match="register a fake of it"):
        trace(Sparse(), torch.zeros(1, device="meta"))


def test_a_trace_leaves_the_module_as_it_was() -> None:
    """Gradients, hooks and the mode of training stay."""
    module = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    module(torch.randn(2, 3)).sum().backward()
    before = [parameter.grad.clone() for parameter in module.parameters() if parameter.grad is not None]
    trace(module, torch.randn(2, 3))
    assert module.training
    assert all(torch.equal(a, b.grad) for a, b in zip(before, module.parameters(), strict=True))
    assert not module._forward_hooks
