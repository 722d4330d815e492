"""Proves that what is predicted is what transformers' modules have, for every small config of every family that it builds: to the
last parameter, FLOP, saved byte and element of the cache, or with causes whose arithmetic makes up the whole difference; and that a
difference without a cause fails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.oracle.small import SMALL

from bursar import families
from bursar.cli import main
from bursar.kernels import MODULES
from bursar.measure.verify import Cause, Counts, Verified, verify
from bursar.model import load
from bursar.report.words import WORDS

transformers = pytest.importorskip("transformers", minversion="5.0", reason="what is verified is transformers 5")

SEQ, BATCH = 24, 2  # longer than the windows, chunks and kernels of the small configs, and no whole number of chunks
ABSENT = ("gopher", "grok_1", "grok_2")  # transformers has no class
# a difference that has a cause, by the families that have it; every other family is equal in everything
EXPLAINED: Mapping[str, set[str]] = {
    "params": {"deepseek_v3", "deepseek_v32", "glm4_moe", "glm_moe_dsa", "kimi_k2", "kimi_linear", "kolibri1", "minimax_m2", "nemotron_h"},
    "saved_bytes": {"minimax"},
}


def family(values: Mapping[str, Any]) -> str:
    return families.file_of(values["model_type"])


NAMES = [name for name, values in SMALL.items() if family(values) not in ABSENT]


@pytest.mark.parametrize("name", NAMES)
def test_every_family(name: str) -> None:
    model = load(SMALL[name])
    found = verify(model, SEQ, BATCH)
    assert found.unexplained == {}, (found.difference, found.causes)
    assert not found.unknown
    assert all(cause.reason in WORDS for cause in found.causes)
    assert set(found.missing.values()) <= set(WORDS)
    assert ("saved_bytes" in found.missing) == (family(SMALL[name]) not in MODULES)
    for quantity, those in EXPLAINED.items():
        assert not found.difference[quantity] or family(SMALL[name]) in those


def test_every_family_has_a_config() -> None:
    assert {family(SMALL[name]) for name in NAMES} == set(families.names()) - set(ABSENT)
