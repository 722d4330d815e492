"""What implementations hold beyond what a backward pass needs: placeholders of gradients, buffers, inputs of frozen products, FP32
copies of logits. Expected values are arithmetic on shapes; bf16 has 2 bytes an element, FP32 4."""

from __future__ import annotations

import pytest

import bursar
from bursar import Plan, Training
from bursar.memory.peaks import Memory
from bursar.questions import timeline

TOKENS, H, F, VOCAB, LAYERS = 512, 64, 256, 1024, 3
LLAMA = {
    "model_type": "llama", "hidden_size": H, "intermediate_size": F, "num_attention_heads": 4, "num_key_value_heads": 2,
    "num_hidden_layers": LAYERS, "vocab_size": VOCAB, "tie_word_embeddings": False,
}  # fmt: skip


def job(**options: object) -> Training:
    return Training(bursar.load(LLAMA), Plan(grad_dtype="fp32", **options), length=TOKENS)  # type: ignore[arg-type]


def memory(**options: object) -> Memory:
    return job(**options).memory()[0]


def test_placeholders_are_one_of_each_shape_for_all_layers() -> None:
    """q and out have h·h, k and v half of that, gate, up and down f·h; the output layer's is there in its backward pass alone."""
    plain, fused = memory(kernels="fused"), memory(kernels="fused,linear=main-grad")
    assert fused.activations - plain.activations == 2 * (3 * H * H + 3 * F * H)
    assert fused.peak - plain.peak <= 2 * (3 * H * H + 3 * F * H + VOCAB * H)


def test_a_returned_gradient_is_that_of_one_product() -> None:
    plain, returned = memory(kernels="fused"), memory(kernels="fused,linear=returned")
    assert 0 < returned.peak - plain.peak <= 2 * VOCAB * H
    assert returned.activations == plain.activations


def test_a_buffer_of_scores_is_one_for_all_layers() -> None:
    kept = [memory(kernels=f"fused,attention={name}").activations for name in ("matrix", "matrix-buffered")]
    assert kept[1] - kept[0] == 2 * 4 * TOKENS * TOKENS


def test_frozen_products_keep_what_they_read_where_the_library_does() -> None:
    frozen = {"lora_rank": 4, "lora_targets": "q,v", "grad_buffer": "lazy"}
    kept = [
        sum(load.kept * times for load, times in _layers(job(kernels=name, **frozen)))
        for name in ("fused", "fused,linear=keeps-input")
    ]
    assert kept[1] - kept[0] == 2 * LAYERS * TOKENS * (H + F)  # the second norm's result and the product of gate and up


def _layers(found: Training) -> list[tuple[object, int]]:
    return [(found.loads[id(block)], times) for stage in found.stages for block, times in stage.blocks() if block.kind == "layer"]


@pytest.mark.parametrize(("loss", "copies"), [("fp32", 1), ("fp32-shifted", 2)])
def test_shifted_logits_are_a_second_copy(loss: str, copies: int) -> None:
    """Forward the narrow logits stand beside as many FP32 tensors."""
    found = job(kernels=f"fused,loss={loss}")
    head = next(
        load for block, load in ((b, found.loads[id(b)]) for s in found.stages for b, _ in s.blocks()) if block.kind == "head"
    )
    assert head.passes.highest[0].logits >= TOKENS * VOCAB * (2 + 4 * copies)
    assert head.passes.highest[0].logits < TOKENS * VOCAB * (2 + 4 * copies) + 64 * TOKENS
    assert head.logits == pytest.approx(4 * TOKENS * VOCAB)


def test_gathered_inputs_that_stay_are_whole() -> None:
    """Tensor parallelism over two ranks gathers what the first products of attention and of the MLP read: of a layer twice
    the other rank's half of the tokens."""
    again, kept = (job(tensor=2, sequence=True, gathered=how) for how in ("again", "kept"))
    more = sum(a.kept * times for a, times in _layers(kept)) - sum(a.kept * times for a, times in _layers(again))
    assert more == 2 * LAYERS * 2 * (TOKENS - TOKENS // 2) * H  # the whole in place of this rank's half


def test_accumulated_gradients_come_and_go_beside_buffers() -> None:
    """At the end of a backward pass all gradients are there in the weights' dtype, beside FP32 buffers; replicas add buckets."""
    params = bursar.load(LLAMA).params()
    plain, added = job(grad_buffer="allocated"), job(grad_buffer="accumulated")
    rows = list(timeline.of_rank(added, 0))
    last = [row for row in rows if row.phase == "backward"][-1].memory
    assert last.gradients == (4 + 2) * params
    assert rows[-1].memory.gradients == 4 * params == plain.memory()[0].gradients
    both = job(grad_buffer="accumulated", data=2)
    assert [row for row in timeline.of_rank(both, 0) if row.phase == "backward"][-1].memory.gradients == (4 + 2 + 2) * params


def test_gradients_are_copied_for_the_step() -> None:
    """To FP32, or first into one tensor of their dtype, of the rank's partition."""
    params = bursar.load(LLAMA).params()
    for update, copies in (("cast", 4), ("flattened", 2 + 4)):
        found = Training(bursar.load(LLAMA), Plan(data=2, zero=1, update=update), length=TOKENS)
        assert found.update_bytes(0) == copies * -(-params // 2)


def test_a_narrow_loss_has_four_tensors_of_the_logits_at_its_backward_pass() -> None:
    """What the caller has, the log-softmax, its gradient and that of the logits; forward the shifted copy in place of gradients."""
    found = job(kernels="sdpa,loss=log-softmax-narrow")
    head = next(load for s in found.stages for block, _ in s.blocks() if block.kind == "head" for load in [found.loads[id(block)]])
    logits = 2 * TOKENS * VOCAB
    forward, backward = head.passes.highest
    assert 3 * logits <= forward.logits < 3 * logits + 64 * TOKENS
    assert 3 * logits <= backward.logits < 3 * logits + 64 * TOKENS
    assert head.shown == logits


def test_gradients_of_gate_and_up_take_the_place_of_both() -> None:
    """The fused kernel makes two gradients beside gate, up and the gradient of their product; in place none."""
    fused, written = (
        next(load for load, _ in _layers(job(kernels=name))).passes.highest[1].total for name in ("fused", "fused,gated=in-place")
    )
    assert 0 < fused - written <= 2 * 2 * TOKENS * F
