"""Proves the profile of a training step: every storage is in one category and leaves it again, the highest moment equals the plan's
prediction to the byte, what the profiler's allocator sees is the same, and the files that are written say what was seen.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from bursar.cli import main
from bursar.errors import BursarError
from bursar.measure import allocations, tracked
from bursar.measure import profile as profiling
from bursar.measure.allocations import allocated
from bursar.measure.chrome import chrome
from bursar.measure.profile import profile
from bursar.measure.rates import Achieved
from bursar.measure.refused import TraceError
from bursar.measure.snapshot import Moment, blocks, moments, recorded
from bursar.measure.tracked import CATEGORIES
from tests.measure.pages import read

FP32 = 4
SCALAR = 8  # bytes of a number of Python as a tensor
TINY = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 128, "max_position_embeddings": 512, "hidden_act": "silu",
    "tie_word_embeddings": False,
}  # fmt: skip


def test_the_allocator_sees_what_comes_and_goes() -> None:
    """Two tensors of 4,000 bytes at once, then one that stays."""
    kept: list[Any] = []

    def step() -> None:
        a, b = torch.zeros(1000), torch.zeros(1000)
        kept.append(torch.zeros(10))
        del a, b

    found = allocated(step)
    assert (found.peak, found.left) == (8040, 40)
    assert found.times["aten::zeros"].calls == 3
    assert found.seconds > 0


def test_a_step_of_two_layers_category_by_category() -> None:
    """x (5, 7) → 11 → ReLU → 3 with plain SGD: between the passes autograd keeps x and the ReLU's result; all gradients are there
    when the optimizer works; nothing is left."""
    net = nn.Sequential(nn.Linear(7, 11), nn.ReLU(), nn.Linear(11, 3))
    found = profile(net, (torch.randn(5, 7),), optimizer="sgd")
    weights = FP32 * (7 * 11 + 11 + 11 * 3 + 3)
    assert found.standing == {"parameters": weights, "optimizer_state": 0}
    last = {phase: [row for row in found.rows if row.phase == phase][-1] for phase in ("forward", "backward", "optimizer")}
    sums = {phase: dict(zip(CATEGORIES, row.bytes, strict=True)) for phase, row in last.items()}
    assert sums["forward"]["activations"] == FP32 * 5 * 11  # x is an input
    assert {sums[phase]["inputs"] for phase in sums} == {FP32 * 5 * 7}
    assert sums["forward"]["gradients"] == 0
    assert sums["optimizer"]["activations"] == 0
    update = [row for row in found.rows if row.operator == "aten.add_.Tensor" and row.phase == "optimizer"]
    assert dict(zip(CATEGORIES, update[0].bytes, strict=True))["gradients"] == weights
    assert sum(row.flops for row in found.rows if row.phase == "forward") == 2 * 5 * (77 + 33)
    assert sum(row.flops for row in found.rows) == 2 * 5 * (77 + 33 + 77 + 2 * 33)
    assert found.allocated.left == 0
    assert sum(found.highest.bytes) - weights <= found.allocated.peak
    assert all(parameter.grad is None for parameter in net.parameters())


def test_states_of_an_optimizer_stand_between_steps() -> None:
    found = profile(nn.Linear(20, 10), (torch.randn(2, 20),), optimizer="adamw")
    assert found.standing["optimizer_state"] == 2 * FP32 * (20 * 10 + 10) + 2 * FP32  # and a counter for each tensor


def test_the_least_time_is_compute_or_traffic() -> None:
    """One product of (4, 8) × (8, 2) and its bias: 128 FLOP; at 1 FLOP/s they outweigh the bytes, at 10⁹ FLOP/s the bytes do."""
    found = profile(nn.Linear(8, 2), (torch.randn(4, 8),), optimizer="sgd")
    assert found.predicted(Achieved(1.0, 1e12))["aten::addmm"] == 2 * 4 * 8 * 2
    moved = FP32 * (2 + 4 * 8 + 8 * 2 + 4 * 2)
    assert found.predicted(Achieved(1e9, 1.0))["aten::addmm"] == moved
    assert found.predicted(Achieved(1e9, 1.0))["aten::t"] == 0  # a view


def test_what_cannot_be_profiled_is_refused() -> None:
    with pytest.raises(BursarError, match="no profile of Linear"):
        profile(nn.Linear(2, 2, device="meta"), (torch.randn(1, 2),))
    with pytest.raises(BursarError, match="no profile of ReLU"):
        profile(nn.ReLU(), (torch.randn(1, 2),))
    with pytest.raises(BursarError, match="unknown optimizer"):
        profile(nn.Linear(2, 2), (torch.randn(1, 2),), optimizer="muon")
    with pytest.raises(TraceError, match=r"Linear cannot be traced forward: RuntimeError: .* \(2x3 and 2x2\)"):
        profile(nn.Linear(2, 2), (torch.randn(2, 3),))


def test_a_chrome_trace_has_every_operator_and_the_memory_after_it() -> None:
    found = profile(nn.Linear(8, 2), (torch.randn(4, 8),), optimizer="sgd")
    events = chrome(found)["traceEvents"]
    spans, memory = ([event for event in events if event["ph"] == kind] for kind in "XC")
    assert [span["name"] for span in spans] == [row.operator for row in found.rows]
    assert [tuple(event["args"].values()) for event in memory] == [row.bytes for row in found.rows]
    assert all(a["ts"] <= b["ts"] for a, b in pairwise(spans))
    assert sum(span["args"]["flops"] for span in spans) == 2 * 2 * 4 * 8 * 2  # forward, and the weight's gradient


# ── on a GPU, by hand-written histories of its allocator ──────────────────────────────────────


def entry(action: str, size: int, addr: int) -> dict[str, Any]:
    """As torch.cuda.memory._snapshot documents it."""
    return {"action": action, "addr": addr, "size": size, "stream": 0, "frames": [], "pool_id": (0, 0)}


def test_a_history_of_the_allocator_says_what_each_operator_had() -> None:
    """The first operator makes 512 and 1,024 bytes and lets go of the first; the second lets go of 2,048 that were there before,
    and takes a segment from CUDA, which is no tensor's; the third makes 4,096. The other GPU does not matter."""
    trace = [
        entry("alloc", 512, 1), entry("alloc", 1024, 2), entry("free_requested", 512, 1), entry("free_completed", 512, 1),
        entry("free_requested", 2048, 9), entry("segment_alloc", 2**21, 2**21), entry("alloc", 4096, 3),
    ]  # fmt: skip
    snapshot = {"segments": [], "device_traces": [[entry("alloc", 10**9, 1)], trace]}
    found = moments(snapshot, 1, [7, 9, 9, 10])
    assert found == (Moment(1536, 1024 - 2048), Moment(-1024, -1024), Moment(4096 - 1024, 4096 - 1024))
    with pytest.raises(BursarError, match="has 3 blocks of 4"):
        moments(snapshot, 1, [7, 11])
    with pytest.raises(BursarError, match="has 0 blocks of 1"):
        moments(snapshot, 5, [0, 1])


