"""Proves that FLOPs of batches of any lengths equal the ledger, sequence by sequence, for every model of the catalog: whether their
cost is a polynomial in the length or steps at windows and chunks; and that what does not add up is refused.
"""

from __future__ import annotations

import pytest

from bursar import Model, catalog, load
from bursar.errors import BursarError
from bursar.measure.lengths import Batch, Counting
from bursar.measure.polynomials import LENGTH, SEQUENCES
from bursar.training import repeated_flops, sequence_flops

MODELS = {name: load(name) for name in catalog.names()}
# relative positions have products of a pass, however many sequences it has; SigLIP compares all pictures with all texts
OF_A_PASS = {name for name, model in MODELS.items() if model.architecture.family in ("gopher", "siglip")}
ODD = (1, 7, 127, 128, 129, 1000)


def each(lengths: tuple[int, ...]) -> Batch:
    return Batch(lengths, tuple((1, length) for length in lengths))


def fitting(model: Model) -> tuple[int, ...]:
    return tuple(n for n in (*ODD, 5000) if n <= model.length())


@pytest.mark.parametrize("mask", ["full", "causal"])
@pytest.mark.parametrize("name", MODELS)
def test_sequences_of_any_lengths(name: str, mask: str) -> None:
    tree, lengths = MODELS[name].architecture, fitting(MODELS[name])
    counting = Counting(tree, mask)
    if name in OF_A_PASS:
        with pytest.raises(BursarError, match="do not add up"):
            counting.of(each(lengths))
    else:
        assert counting.of(each(lengths)).model == sum(sequence_flops(tree, length, mask) for length in lengths)
    for length in lengths:
        assert counting.train.of([(3, length)]) == sequence_flops(tree, length, mask, 3)


def test_padding_runs_and_is_no_model_flop() -> None:
    tree = MODELS["llama-3-8b"].architecture
    found = Counting(tree, mode="full").of(Batch((100, 40), ((2, 100),)))
    assert found.model == sequence_flops(tree, 100, "full") + sequence_flops(tree, 40, "full")
    assert found.run == 2 * sequence_flops(tree, 100, "full")
    assert found.again == 2 * repeated_flops(tree, 100, "full", "full")
    assert found.executed == found.run + found.again


@pytest.mark.parametrize("mode", ["none", "selective", "full"])
def test_what_runs_again_equals_the_ledger(mode: str) -> None:
    for name in ("gemma2-9b", "mixtral-8x7b", "minimax-m1"):
        tree = MODELS[name].architecture
        again = Counting(tree, "causal", mode).of(each((9, 4999))).again
        assert again == sum(repeated_flops(tree, length, "causal", mode) for length in (9, 4999)), name


def test_learned_positions_end_somewhere() -> None:
    with pytest.raises(BursarError, match="1024 learned positions"):
        Counting(MODELS["gpt2"].architecture).of(each((1025,)))


def test_a_mode_that_is_no_mode_of_a_meter() -> None:
    with pytest.raises(BursarError, match="recompute=full:2"):
        Counting(MODELS["gpt2"].architecture, mode="full:2")


def test_polynomials() -> None:
    """(n + 2)(s − 1)²/2 = (n s² − 2 n s + n)/2 + s² − 2 s + 1."""
    found = (SEQUENCES + 2) * (LENGTH - 1) ** 2 / 2
    assert found.terms == {(1, 2): 0.5, (1, 1): -1, (1, 0): 0.5, (0, 2): 1, (0, 1): -2, (0, 0): 1}
    assert (1 - LENGTH + -LENGTH).terms == {(0, 0): 1, (0, 1): -2}
    with pytest.raises(TypeError):
        _ = LENGTH < 3  # type: ignore[operator]
