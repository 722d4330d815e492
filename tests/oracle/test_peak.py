"""Peak bytes of a whole training step, as the CPU's allocator sees them: forward, loss, backward, and the optimizer's update.

The profiler reports every allocation and release; their running sum over a second step (the first one makes the optimizer's states)
is what came on top of weights and states: gradients that the backward pass makes, activations, and everything in passing. bursar
must say the same to the byte, wherever the peak falls: in the loss, in a SwiGLU product, in a norm, in a softmax, in the update.

What the CPU does in another way than CUDA has a name here:

- scaled_dot_product_attention's backward pass: the CPU's kernel writes gradients of Q, K and V at once into tensors of their own;
  CUDA's sums those of Q in FP32. `flash-cpu` is an implementation of this file.
- A number of Python that meets a tensor becomes a tensor of 8 bytes, and of 4 after a cast, for as long as the operation lasts: one
  at a time, and one that eager attention keeps for its scale in every layer.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from bursar import Plan, Training, load
from bursar.kernels import IMPLEMENTATIONS, Kernels
from bursar.kernels.registry import Implementation
from bursar.questions import timeline

from . import reference
from .small import SMALL
from .values import Values

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")

DTYPES = {"fp32": torch.float32, "bf16-pure": torch.bfloat16}
LLAMA = {
    **SMALL["llama"], "hidden_size": 64, "intermediate_size": 192, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "vocab_size": 128, "num_hidden_layers": 2,
}  # fmt: skip
SIBLINGS = ("llama-biases-tied", "mistral", "qwen2", "qwen3", "qwen3-biases-tied")
SHAPES: dict[str, Values] = {
    "balanced": LLAMA,
    "wide vocabulary": {**LLAMA, "vocab_size": 2048},
    "narrow": {**LLAMA, "intermediate_size": 64, "vocab_size": 64},
    "deep": {**LLAMA, "num_hidden_layers": 6, "hidden_size": 128},
}
SCALAR = 8  # bytes of a number of Python as a tensor


class Measured(NamedTuple):
    """Bytes above weights and states at the highest moment, and the operator that runs there."""

    peak: int
    operator: str


def measured(values: Values, attention: str, precision: str, seq: int, batch: int, micro_batches: int, optimizer: str) -> Measured:
    """A training step of the model that transformers builds."""
    from bursar.measure.allocations import allocated

    model = reference.build(values, device="cpu", attention=attention).to(DTYPES[precision]).train()
    steps = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}
    update = steps[optimizer](model.parameters(), lr=1e-3, foreach=False)

    def train() -> None:
        ids = torch.zeros((batch, seq), dtype=torch.long)
        for _ in range(micro_batches):
            out = model(input_ids=ids, labels=ids, use_cache=False)
            out.loss.backward()
            del out
        update.step()
        update.zero_grad(set_to_none=True)

    train()
    found = allocated(train)
    assert found.left == 0  # all that the step made is gone
    return Measured(found.peak, found.operator)


def without_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU's flash attention makes nothing but its results, up to a few bytes per thread."""
    flash: Implementation = IMPLEMENTATIONS["attention", "flash"]
    monkeypatch.setitem(IMPLEMENTATIONS, ("attention", "flash-cpu"), flash._replace(name="flash-cpu", peak=None))
    Kernels.named.cache_clear()


def predicted(
    values: Values, kernels: str, precision: str, seq: int, batch: int, micro_batches: int, optimizer: str
) -> tuple[int, str]:
    plan = Plan(
        kernels=kernels, precision=precision, micro_batch=batch, grad_buffer="lazy", optimizer=optimizer, update="for-loop",
        state_dtype="bf16" if precision == "bf16-pure" else None,
    )  # fmt: skip
    training = Training(load(values), plan, length=seq, global_batch=batch * micro_batches)
    (moment,) = training.moments()
    held = moment.memory
    states = held.weights + held.master_weights + held.optimizer_state + held.runtime
    return held.peak - states, timeline.name(training.stages[0], moment)[0]


CASES = [(64, 2, 1), (128, 1, 1), (256, 1, 1)]


@pytest.mark.parametrize(("seq", "batch", "micro_batches"), CASES)
@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("kernels", ["eager", "sdpa"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_of_llama(
    shape: str, kernels: str, precision: str, seq: int, batch: int, micro_batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_scratch(monkeypatch)
    values = SHAPES[shape]
    job = (precision, seq, batch, micro_batches, "sgd")
    truth = measured(values, kernels, *job)
    ours, moment = predicted(values, "sdpa,attention=flash-cpu" if kernels == "sdpa" else kernels, *job)
    scales = SCALAR * values["num_hidden_layers"] if kernels == "eager" else 0
    assert 0 <= truth.peak - ours - scales <= 2 * SCALAR, (truth, ours, moment)


@pytest.mark.parametrize("kernels", ["eager", "sdpa"])
@pytest.mark.parametrize("name", SIBLINGS)
def test_a_step_of_its_siblings(name: str, kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_scratch(monkeypatch)
    job = ("bf16-pure", 64, 2, 1, "sgd")
    truth = measured(SMALL[name], kernels, *job)
    ours, moment = predicted(SMALL[name], "sdpa,attention=flash-cpu" if kernels == "sdpa" else kernels, *job)
    scales = SCALAR * SMALL[name]["num_hidden_layers"] if kernels == "eager" else 0
    assert 0 <= truth.peak - ours - scales <= 2 * SCALAR, (truth, ours, moment)


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("kernels", ["eager", "sdpa"])
def test_a_second_micro_batch_finds_gradients(kernels: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a wide vocabulary both peaks are in the loss, the second one on top of all gradients."""
    without_scratch(monkeypatch)
    values, job = SHAPES["wide vocabulary"], (precision, 64, 2, 2, "sgd")
    truth = measured(values, kernels, *job)
    ours, moment = predicted(values, "sdpa,attention=flash-cpu" if kernels == "sdpa" else kernels, *job)
    scales = SCALAR * values["num_hidden_layers"] if kernels == "eager" else 0
    assert 0 <= truth.peak - ours - scales <= 2 * SCALAR, (truth, ours, moment)
    assert (truth.operator, moment) == ("LogSoftmaxBackward0", "loss")


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("seq", [2, 8])
def test_the_update_of_adamw(seq: int, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a few tokens the update needs most: the root of the second moment of the largest weight, and what is made of it."""
    without_scratch(monkeypatch)
    values, job = SHAPES["wide vocabulary"], (precision, seq, 1, 1, "adamw")
    truth = measured(values, "sdpa", *job)
    ours, moment = predicted(values, "sdpa,attention=flash-cpu", *job)
    assert moment == "optimizer step"
    ids = 8 * seq  # the batch is there until the step is over
    assert 0 <= truth.peak - ours - ids <= 2 * SCALAR, (truth, ours, moment)