def test_the_allocators_history_is_recorded_and_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(torch.cuda.memory, "_record_memory_history", lambda what, **given: calls.append((what, given)))
    monkeypatch.setattr(torch.cuda.memory, "_snapshot", lambda device: calls.append(device) or {"device_traces": []})
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda device: {"allocation.all.allocated": 42})
    with pytest.raises(ValueError, match="stop"), recorded(torch.device("cuda", 1)) as snapshot:
        assert snapshot() == {"device_traces": []}
        raise ValueError("stop")
    assert [calls[0][0], calls[1], calls[2]] == ["all", torch.device("cuda", 1), (None, {})]
    assert calls[0][1]["clear_history"] is True
    assert blocks(torch.device("cuda", 1)) == 42


def test_a_step_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """An allocator that hands out one block more of 512 bytes in every operator than in the one before, and keeps none: the highest
    moment is in the last operator. The step itself runs on the CPU here."""
    history: list[dict[str, Any]] = []

    def handed_out(device: torch.device) -> int:
        number = len(history) // 2
        history.extend([entry("alloc", 512 * number, number), entry("free_requested", 512 * number, number)])
        return len(history) // 2

    for room in (allocations, tracked):
        monkeypatch.setattr(room, "wait", lambda device: None)
    monkeypatch.setattr(tracked, "blocks", handed_out)
    monkeypatch.setattr(torch.cuda.memory, "_record_memory_history", lambda *args, **given: history.clear())
    monkeypatch.setattr(torch.cuda.memory, "_snapshot", lambda device: {"device_traces": [list(history)]})
    net = nn.Linear(8, 2)
    trained = list(net.parameters())
    step = profiling._Step(net, (torch.randn(4, 8),), {}, torch.optim.SGD(trained, lr=0.0, foreach=False))
    step.device = torch.device("cuda", 0)
    found = profiling._on_gpu(step, trained, lambda words: None)
    assert found.allocated.peak == 512 * len(found.rows)
    assert found.allocated.operator == "profiler::_record_function_exit"  # of the optimizer's step
    assert [moment.after for moment in found.moments] == [0] * len(found.rows)
    assert found.standing == {"parameters": FP32 * 18, "optimizer_state": 0}
    counters = [event for event in chrome(found)["traceEvents"] if event["name"] == "allocator"]
    assert [event["args"]["highest"] for event in counters] == [512 * number for number in range(1, len(found.rows) + 1)]


