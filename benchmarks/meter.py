"""The meter in real trainings on a CPU: a Llama of 1.3 M parameters for 200 steps through plain PyTorch, transformers' Trainer
and Lightning, with padded and packed batches, compiled too where a C++ compiler is at hand.

    python benchmarks/meter.py [STEPS]

FLOPs of a run must equal the sum of what the ledger says of every sequence. The overhead is measured twice, at rows of 512: by
pairs of steps on the same batch, with and without the meter in random order, as the median of their differences with its 95 %
interval; and as the CPU time of the thread inside the meter's calls, readings included, over that of the steps.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
import transformers

from bursar import load
from bursar.measure import Meter
from bursar.training import sequence_flops

WIDTH, LONG, ROWS, EVERY = 128, 512, 8, 10  # tokens of a row in the runs and where the overhead is measured
CONFIG: dict[str, Any] = {
    "hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
    "vocab_size": 2000, "max_position_embeddings": 512,
}  # fmt: skip
Batch = dict[str, torch.Tensor]
Kind = tuple[str, Callable[[random.Random, int], tuple[Batch, list[int]]]]


def llama() -> Any:
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**CONFIG))


def padded(choose: random.Random, width: int) -> tuple[Batch, list[int]]:
    """Rows of one width, of which the sequences fill a part; the batch and their lengths."""
    lengths = [choose.randint(width // 8, width) for _ in range(ROWS)]
    ids = torch.randint(0, CONFIG["vocab_size"], (ROWS, width))
    mask = (torch.arange(width).expand(ROWS, -1) < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}, lengths


def packed(choose: random.Random, width: int) -> tuple[Batch, list[int]]:
    """Rows full of sequences end to end, told apart by their positions."""
    positions, lengths = [], []
    for _ in range(ROWS):
        cuts = sorted(choose.sample(range(8, width), 3))
        row = [after - before for before, after in zip([0, *cuts], [*cuts, width], strict=True)]
        lengths += row
        positions.append([at for length in row for at in range(length)])
    ids = torch.randint(0, CONFIG["vocab_size"], (ROWS, width))
    return {"input_ids": ids, "position_ids": torch.tensor(positions), "labels": ids}, lengths


KINDS: tuple[Kind, ...] = (("padded", padded), ("packed", packed))


def batches(
    make: Callable[[random.Random, int], tuple[Batch, list[int]]], steps: int, width: int = WIDTH
) -> tuple[list[Batch], int, int]:
    """Batches of a run with its model FLOPs and executed FLOPs, sequence by sequence of the ledger."""
    choose = random.Random(0)
    tree = load(json.loads(transformers.LlamaConfig(**CONFIG).to_json_string())).architecture
    made = [make(choose, width) for _ in range(steps)]
    model = sum(sequence_flops(tree, length, "full") for _, lengths in made for length in lengths)
    return [batch for batch, _ in made], model, steps * ROWS * sequence_flops(tree, width, "full")


class Total:
    """Sums of all readings."""

    def __init__(self) -> None:
        self.model = self.executed = 0

    def __call__(self, values: dict[str, Any], step: int) -> None:
        self.model += values["model_flops"]
        self.executed += values["executed_flops"]


def plain(data: list[Batch], total: Total, compiled: bool = False) -> None:
    model = llama()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    meter = Meter(model, optimizer=optimizer, every=EVERY, log=total)
    run = torch.compile(model) if compiled else model
    for batch in data:
        meter.add(batch)
        run(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        meter.step()


def in_trainer(data: list[Batch], total: Total, compiled: bool = False) -> None:
    from bursar.measure.callbacks.hf_trainer import meter

    rows = [{key: value[row] for key, value in batch.items()} for batch in data for row in range(ROWS)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder, per_device_train_batch_size=ROWS, max_steps=len(data), logging_steps=EVERY, report_to=[],
            save_strategy="no", disable_tqdm=True, use_cpu=True, train_sampling_strategy="sequential", torch_compile=compiled,
        )  # fmt: skip
        trainer = transformers.Trainer(model=llama(), args=arguments, train_dataset=rows)
        meter(trainer, log=total)
        trainer.train()


def in_lightning(data: list[Batch], total: Total) -> None:
    import lightning.pytorch as pl

    from bursar.measure.callbacks.lightning import MeterCallback

    class Module(pl.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.llama = llama()

        def training_step(self, batch: Any, index: int) -> Any:
            return self.llama(**batch).loss

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=1e-4)

    module = Module()
    trainer = pl.Trainer(
        max_epochs=1, callbacks=[MeterCallback(module.llama, every=EVERY, log=total)], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=None))


class Timed:
    """A meter whose calls are timed."""

    def __init__(self, meter: Meter) -> None:
        self.meter, self.inside = meter, 0.0

    def add(self, batch: Batch) -> None:
        began = time.thread_time()
        self.meter.add(batch)
        self.inside += time.thread_time() - began

    def step(self) -> None:
        began = time.thread_time()
        self.meter.step()
        self.inside += time.thread_time() - began


def overhead(data: list[Batch]) -> None:
    """Two steps on every batch, with and without the meter in random order."""
    model = llama()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    meter = Timed(Meter(model, optimizer=optimizer, every=EVERY, log=Total()))
    choose, differences, seconds, worked = random.Random(1), [], [], 0.0
    for batch in data:
        took = {}
        for metered in choose.sample((True, False), 2):
            began, before = time.perf_counter(), time.thread_time()
            if metered:
                meter.add(batch)
            model(**batch).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if metered:
                meter.step()
            took[metered] = time.perf_counter() - began
            worked += 0 if metered else time.thread_time() - before
        differences.append(took[True] - took[False])
        seconds.append(took[False])
    usual = statistics.median(seconds)
    resampled = sorted(statistics.median(choose.choices(differences, k=len(differences))) for _ in range(2000))
    print(f"  step {usual * 1e3:.1f} ms; with the meter {100 * statistics.median(differences) / usual:+.3f} % "
          f"(95 %: {100 * resampled[50] / usual:+.3f} to {100 * resampled[-51] / usual:+.3f}) over {len(data)} pairs")  # fmt: skip
    print(f"  inside the meter {meter.inside / len(data) * 1e6:.0f} µs a step, {100 * meter.inside / worked:.4f} % of the steps")


def main(steps: int) -> None:
    runs: list[tuple[str, Callable[[list[Batch], Total], None]]] = [("PyTorch", plain), ("transformers", in_trainer)]
    runs += [("Lightning", in_lightning)] if find_spec("lightning") else []
    runs += [("compiled", lambda data, total: plain(data, total, compiled=True))]
    runs += [("transformers, compiled", lambda data, total: in_trainer(data, total, compiled=True))]
    for kind, make in KINDS:
        data, model, executed = batches(make, steps)
        for name, run in runs:
            total = Total()
            began = time.perf_counter()
            run(data, total)
            same = (total.model, total.executed) == (model, executed)
            took = time.perf_counter() - began
            print(
                f"{kind}, {name}: {total.model:,} model FLOP, {total.executed:,} executed; equal: {same}; {took:.0f} s", flush=True
            )
        overhead(batches(make, steps // 2, LONG)[0])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
