"""The meter in real trainings on a CPU: a Llama of 1.3 M parameters for 200 steps through plain PyTorch, transformers' Trainer
and Lightning, with padded and packed batches, compiled too where a C++ compiler is at hand; and what the meter costs.

    python -m benchmarks.meter runs [STEPS]          (a multiple of ten)
    python -m benchmarks.meter overhead [BLOCKS]

FLOPs of a run must equal the sum of what the ledger says of every sequence. Micro-batches come two to a step.

What the meter costs does not depend on how long a step is, so it is measured on short ones, where little else varies: in blocks of
four steps on one batch, with and without the meter as ABBA or BAAB, by the CPU time of the process on one thread. The median of the
blocks' differences is printed with its 95 % interval, which is that of order statistics and assumes no distribution; with the step
above which the upper end is 0.1 %; and beside it the CPU time inside the meter's own calls, in steps of the runs.
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

WIDTH, ROWS, EVERY, TOGETHER = 128, 8, 10, 2  # tokens of a row, rows, steps of a reading, micro-batches of a step
CONFIG: dict[str, Any] = {
    "hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
    "vocab_size": 2000, "max_position_embeddings": 512,
}  # fmt: skip
SHORT = {**CONFIG, "hidden_size": 32, "intermediate_size": 88, "vocab_size": 100}  # as many tensors, a step of milliseconds
SHARE = 0.001
Batch = dict[str, torch.Tensor]
Kind = tuple[str, Callable[[random.Random, int], tuple[Batch, list[int]]]]


def llama(config: dict[str, Any] = CONFIG) -> Any:
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**config))


def padded(choose: random.Random, width: int) -> tuple[Batch, list[int]]:
    """Rows of one width, of which the sequences fill a part; the batch and their lengths."""
    lengths = [choose.randint(width // 8, width) for _ in range(ROWS)]
    ids = torch.randint(0, SHORT["vocab_size"], (ROWS, width))
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
    ids = torch.randint(0, SHORT["vocab_size"], (ROWS, width))
    return {"input_ids": ids, "position_ids": torch.tensor(positions), "labels": ids}, lengths


KINDS: tuple[Kind, ...] = (("padded", padded), ("packed", packed))


def batches(
    make: Callable[[random.Random, int], tuple[Batch, list[int]]], count: int, width: int = WIDTH
) -> tuple[list[Batch], int, int]:
    """Micro-batches of a run with its model FLOPs and executed FLOPs, sequence by sequence of the ledger."""
    choose = random.Random(0)
    tree = load(json.loads(transformers.LlamaConfig(**CONFIG).to_json_string())).architecture
    made = [make(choose, width) for _ in range(count)]
    model = sum(sequence_flops(tree, length, "full") for _, lengths in made for length in lengths)
    return [batch for batch, _ in made], model, count * ROWS * sequence_flops(tree, width, "full")


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
    for number, batch in enumerate(data, 1):
        meter.add(batch)
        run(**batch).loss.backward()
        if number % TOGETHER == 0:
            optimizer.step()
            optimizer.zero_grad()
            meter.step()


def in_trainer(data: list[Batch], total: Total, compiled: bool = False) -> None:
    from bursar.measure.callbacks.hf_trainer import meter

    rows = [{key: value[row] for key, value in batch.items()} for batch in data for row in range(ROWS)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder, per_device_train_batch_size=ROWS, gradient_accumulation_steps=TOGETHER,
            max_steps=len(data) // TOGETHER, logging_steps=EVERY, report_to=[], save_strategy="no", disable_tqdm=True, use_cpu=True,
            train_sampling_strategy="sequential", torch_compile=compiled,
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
        max_epochs=1, accumulate_grad_batches=TOGETHER, callbacks=[MeterCallback(module.llama, every=EVERY, log=total)],
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
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


def overhead(blocks: int) -> None:
    torch.set_num_threads(1)
    data = batches(padded, min(blocks, 100))[0]
    differences, bare = paired(data, blocks)
    low, high = interval(differences)
    microseconds = [round(value * 1e6) for value in (statistics.median(differences), low, high)]
    print("{} blocks of four steps of {:.1f} ms: the meter takes {} µs a step (95 %: {} to {}), below {:.1%} of any step longer "
          "than {:.0f} ms".format(blocks, bare * 1e3, *microseconds, SHARE, high / SHARE * 1e3), flush=True)  # fmt: skip
    inside, worked = directly(data)
    print(f"inside its calls {inside * 1e6:.0f} µs a step, {inside / worked:.4%} of a step of {worked * 1e3:.0f} ms")


def paired(data: list[Batch], blocks: int) -> tuple[list[float], float]:
    """Seconds of a step with the meter less one without, block by block, and the median step without."""
    model = llama(SHORT)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    meter = Meter(model, optimizer=optimizer, every=EVERY, log=Total())

    def step(batch: Batch, metered: bool) -> float:
        began = time.process_time()
        if metered:
            meter.add(batch)
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if metered:
            meter.step()
        return time.process_time() - began

    choose, differences, bare = random.Random(1), [], []
    for number in range(blocks + 1):
        batch, first = data[number % len(data)], choose.random() < 0.5
        took = {True: 0.0, False: 0.0}
        for metered in (first, not first, not first, first):
            took[metered] += step(batch, metered) / 2
        differences.append(took[True] - took[False])
        bare.append(took[False])
    return differences[1:], statistics.median(bare)  # the first block is to warm up


def interval(values: list[float]) -> tuple[float, float]:
    """95 % of the median: order statistics n/2 ± 0.98 √n."""
    ordered, n = sorted(values), len(values)
    away = 0.98 * n**0.5
    return ordered[max(0, int(n / 2 - away))], ordered[min(n - 1, int(n / 2 + away) + 1)]


def directly(data: list[Batch]) -> tuple[float, float]:
    """Seconds in the meter, and of the rest, of a step of the runs' model: a micro-batch each."""
    model = llama()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    meter = Timed(Meter(model, optimizer=optimizer, every=EVERY, log=Total()))
    began = time.process_time()
    for batch in data:
        meter.add(batch)
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        meter.step()
    return meter.inside / len(data), (time.process_time() - began - meter.inside) / len(data)


def runs(steps: int) -> None:
    ways: list[tuple[str, Callable[[list[Batch], Total], None]]] = [("PyTorch", plain), ("transformers", in_trainer)]
    ways += [("Lightning", in_lightning)] if find_spec("lightning") else []
    ways += [("compiled", lambda data, total: plain(data, total, compiled=True))]
    ways += [("transformers, compiled", lambda data, total: in_trainer(data, total, compiled=True))]
    for kind, make in KINDS:
        data, model, executed = batches(make, TOGETHER * steps)
        for name, run in ways:
            total = Total()
            began = time.perf_counter()
            run(data, total)
            same = (total.model, total.executed) == (model, executed)
            took = time.perf_counter() - began
            print(
                f"{kind}, {name}: {total.model:,} model FLOP, {total.executed:,} executed; equal: {same}; {took:.0f} s", flush=True
            )


if __name__ == "__main__":
    what, count = (*sys.argv[1:], "runs")[0], int((*sys.argv[2:], 0)[0])
    overhead(count or 1000) if what == "overhead" else runs(count or 200)