# ── the verb ──────────────────────────────────────────────────────────────────────────────────


def ran(capsys: Any, *line: str) -> Any:
    assert main(["profile", *line, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("kernels", ["eager", "sdpa"])
@pytest.mark.parametrize("precision", ["fp32", "bf16-pure"])
def test_the_highest_moment_is_the_predicted_one(precision: str, kernels: str, tmp_path: Any, capsys: Any) -> None:
    pytest.importorskip("transformers")
    config, record = tmp_path / "config.json", tmp_path / "record.json"
    config.write_text(json.dumps(TINY))
    job = ("--seq", "64", "--micro-batch", "2", "--precision", precision, "--kernels", kernels)
    found = ran(capsys, str(config), *job, "--layers", "3", "--record", str(record))
    assert (found["layers"], found["seq"], found["micro_batch"]) == (3, 64, 2)
    assert 0 <= found["between_operators"] <= 2 * SCALAR
    assert 0 <= found["difference"] - found["scalars"] <= 2 * SCALAR
    assert found["train_flops"] == found["predicted"]["train_flops"]
    written = json.loads(record.read_text())
    assert written["measured"]["params"] == found["params"] == 2 * 128 * 64 + 3 * (64 * 64 * 3 + 3 * 64 * 192 + 2 * 64) + 64
    assert written["config"]["num_hidden_layers"] == 3
    assert written["machine"]["torch"] == torch.__version__


def test_a_target_has_no_prediction(tmp_path: Any, capsys: Any) -> None:
    files = {name: str(tmp_path / name) for name in ("trace.json", "page.html")}
    line = ["profile", "bursar.measure.examples:mlp", "--optimizer", "sgd", "--trace-file", files["trace.json"]]
    assert main([*line, "--html", files["page.html"], "--lang", "zh"]) == 0
    assert "Sequential 的一个训练步" in capsys.readouterr().out
    assert "traceEvents" in json.loads((tmp_path / "trace.json").read_text())
    page = read((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "aten::mm" in page and "屋顶线下限" in page
    found = ran(capsys, "bursar.measure.examples:mlp", "--optimizer", "sgd")
    assert "predicted" not in found
    assert found["params"] == 32 * 128 + 128 * 128 + 128 * 10


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("llama-3-8b", "--precision", "fp8"), "precision=fp8 of a profile"),
        (("llama-3-8b", "--kernels", "textbook"), "kernels=textbook of a profile"),
        (("bursar.measure.examples:mlp", "--on", "meta"), "nothing is measured on meta"),
        (("no-such-model",), "unknown model"),
        (("bursar.measure.examples:nothing",), "has no function nothing"),
    ],
)
def test_bad_input_is_refused(line: tuple[str, ...], words: str, capsys: Any) -> None:
    assert main(["profile", *line]) == 2
    assert words in capsys.readouterr().err
