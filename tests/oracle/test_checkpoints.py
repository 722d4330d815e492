"""Proves that what transformers saves of a model is what the config says: every tensor under the published name and in its shape,
none missing and none beside, in one file and in shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from bursar import checkpoints
from bursar.families import _tensors
from bursar.model import load

from . import reference
from .small import SMALL

NAMES = [name for name, values in SMALL.items() if values["model_type"] in _tensors.SAFETENSORS]


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_reconciles(name: str, tmp_path: Path) -> None:
    model, ours = reference.build(SMALL[name], device="cpu"), load(SMALL[name])
    for folder, size in (("whole", "1GB"), ("shards", "40KB")):
        model.save_pretrained(tmp_path / folder, max_shard_size=size)
        stored = checkpoints.read(str(tmp_path / folder))
        found = checkpoints.reconcile(ours.architecture, stored)
        assert found == ("tensors", [], [], [])
        assert stored.total == ours.params()
        assert stored.bytes == 4 * ours.params()  # FP32
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1


def test_a_tied_head_that_is_stored_is_named(tmp_path: Path) -> None:
    """A model saved untied, read with a config that says tied: the head is beside."""
    values = {**SMALL["llama"], "tie_word_embeddings": False}
    reference.build(values, device="cpu").save_pretrained(tmp_path)
    found = checkpoints.reconcile(load({**values, "tie_word_embeddings": True}).architecture, checkpoints.read(str(tmp_path)))
    assert found == ("tensors", [], ["lm_head.weight"], [])
