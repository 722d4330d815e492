"""Proves the meter: batches are read as what they mean, FLOPs equal those that a trace counts of the very module and batch, sums
and rates are arithmetic, a peak is never guessed, and memory is told apart.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest
import torch

from bursar import Plan, Training, device, load
from bursar.errors import BursarError
from bursar.machines.devices import names as devices
from bursar.measure import Meter, machines, trace
from bursar.measure.batches import read
from bursar.measure.lengths import Batch
from bursar.measure.memory_use import gaps
from bursar.training import sequence_flops

transformers = pytest.importorskip("transformers")

CONFIG: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "vocab_size": 96, "max_position_embeddings": 64,
}  # fmt: skip


@pytest.fixture(scope="module")
def llama() -> Any:
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**CONFIG))


def padded(*lengths: int, width: int) -> dict[str, torch.Tensor]:
    ids = torch.ones((len(lengths), width), dtype=torch.long)
    mask = torch.arange(width).expand(len(lengths), -1) < torch.tensor(lengths)[:, None]
    return {"input_ids": ids, "attention_mask": mask.long(), "labels": ids}


def counted(module: Any, given: dict[str, Any]) -> int:
    """Forward and backward FLOPs that really run."""
    found = trace(module, **given)
    assert not found.unknown
    return found.forward + found.backward


def alone(module: Any, *lengths: int) -> int:
    """The same for sequences one by one, without padding."""
    ids = [torch.ones((1, length), dtype=torch.long) for length in lengths]
    return sum(counted(module, {"input_ids": i, "labels": i}) for i in ids)


# ── batches ───────────────────────────────────────────────────────────────────────────────────

IDS = torch.zeros((2, 8), dtype=torch.long)
PACKED = torch.tensor([[0, 1, 2, 0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5, 0, 0]])


@pytest.mark.parametrize(
    ("given", "lengths", "rows"),
    [
        (IDS, (8, 8), ((2, 8),)),
        ((IDS, IDS), (8, 8), ((2, 8),)),
        ({"input_ids": IDS}, (8, 8), ((2, 8),)),
        (padded(8, 3, width=8), (8, 3), ((2, 8),)),
        ({"input_ids": IDS, "attention_mask": torch.tensor([[0] * 6 + [1] * 2, [0] * 8])}, (2,), ((2, 8),)),  # padded on the left
        ({"input_ids": IDS, "position_ids": PACKED}, (3, 5, 6, 1, 1), ((2, 8),)),
        ({"input_ids": IDS, "position_ids": PACKED[:1]}, (3, 5, 3, 5), ((2, 8),)),  # the same of every row
        ({"input_ids": IDS, "position_ids": torch.arange(8)[None]}, (8, 8), ((2, 8),)),
        ({"input_ids": IDS[:1], "cu_seq_lens_q": torch.tensor([0, 3, 3, 8])}, (3, 5), ((1, 3), (1, 5))),
    ],
)
def test_what_a_batch_means(given: Any, lengths: tuple[int, ...], rows: tuple[tuple[int, int], ...]) -> None:
    assert read(given) == Batch(lengths, rows)


def test_packed_rows_run_by_sequence_where_kernels_do() -> None:
    lengths = (3, 5, 6, 1, 1)
    assert read({"input_ids": IDS, "position_ids": PACKED}, varlen=True) == Batch(lengths, tuple((1, n) for n in lengths))


@pytest.mark.parametrize(
    "given", [{"labels": IDS}, {}, "text", [], torch.zeros(3), {"input_ids": IDS, "attention_mask": torch.zeros(2, 1, 8, 8)}]
)
def test_what_is_no_batch_is_refused(given: Any) -> None:
    with pytest.raises(BursarError) as raised:
        read(given)
    assert raised.value.field == "batch"


# ── FLOPs ─────────────────────────────────────────────────────────────────────────────────────


def test_padded_flops_are_those_that_run_and_those_of_the_sequences(llama: Any) -> None:
    batch = padded(20, 9, 1, width=20)
    meter = Meter(llama, every=1)
    meter.add(batch)
    found = meter.step()
    assert found is not None
    assert found.executed_flops == counted(llama, batch)
    assert found.model_flops == alone(llama, 20, 9, 1)
    assert (found.samples, found.tokens, found.tokens_run) == (3, 30, 60)
    assert found.values()["padding"] == 0.5


def test_packed_flops(llama: Any) -> None:
    """transformers masks what other sequences of a row have: the row runs as a whole."""
    ids = torch.ones((1, 24), dtype=torch.long)
    batch = {"input_ids": ids, "labels": ids, "position_ids": torch.tensor([[*range(10), *range(14)]])}
    meter = Meter(llama, every=1)
    meter.add(batch)
    found = meter.step()
    assert found is not None
    assert (found.executed_flops, found.model_flops) == (counted(llama, batch), alone(llama, 10, 14))
    ragged = Meter(llama, every=1)
    ragged.add(lengths=[10, 14])
    assert (read := ragged.step()) is not None
    assert read.executed_flops == read.model_flops == found.model_flops


def test_steps_of_several_micro_batches_add_up(llama: Any) -> None:
    meter = Meter(llama, every=3)
    tree = load({"model_type": "llama", **CONFIG, "head_dim": 8, "tie_word_embeddings": False, "hidden_act": "silu"}).architecture
    lengths = iter(range(1, 13))
    readings = []
    for _ in range(3):
        for _ in range(4):
            meter.add(lengths=[next(lengths)])
        readings.append(meter.step())
    assert readings[:2] == [None, None]
    assert readings[2] is not None
    assert readings[2].model_flops == sum(sequence_flops(tree, length, "full") for length in range(1, 13))
    assert (readings[2].steps, readings[2].samples, readings[2].tokens) == (3, 12, 78)


def test_any_module_is_traced_once_for_every_shape() -> None:
    """Two layers of 6 × 10 and 10 × 3, the input without a gradient: 2·b·(60 + 30) forward, 2·b·(60 + 2·30) backward."""
    net = torch.nn.Sequential(torch.nn.Linear(6, 10), torch.nn.ReLU(), torch.nn.Linear(10, 3))
    meter = Meter(net, every=2)
    for batch in (5, 7):
        meter.add(torch.randn(batch, 6))
        found = meter.step()
    assert found is not None
    assert found.model_flops == found.executed_flops == 2 * (5 + 7) * (60 + 30 + 60 + 2 * 30)
    assert (found.samples, found.tokens, found.tokens_per_s) == (12, None, None)
    assert all(not parameter.is_meta for parameter in net.parameters())


def test_what_the_config_does_not_say_is_refused(llama: Any) -> None:
    frozen = transformers.LlamaForCausalLM(transformers.LlamaConfig(**CONFIG))
    frozen.model.embed_tokens.requires_grad_(False)
    without_head = transformers.LlamaModel(transformers.LlamaConfig(**CONFIG))
    for module in (frozen, without_head):
        with pytest.raises(BursarError, match="parameters, its config"):
            Meter(module)
    assert Meter(frozen, config="llama-3-8b").counting is not None
    with pytest.raises(BursarError, match="no meter for int"):
        Meter(3)


# ── rates ─────────────────────────────────────────────────────────────────────────────────────


def test_rates_are_flops_over_seconds_and_peak(llama: Any) -> None:
    meter = Meter("llama-3-8b", device="h100-sxm", precision="bf16", recompute="full", replica=8, ranks=4, every=1)
    meter.add(lengths=[8192])
    time.sleep(0.01)
    found = meter.step()
    assert found is not None
    flops = 4 * 474_422_087_516_160
    assert (found.model_flops, found.tokens, found.devices, found.peak) == (flops, 4 * 8192, 32, 989.4e12)
    assert found.mfu == flops / (found.seconds * 32 * 989.4e12)
    assert found.model_tflops_per_device == pytest.approx(flops / found.seconds / 32e12)
    head = 2 * 8192 * 4096 * 128256
    again = 474_422_087_516_160 // 3 - head  # every forward product but the output layer's
    assert found.executed_flops == flops + 4 * again
    assert found.hfu == found.executed_flops / (found.seconds * 32 * 989.4e12)


def test_a_peak_is_never_guessed(llama: Any) -> None:
    meter = Meter(llama, every=1)  # on a CPU, which has no peak in the catalog
    meter.add(padded(4, width=4))
    found = meter.step()
    assert found is not None
    assert found.mfu is None and "mfu" not in found.values() and found.values()["model_tflops_per_device"] > 0
    with pytest.raises(BursarError, match="'NVIDIA H100' by PyTorch"):
        machines.detected("NVIDIA H100")
    with pytest.raises(BursarError, match="dtype that runs is not known"):
        Meter("llama-3-8b", device="h100-sxm")
    with pytest.raises(BursarError, match="no fp8 peak"):
        Meter("llama-3-8b", device="a100-80-sxm", precision="fp8")


def test_names_of_pytorch_name_devices_of_the_catalog() -> None:
    assert set(machines.names().values()) <= set(devices())
    assert machines.detected("NVIDIA H100 80GB HBM3").id == "h100-sxm"
    assert machines.detected("NVIDIA A100-SXM4-40GB").id == "a100-40-sxm"


def test_a_pause_is_no_part_of_the_time(llama: Any) -> None:
    meter = Meter(llama, every=1)
    meter.add(padded(4, width=4))
    with meter.paused():
        time.sleep(0.3)
    found = meter.step()
    assert found is not None and found.seconds < 0.2


def test_a_reading_of_nothing_is_refused(llama: Any) -> None:
    with pytest.raises(BursarError, match="nothing went through"):
        Meter(llama).read()


# ── memory and logs ───────────────────────────────────────────────────────────────────────────


def test_memory_by_category_beside_the_prediction(llama: Any) -> None:
    """FP32 weights, gradients of the same size until they are let go of, two moments of AdamW and a counter of 4 bytes a tensor."""
    tree = load(json.loads(llama.config.to_json_string()))
    job = Training(tree, Plan(precision="fp32", optimizer="adamw"), device("h100-sxm"), length=16, global_batch=1)
    optimizer = torch.optim.AdamW(llama.parameters())
    meter = Meter(llama, job=job, optimizer=optimizer, every=1)
    batch = padded(16, width=16)
    meter.add(batch)
    llama(**batch).loss.backward()
    optimizer.step()
    found = meter.step()
    assert found is not None
    tensors = len(list(llama.parameters()))
    buffers = 2 * 4 * 4  # rotary frequencies of a head of 8, and a copy of them
    assert found.memory.gradients == 4 * tree.params()
    assert (found.memory.parameters, found.memory.buffers) == (4 * tree.params(), buffers)
    assert found.memory.optimizer_state == 8 * tree.params() + 4 * tensors
    assert {gap.part: gap.difference for gap in found.gaps} == {
        "parameters": 0, "buffers": buffers, "optimizer_state": 4 * tensors,
    }  # fmt: skip
    on_a_gpu = gaps(found.memory._replace(peak=1, reserved=1), job)
    assert len(on_a_gpu) == len({gap.reason(lang) for lang in ("en", "zh") for gap in on_a_gpu}) / 2 == 5
    lines = {lang: found.explained(lang).splitlines() for lang in ("en", "zh")}
    assert lines["en"][0] == f"parameters: {4 * tree.params():,} bytes, as predicted"
    assert lines["en"][1] == f"buffers: predicted 0, measured {buffers} bytes (+{buffers}): tensors that are no parameters"
    assert lines["zh"][2].startswith("优化器状态：预测 ")
    assert lines["zh"][2].endswith(f"字节（+{4 * tensors}）：步数计数器，每个张量一个")
    assert found.gaps[2].reason() == "counters of steps, one for every tensor"
    assert found.peak == pytest.approx(66.9e12)  # the job's device and precision
    optimizer.zero_grad(set_to_none=True)


def test_readings_go_where_they_are_sent(llama: Any, tmp_path: Any, caplog: Any) -> None:
    class Writer:
        def __init__(self) -> None:
            self.rows: list[tuple[str, float, int]] = []

        def add_scalar(self, name: str, value: float, step: int) -> None:
            self.rows.append((name, value, step))

    seen: list[tuple[dict[str, Any], int]] = []
    writer, logger = Writer(), logging.getLogger("meter")
    lines = tmp_path / "meter.jsonl"
    with caplog.at_level(logging.INFO, "meter"):
        meter = Meter(llama, every=1, log=[str(lines), writer, logger, lambda values, step: seen.append((values, step))])
        for _ in range(2):
            meter.add(padded(4, width=4))
            meter.step()
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2] == [step for _, step in seen]
    assert rows[1] == {"step": 2, **seen[1][0]}
    assert ("bursar/model_flops", seen[0][0]["model_flops"], 1) in writer.rows
    assert "step 2: seconds_per_step" in caplog.text
    with pytest.raises(BursarError, match="readings cannot go to"):
        Meter(llama, log="meter.csv")


# ── frameworks ────────────────────────────────────────────────────────────────────────────────

LENGTHS = [[16, 3], [5, 16], [1, 16], [16, 16], [7, 16], [16, 2], [16, 12], [9, 16], [16, 4], [11, 16]]


def expected(llama: Any) -> tuple[int, int]:
    """Model and executed FLOPs of the batches above."""
    tree = load(json.loads(llama.config.to_json_string())).architecture
    whole = sequence_flops(tree, 16, "full")
    return sum(sequence_flops(tree, n, "full") for batch in LENGTHS for n in batch), whole * sum(map(len, LENGTHS))


def test_the_trainer_of_transformers(llama: Any, tmp_path: Any) -> None:
    """Ten micro-batches, two to a step: its own log has the readings."""
    pytest.importorskip("accelerate")
    from bursar.measure.callbacks.hf_trainer import meter

    rows = [{key: value[0] for key, value in padded(n, width=16).items()} for batch in LENGTHS for n in batch]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path), per_device_train_batch_size=2, gradient_accumulation_steps=2, num_train_epochs=1, logging_steps=1,
        report_to=[], save_strategy="no", disable_tqdm=True, use_cpu=True, eval_strategy="steps", eval_steps=2,
    )  # fmt: skip
    trainer = transformers.Trainer(model=llama, args=arguments, train_dataset=rows, eval_dataset=rows[:2])
    found = meter(trainer, peak=1e12)
    trainer.train()
    logs = [row for row in trainer.state.log_history if "model_flops" in row]
    assert len(logs) == found.steps == 5
    assert sum(row["model_flops"] for row in logs) == expected(llama)[0]
    assert sum(row["executed_flops"] for row in logs) == expected(llama)[1]
    assert all(row["mfu"] > 0 and row["memory_optimizer_state"] > 0 for row in logs)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_lightning(llama: Any, tmp_path: Any) -> None:
    pytest.importorskip("lightning")
    import lightning.pytorch as pl

    from bursar.measure.callbacks.lightning import MeterCallback

    class Module(pl.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.llama = llama

        def training_step(self, batch: Any, index: int) -> Any:
            return self.llama(**batch).loss

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters())

    seen: list[dict[str, Any]] = []
    callback = MeterCallback(llama, every=1, log=lambda values, step: seen.append(values))
    trainer = pl.Trainer(
        max_epochs=1, accumulate_grad_batches=2, callbacks=[callback], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accelerator="cpu", default_root_dir=tmp_path,
    )  # fmt: skip
    batches = [padded(*batch, width=16) for batch in LENGTHS]
    trainer.fit(Module(), torch.utils.data.DataLoader(batches, batch_size=None))
    assert len(seen) == 5
    assert sum(row["model_flops"] for row in seen) == expected(llama)[0]
    assert sum(row["executed_flops"] for row in seen) == expected(llama)[1]


def test_accelerate(llama: Any) -> None:
    accelerate = pytest.importorskip("accelerate")
    from bursar.measure.callbacks.accelerate import meter

    accelerate.state.GradientState._reset_state()  # what a Trainer left there
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = accelerate.Accelerator(gradient_accumulation_steps=2, cpu=True)
    model, optimizer = accelerator.prepare(llama, torch.optim.AdamW(llama.parameters()))
    seen: list[dict[str, Any]] = []
    found = meter(accelerator, model, optimizer=optimizer, every=5, log=lambda values, step: seen.append(values))
    for batch in LENGTHS:
        given = padded(*batch, width=16)
        found.add(given)
        with accelerator.accumulate(model):
            accelerator.backward(model(**given).loss)
            optimizer.step()
            optimizer.zero_grad()
        if accelerator.sync_gradients:
            found.step()
    assert [(row["model_flops"], row["executed_flops"]) for row in seen] == [expected(llama)]


def test_the_sums_of_ranks_are_gathered(llama: Any, tmp_path: Any) -> None:
    """One rank here; its group says so, and its sums come back whole however large."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        meter = Meter("llama-3-70b", group=torch.distributed.group.WORLD, every=1)
        for _ in range(3000):
            meter.add(lengths=[8192])
        found = meter.step()
    finally:
        torch.distributed.destroy_process_group()
    assert found is not None
    assert found.model_flops == 3000 * 3_943_913_849_094_144 > 2**63
    assert found.devices == 1
