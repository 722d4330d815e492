"""Proves that the KV cache and the recurrent state are what transformers' models really hold after a forward pass: the elements of
every tensor in `past_key_values`, for the small configs of every decoder, below and above their windows.

Ours is what the architecture needs. Where transformers holds something else, it is a row of `bursar.measure.causes.held`; the
oldest token of a full window, which it drops after a step because the next one takes its place, is counted as held.
"""

from __future__ import annotations

import pytest

from bursar.model import load

from . import reference
from .families import spec
from .small import SMALL
from .values import Values

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")

from bursar.measure.cache import held  # noqa: E402
from bursar.measure.causes.held import cached  # noqa: E402
from bursar.measure.models import auto, inputs  # noqa: E402

BATCH = 2
BF16 = 2  # bytes per element


def decoder(values: Values) -> bool:
    """Whether transformers has the model, as a decoder, and with a cache on the meta device."""
    if auto(values) != "AutoModelForCausalLM" or hasattr(spec(values["model_type"]), "build"):
        return False
    return bool(inputs(values, 1, 1, "meta")["use_cache"])


DECODERS = [name for name, values in SMALL.items() if decoder(values)]


@pytest.mark.parametrize("name", DECODERS)
def test_the_cache_is_what_transformers_holds(name: str) -> None:
    """At a length within the windows of the small configs, at one beyond them, and between two lengths, what a token adds."""
    values = SMALL[name]
    model, per_token = reference.build(values).eval(), load(values).kv(3).elements_per_token

    def elements(seq: int) -> tuple[int, int]:
        """Of the cache and of the state."""
        found = held(model, inputs(values, seq, BATCH, "meta"))
        assert found is not None
        return found.cache + found.dropped, found.state

    for seq in (4, 11):
        ours, theirs = load(values).kv(seq, BATCH), elements(seq)
        more, _ = cached(values, per_token, ours.bytes // BF16, seq * BATCH) or (0, "")
        assert theirs == (ours.bytes // BF16 - more, BATCH * ours.state_bytes // BF16), seq
    more, _ = cached(values, per_token, per_token * BATCH, BATCH) or (0, "")
    assert elements(3)[0] - elements(2)[0] == BATCH * per_token - more
