"""Proves what the parametrised tests cannot ask of encoders: other heads, both lengths of an encoder–decoder, the cache that it
fills, what its layers share, and the FLOPs of vision towers."""

from __future__ import annotations

from typing import Any

import pytest

from bursar import catalog, ledger
from bursar.errors import ConfigError, PlanError
from bursar.model import load
from bursar.plan import Plan
from bursar.step import Step

from . import reference
from .small import SMALL
from .values import Values

torch, transformers = reference.torch, reference.transformers

# ── BERT's heads ─────────────────────────────────────────────────────────────────────────────────────────────────────────

HEADS = [
    ("BertForMaskedLM", 109_514_298),
    ("BertModel", 109_482_240),
    ("BertForPreTraining", 110_106_428),  # the masked-LM head, the pooler of 768 · 769, and a pair of classes of 769 each
]


@pytest.mark.parametrize(("form", "total"), HEADS)
def test_bert_has_the_head_of_its_class(form: str, total: int) -> None:
    values = {**catalog.entry("bert-base").values, "architectures": [form]}
    with torch.device("meta"):
        model = getattr(transformers, form)(transformers.BertConfig(**values))
    assert load(values).params() == reference.parameters(model) == total
    with reference.flop_counter.FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=reference.tokens(17, 3))
    assert load(values).flops(17, 3).forward == counter.get_total_flops()


def test_bert_with_another_head_is_refused() -> None:
    with pytest.raises(ConfigError, match="architectures"):
        load({**SMALL["bert"], "architectures": ["BertForQuestionAnswering"]})


@pytest.mark.parametrize("name", ["bert-base", "vit-base-patch16-224"])
def test_an_encoder_has_no_cache(name: str) -> None:
    assert load(name).kv(64)[:3] == (0, 0, 0)


# ── encoder and decoder ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_t5_with_a_source_of_another_length() -> None:
    """The encoder sees the source; the decoder makes keys and values of it, and attends to all of it."""
    values = SMALL["t5-gated-deep"]
    model, source, target = reference.build(values), 11, 5
    with reference.flop_counter.FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=reference.tokens(source, 2), decoder_input_ids=reference.tokens(target, 2), use_cache=True)
    book = ledger.of_model(load(values).architecture, Step(2, target, source=source))
    assert book.where(quantity="flops", phase="forward").total() == counter.get_total_flops()


def test_t5_1_1_has_a_head_of_its_own() -> None:
    """transformers shares the table whatever the config says; the paper's T5 1.1 base, by hand."""
    values = {
        **catalog.entry("t5-base").values, "d_ff": 2048, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False
    }  # fmt: skip
    attention, mlp, norm = 4 * 768 * 768, 3 * 768 * 2048, 768
    encoder = 12 * (attention + mlp + 2 * norm) + norm + 32 * 12
    decoder = 12 * (2 * attention + mlp + 3 * norm) + norm + 32 * 12
    assert load(values).params() == 2 * 32128 * 768 + encoder + decoder == 247_577_856


@pytest.mark.parametrize(("name", "layers", "width", "source"), [("t5-base", 12, 768, 100), ("whisper-large-v3", 32, 1280, 1500)])
def test_the_cache_of_a_decoder_holds_its_own_tokens_and_the_source(name: str, layers: int, width: int, source: int) -> None:
    """A new token adds keys and values of every decoder layer; those of the source are made once and stay."""
    cache = load(name).kv(100)
    assert cache.elements_per_token == layers * 2 * width
    assert cache.bytes == 2 * layers * 2 * width * (100 + source)


@pytest.mark.parametrize("mode", ["none", "selective", "full"])
@pytest.mark.parametrize(("name", "elements"), [("t5-base", 64 * 768), ("whisper-large-v3", 1500 * 1280)])
def test_what_the_encoder_made_is_kept_once(name: str, elements: int, mode: str) -> None:
    kept = load(name).activations(Plan(recompute=mode), 64).entries
    assert [entry.value for entry in kept if entry.path.endswith("source")] == [2 * elements]


def test_tensor_parallel_ranks_share_the_weights_of_encoder_and_decoder() -> None:
    """What two ranks hold: heads and feed-forward widths are halved, and so is the table of position biases; norms are copied."""
    architecture = load("t5-base").architecture
    half = sum(times * sum(block.parameters) for _, times, block in _parts(Plan(tensor=2), architecture))
    norms = (2 * 12 + 1 + 3 * 12 + 1) * 768
    assert 2 * half - norms == load("t5-base").params()


def _parts(plan: Plan, architecture: Any) -> Any:
    (stage,) = plan.stages(architecture)
    yield from (("", times, block) for block, times in stage.blocks())


def test_sequence_parallelism_needs_the_tokens_of_every_part_to_divide() -> None:
    """Four ranks can share 448 tokens of text and 1500 frames of sound, and no 197 tokens of a picture."""
    assert load("whisper-large-v3").activations(Plan(tensor=4, sequence=True)).total > 0
    with pytest.raises(PlanError, match="197 tokens"):
        load("vit-base-patch16-224").activations(Plan(tensor=4, sequence=True), 16)


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

TOWERS = ["gemma3", "gemma3-uneven", "llama4", "llama4-plain", "gemma3-27b-full", "llama-4-scout-full"]


@pytest.mark.parametrize("name", TOWERS)
def test_a_vision_tower(name: str) -> None:
    """The tower and its projector, of two sequences with three pictures each; text alone counts no picture."""
    values = SMALL.get(name) or catalog.entry(name).values
    model, ours = reference.build(values), load(values)
    with_pictures, text = ours.flops(20, 2, images=3).forward, ours.flops(20, 2).forward
    assert with_pictures - text == _tower_flops(model, values, 6)


def _tower_flops(model: Any, values: Values, count: int) -> int:
    """Of the pictures' way to the text part's width."""
    vision = values["vision_config"]
    pixels = torch.zeros((count, vision.get("num_channels", 3), *[vision["image_size"]] * 2), device="meta")
    with reference.flop_counter.FlopCounterMode(display=False) as counter, torch.no_grad():
        found = model.get_image_features(pixels)
        if values["model_type"] == "llama4":
            model.multi_modal_projector(found.last_hidden_state)
    return int(counter.get_total_flops())


def test_the_backward_pass_of_a_tower_leaves_out_the_gradient_of_pixels() -> None:
    values = SMALL["gemma3"]
    model, vision = reference.build(values), values["vision_config"]
    pixels = torch.zeros((6, 3, vision["image_size"], vision["image_size"]), device="meta")
    found = model.get_image_features(pixels).pooler_output
    with reference.flop_counter.FlopCounterMode(display=False) as counter:
        found.sum().backward()
    ours = load(values)
    assert ours.flops(20, 2, images=3).backward - ours.flops(20, 2).backward == counter.get_total_flops()
