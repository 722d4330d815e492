"""Proves what a trace says of tensors one by one: which operator made each that is kept, in which module, and how many bytes there
are at once at the highest moment of each pass.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from bursar.measure import trace
from bursar.measure.alive import Alive, Peak

from .calls import Calls

FP32 = 4


def test_an_address_that_is_used_again_has_another_maker() -> None:
    """Each exponential is gone before tanh makes its result, which is kept, mostly at the same address."""

    def forward(x: Any) -> Any:
        for _ in range(8):
            x.detach().exp()
            x = x.tanh()
        return x

    found = trace(Calls(forward), torch.randn(64, requires_grad=True))
    assert [item.operator for item in found.saved] == ["aten.tanh"] * 8


def test_what_comes_from_outside_has_no_maker() -> None:
    """The first product keeps a view of the input for its weight's gradient, the second what the first made."""
    found = trace(nn.Sequential(nn.Flatten(), nn.Linear(3, 5), nn.Linear(5, 2)), torch.randn(4, 3, 1))
    assert [(item.module, item.operator) for item in found.saved] == [("1", ""), ("2", "aten.addmm")]


def test_storages_are_forgotten_when_they_go() -> None:
    """Two of 40 bytes at once, then one of 80 in place of both."""
    outside = torch.zeros(7)
    alive = Alive([outside])
    a, b = torch.zeros(10), torch.zeros(10)
    for tensor, name in ((a, "first"), (b, "second"), (a.view(2, 5), "view"), (outside[1:], "outside")):
        alive.enter(tensor, "m", name)
    assert alive.operator(b.untyped_storage()._cdata) == "second"
    assert alive.operator(outside.untyped_storage()._cdata) == ""
    del a, b, tensor
    assert len(alive.known) == 1
    alive.enter(torch.zeros(15), "n", "third")
    assert alive.peak(0, len(alive.events)) == Peak(80, "m", "second")
    assert alive.peak(4, len(alive.events)) == Peak(60, "n", "third")
    assert alive.peak(0, len(alive.events), without={1}) == Peak(60, "n", "third")
    assert alive.peak(9, 9) == Peak(0, "", "")


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_peaks_of_both_passes(device: str) -> None:
    """x (6, 10) → tanh → exp → sum: forward both results of 240 bytes are kept, and the sum of 4 bytes is not.

    Backward, beside the sum and its gradient: the gradient of exp's input is made while both results are there; that of tanh's once
    exp's result is gone. Both gradients are of no parameter."""
    x = torch.zeros(6, 10, device=device, requires_grad=True)
    found = trace(Calls(lambda x: x.tanh().exp().sum()), x)
    whole = FP32 * 60
    assert found.saved_bytes == 2 * whole
    assert found.peaks["forward"].all == Peak(2 * whole + FP32, ".", "aten.sum")
    assert found.peaks["forward"].temporary == Peak(FP32, ".", "aten.sum")
    assert found.peaks["backward"].all == Peak(3 * whole + 2 * FP32, ".", "aten.mul")
    assert found.peaks["backward"].temporary == Peak(2 * whole + 2 * FP32, ".", "aten.tanh_backward")


def test_a_temporary_tensor_is_found_in_its_module() -> None:
    """A table of 9 × 9 and its sine are kept by nothing; the maximum that is taken of them is, as a factor."""

    class Spike(nn.Module):
        def forward(self, x: Any) -> Any:
            with torch.no_grad():
                table = torch.outer(x, x)
                most = table.sin().max()
            return x * most

    net = nn.Sequential(nn.Tanh(), Spike(), nn.Tanh())
    found = trace(net, torch.randn(9, requires_grad=True))
    assert found.peaks["forward"].temporary == Peak(2 * FP32 * 81, "1", "aten.sin")
    assert {part.path: part.temporary for part in found.parts} == {
        ".": 2 * FP32 * 81, "0": 0, "1": 2 * FP32 * 81, "2": 0,
    }  # fmt: skip


def test_a_sparse_factor_is_kept_with_its_indices() -> None:
    """Three values of 4 bytes at two indices of 8 bytes each, made outside."""
    eye = torch.eye(3).to_sparse()
    found = trace(Calls(lambda x: torch.sparse.mm(eye, x)), torch.randn(3, 5, requires_grad=True))
    assert found.saved_bytes == 3 * (FP32 + 2 * 8)
    assert found.unknown  # the product of a sparse matrix has no formula
