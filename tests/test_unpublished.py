"""Proves that a model whose structure is not published is refused with what is known of it and the source of that, whatever way its
name is written, and that its entry is complete."""

from __future__ import annotations

import pytest

from bursar import catalog, load
from bursar.errors import ConfigError
from bursar.facts import Source


@pytest.mark.parametrize("name", ["grok-4", "Grok 4", "xai-org/grok-4", "grok-4-heavy", "GPT-4"])
def test_a_model_without_a_structure_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"structure not published; known: .* \(.*, \d{4}-\d{2}") as caught:
        load(name)
    assert caught.value.field == "model"


@pytest.mark.parametrize("name", catalog.unpublished())
def test_an_entry_is_complete(name: str) -> None:
    item = catalog.unpublished()[name]
    assert item["title"] and item["publisher"] and item["known"]
    assert Source(item["source"]["title"], item["source"]["as_of"], item["source"]["url"])
    assert name not in catalog.names()
