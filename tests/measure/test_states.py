"""Proves what is counted of torch.optim's states after a step, that counting leaves a module as it was, and the small modules whose
costs the register knows."""

from __future__ import annotations

import pytest
import torch

from bursar.errors import BursarError
from bursar.measure import examples, trace
from bursar.measure.states import OPTIMIZERS, states, values
from bursar.optimizers import OPTIMIZERS as KNOWN

WEIGHTS = 4 * 4 + 4 * 4 + 4 * 1  # of the two square layers and the head


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_states_are_those_of_the_catalog(name: str) -> None:
    """As many elements as our table says, four bytes each; a counter of steps has one element for each of three weights."""
    module, args = examples.cruncher()
    found = {state.name: state for state in states(module, args, {}, name)}
    counter = found.pop("step", None)
    assert counter is None or counter.elements == 3
    assert sum(state.elements for state in found.values()) == len(KNOWN[name].states) * WEIGHTS
    assert all(state.bytes == 4 * state.elements for state in found.values())


def test_adagrad_keeps_a_sum_per_parameter() -> None:
    """N12.03."""
    module, args = examples.cruncher()
    assert {state.name: state.elements for state in states(module, args, {}, "adagrad")} == {"step": 3, "sum": 36}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_counting_changes_nothing(name: str) -> None:
    module, args = examples.cruncher()
    before = [parameter.detach().clone() for parameter in module.parameters()]
    states(module, args, {}, name)
    for parameter, kept in zip(module.parameters(), before, strict=True):
        assert torch.equal(parameter, kept) and parameter.grad is None


def test_a_frozen_module_has_no_states() -> None:
    module, args = examples.cruncher()
    with pytest.raises(BursarError, match="no parameter"):
        states(module.requires_grad_(False), args, {}, "adam")


def test_values() -> None:
    module, _ = examples.cruncher()
    first = values(module)[0]
    weight = next(module.parameters()).detach()
    assert first.path == "0.weight"
    assert (first.mean, first.largest) == pytest.approx((weight.mean().item(), weight.abs().max().item()), rel=1e-5)
    with pytest.raises(BursarError, match="meta"):
        values(torch.nn.Linear(2, 2, device="meta"))


def test_absolute_bounds_cut_nothing_off() -> None:
    """N12.06: of 16,384 draws of σ = 1/128 some 44 are beyond 3σ, which bounds of ±3 leave alone."""
    module, _ = examples.untruncated()
    (found,) = values(module)
    assert found.largest > 3 / 128 and found.std == pytest.approx(1 / 128, rel=0.02)


# sequences · length · width, and heads · sequences · length²
SBH, ASS = 2 * 64 * 128, 4 * 2 * 64 * 64


@pytest.mark.parametrize(
    ("example", "saved"),
    [
        ("block_with_byte_masks", 34 * SBH + 5 * ASS + 8 * 2 * 64),  # N8.30: with statistics of two bytes
        ("block", 34 * SBH + 5 * ASS + 8 * 2 * 64 + 2 * SBH + ASS),  # N8.31: masks of two bytes
        ("block_in_fp32", 2 * (34 * SBH + 5 * ASS + 8 * 2 * 64 + 2 * SBH + ASS)),  # N8.32
        ("fused_attention", 2 * 4 * SBH + 4 * 4 * 2 * 64),  # N12.05: Q, K, V and the output, and an FP32 number a row
    ],
)
def test_examples(example: str, saved: int) -> None:
    module, args = getattr(examples, example)()
    assert trace(module, *args).saved_bytes == saved
