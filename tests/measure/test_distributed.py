"""Proves that a step under PyTorch's own parallelism does what the ledger says, call by call and byte by byte.

On gloo ranks that really send, and on fake groups of up to 1,024: tensor parallelism with and without sequence parallelism, FSDP2
with weights sharded again after the forward pass or not, hybrid 2×2, pipelines of 2 and 4 stages, experts over 2 and 4 ranks. Every
prediction is made of `Collective.payload`, `data.traffic` and `fsdp.chunk`; lines that PyTorch adds are checked by hand here. A
rank that is killed, or that stops, ends the others with a message.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="ranks are PyTorch's: pip install torch")
pytest.importorskip("transformers", reason="models are transformers': pip install transformers")
if not torch.distributed.is_available():
    pytest.skip("this PyTorch has no torch.distributed", allow_module_level=True)

SMALL = "hidden_size=64,intermediate_size=96,num_attention_heads=8,num_key_value_heads=4,vocab_size=128,head_dim=8"
H, F, V, A, K, SEQ = 64, 96, 128, 64, 32, 32  # widths: of the model, feed-forward, vocabulary, queries, keys; tokens
LAYER = 2 * A * H + 2 * K * H + 3 * F * H + 2 * H  # parameters of a dense layer
LOST = ("SIGKILL", "SIGSTOP")


def asked(question: str, *more: object) -> list[str]:
    return [*question.split(), "--set", SMALL, "--json", *map(str, more)]


@lru_cache(maxsize=1)
def ran() -> dict[tuple[str, int, str], dict[str, Any]]:
    """The status, output and errors of the first rank of every run below, by kind, ranks and question."""
    runs = {
        **{("gloo", world, question): (world, asked(question, "--timeout", 60), None) for world, question in GLOO},
        **{("fake", world, question): (1, asked(question, "--fake", world), None) for world, question in FAKE},
        **{("lost", 2, name): (2, asked(f"{LLAMA} --tp 2", "--timeout", 5), name) for name in LOST},
    }
    given = [{"world": world, "arguments": arguments, "lost": lost} for world, arguments, lost in runs.values()]
    program = [sys.executable, str(Path(__file__).with_name("forked.py"))]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(program, input=json.dumps(given), capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(zip(runs, json.loads(done.stdout), strict=True))


def step(kind: str, world: int, question: str) -> dict[str, Any]:
    """The object that a run printed."""
    found = ran()[kind, world, question]
    assert found["out"], found["error"][-2000:]
    answer: dict[str, Any] = json.loads(found["out"].splitlines()[-1])
    assert answer.get("exit_status") == found["status"], answer
    return answer


def sent(rank: dict[str, Any], dimension: str) -> dict[str, tuple[int, int]]:
    rows = [row for row in rank["collectives"] if row["dimension"] == dimension]
    return {row["collective"]: (row["measured_count"], row["measured_bytes"]) for row in rows}


def held(rank: dict[str, Any]) -> dict[str, int]:
    return {row["part"]: row["measured_bytes"] for row in rank["memory"]}


LLAMA, MIXTRAL = "llama-3-8b", "mixtral-8x7b"
GLOO = (
    (2, f"{LLAMA} --tp 2 --sp"),
    (2, f"{LLAMA} --dp 2 --zero 3"),
    (2, f"{LLAMA} --pp 2 --layers 4 --vp 2"),
    (2, f"{MIXTRAL} --dp 2 --ep 2"),
    (4, f"{LLAMA} --tp 2 --dp 2 --zero 2"),
    (4, f"{LLAMA} --dp 4 --shard-group 2"),
    (4, f"{LLAMA} --pp 4 --layers 4"),
)
FAKE = (
    (2, f"{LLAMA} --tp 2"),
    (4, f"{LLAMA} --tp 4"),
    (4, f"{LLAMA} --tp 4 --sp --micro-batch 2 --global-batch 6"),
    (2, f"{LLAMA} --tp 2 --sp --precision bf16-pure"),
    (2, f"{LLAMA} --dp 2 --zero 2 --global-batch 4"),
    (2, f"{LLAMA} --dp 2 --zero 3 --global-batch 4"),
    (2, "qwen2-0.5b --dp 2"),
    (64, f"{LLAMA} --dp 64 --precision bf16 --grad-dtype fp32"),
    (64, f"{LLAMA} --dp 64 --shard-group 8 --precision bf16"),
    (4, f"{MIXTRAL} --dp 4 --ep 4"),
    (8, f"{MIXTRAL} --dp 8 --ep 2"),
    (4, f"{LLAMA} --pp 4 --vp 2 --layers 8 --rank 2"),
    (2, f"{LLAMA} --pp 2 --schedule zb-v --layers 4"),
    (2, f"{LLAMA} --pp 2 --schedule dualpipe-v --layers 4"),
    (16, f"{LLAMA} --tp 4 --sp --pp 4 --schedule gpipe --layers 4 --rank 15"),
    (4, f"{LLAMA} --tp 2 --sp --dp 2 --global-batch 4 --precision bf16 --grad-dtype fp32"),
    (1024, f"{LLAMA} --tp 4 --sp --dp 256 --shard-group 64"),
)


@pytest.mark.parametrize(("world", "question"), GLOO, ids=str)
def test_ranks_that_really_send_do_what_is_predicted(world: int, question: str) -> None:
    found = step("gloo", world, question)
    assert found["backend"] == "gloo" and len(found["ranks"]) == world
    for rank in found["ranks"]:
        assert rank["exact"], (rank["collectives"], rank["memory"], rank["unknown"])
        assert rank["collectives"]


@pytest.mark.parametrize(("world", "question"), FAKE, ids=str)
def test_one_of_many_ranks_does_what_is_predicted(world: int, question: str) -> None:
    found = step("fake", world, question)
    (rank,) = found["ranks"]
    assert found["exact"], (rank["collectives"], rank["memory"], rank["unknown"])
    assert rank["collectives"] and all(held(rank).values())


def test_tensor_parallelism_by_hand() -> None:
    """Two layers: two regions each, the embedding and the head; the loss joins three FP32 numbers a token."""
    (rank,) = step("fake", 2, f"{LLAMA} --tp 2")["ranks"]
    whole = SEQ * H * 4
    forward, backward = 2 * 2 + 1, 2 * 2 + 1  # g of every region and of the embedding; f of every region and of the head
    assert sent(rank, "tensor") == {"all_reduce": (forward + backward + 3, (forward + backward) * whole + 3 * SEQ * 4)}
    cut = 2 * ((LAYER - 2 * H) // 2 + 2 * H) + H + 2 * V * H // 2
    assert held(rank) == {"weights": cut * 4, "gradients": (cut + V * H // 2) * 4, "optimizer_state": cut * 8}


def test_full_sharding_by_hand() -> None:
    """Units are the two layers and the root; with two micro-batches everything is sent twice."""
    (again,) = step("fake", 2, f"{LLAMA} --dp 2 --zero 3 --global-batch 4")["ranks"]
    (kept,) = step("fake", 2, f"{LLAMA} --dp 2 --zero 2 --global-batch 4")["ranks"]
    root = 2 * V * H + H
    both = 2 * LAYER + root
    assert sent(kept, "data") == {"all_gather": (2 * 3, 2 * both * 4), "reduce_scatter": (2 * 3, 2 * both * 4)}
    assert sent(again, "data")["all_gather"] == (2 * 5, 2 * (both + 2 * LAYER) * 4)
    assert held(again) == held(kept) == {"weights": both * 2, "gradients": both * 2, "optimizer_state": both * 4}


def test_messages_and_copies_of_tokens_by_hand() -> None:
    """A rank of an interleaved pipeline sends for each of its chunks and eight micro-batches; every token goes to two experts."""
    (middle,) = step("fake", 4, f"{LLAMA} --pp 4 --vp 2 --layers 8 --rank 2")["ranks"]
    count = 2 * 2 * 8  # two chunks, forward and backward
    assert sent(middle, "pipeline") == {"send": (count, count * SEQ * H * 4)}
    (rank,) = step("fake", 4, f"{MIXTRAL} --dp 4 --ep 4")["ranks"]
    count = 2 * 2 * 2  # layers, there and back, forward and backward
    assert sent(rank, "expert") == {"all_to_all": (count, count * SEQ * 2 * H * 4)}


def test_what_pytorch_does_otherwise_is_named() -> None:
    (rank,) = step("fake", 4, f"{LLAMA} --tp 4 --sp --micro-batch 2 --global-batch 6")["ranks"]
    (row,) = [row for row in rank["collectives"] if row["collective"] == "all_reduce"]
    named = {item["cause"]: (item["count"], item["bytes"]) for item in row["named"]}
    assert named == {"loss": (3 * 3, 3 * 3 * 2 * SEQ * 4), "norms": (5, 5 * H * 4)}


@pytest.mark.parametrize("name", LOST)
def test_a_rank_that_is_lost_ends_the_others(name: str) -> None:
    """Killed, and stopped: it neither ends nor answers."""
    found = ran()["lost", 2, name]
    assert found["status"] == 3
    assert "rank 0: another rank has gone, or did not answer in 5 s" in found["error"] and "Traceback" not in found["error"]
    assert "rank 0" in json.loads(found["out"].splitlines()[-1])["error"]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (f"{LLAMA} --tp 3", "is not the 2 ranks"),
        (f"{LLAMA} --dp 2 --zero 1", "zero"),
        (f"{LLAMA} --dp 2 --ep 2", "without experts"),
        ("gpt2 --dp 2", "gpt2 is not cut here"),
        ("qwen2-0.5b --tp 2", "tied"),
        (f"{LLAMA} --tp 2 --precision fp8", "precision"),
        (f"{LLAMA} --dp 2 --layers 0", "layers"),
        (f"{LLAMA} --pp 2 --schedule zb-h1", "schedule"),
    ],
)  # fmt: skip
def test_what_is_not_run_is_refused_in_a_line(question: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    from bursar.measure.distributed.__main__ import main

    assert main([*question.split(), "--fake", "2"]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1, error
