"""Proves that a step under PyTorch's own parallelism does what the ledger says, call by call and byte by byte.

On gloo ranks that really send, and on fake groups of up to 1,024: tensor parallelism with and without sequence parallelism, FSDP2
with weights sharded again after the forward pass or not, hybrid 2×2, pipelines of 2 and 4 stages, experts over 2 and 4 ranks. Every
prediction is made of `Collective.payload`, `data.traffic` and `fsdp.chunk`; lines that PyTorch adds are checked by hand here. A rank
that is killed, or that stops, ends the others with a message.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from functools import lru_cache
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="ranks are PyTorch's: pip install torch")
pytest.importorskip("transformers", reason="models are transformers': pip install transformers")
if not torch.distributed.is_available():
    pytest.skip("this PyTorch has no torch.distributed", allow_module_level=True)

SMALL = "hidden_size=64,intermediate_size=96,num_attention_heads=8,num_key_value_heads=4,vocab_size=128,head_dim=8"
H, F, V, A, K, SEQ = 64, 96, 128, 64, 32, 32  # widths: of the model, feed-forward, vocabulary, queries, keys; tokens
LAYER = 2 * A * H + 2 * K * H + 3 * F * H + 2 * H  # parameters of a dense layer
MODULE = "bursar.measure.distributed"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def started(rank: int, world: int, port: int, program: list[str]) -> subprocess.Popen[str]:
    """One rank, as torchrun starts it."""
    here = {
        "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
        "OMP_NUM_THREADS": 1, "HF_HUB_OFFLINE": 1,
    }  # fmt: skip
    given = {**os.environ, **{name: str(value) for name, value in here.items()}}
    return subprocess.Popen([sys.executable, *program], env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def asked(question: str) -> list[str]:
    return [*question.split(), "--set", SMALL, "--json"]


def on_gloo(world: int, question: str) -> dict[str, Any]:
    """What the ranks of a step find, all in processes of their own."""
    port = free_port()
    ranks = [started(rank, world, port, ["-m", MODULE, *asked(question), "--timeout", "60"]) for rank in range(world)]
    answers = [rank.communicate(timeout=100) for rank in ranks]
    assert answers[0][0], answers[0][1]
    found: dict[str, Any] = json.loads(answers[0][0].splitlines()[-1])
    assert not any(out for out, _ in answers[1:])
    return found


@lru_cache(maxsize=1)
def fakes() -> dict[tuple[int, str], dict[str, Any]]:
    """The same for one of the ranks of fake groups, one after another in one process."""
    program = (
        "import contextlib, io, json, sys\n"
        f"from {MODULE}.__main__ import answer, parser\n"
        "for line in sys.stdin:\n"
        "    given = vars(parser().parse_args(json.loads(line)))\n"
        "    model = given.pop('model')\n"
        "    print(json.dumps(answer(model, given)), flush=True)\n"
    )
    lines = [json.dumps([*asked(question), "--fake", str(world)]) for world, question in FAKE]
    given = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], input="\n".join(lines), capture_output=True, text=True, env=given, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(zip(FAKE, map(json.loads, done.stdout.splitlines()), strict=True))


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
    (2, "qwen2.5-0.5b --dp 2"),
    (64, f"{LLAMA} --dp 64 --precision bf16 --grad-dtype fp32"),
    (64, f"{LLAMA} --dp 64 --shard-group 8 --precision bf16"),
    (4, f"{MIXTRAL} --dp 4 --ep 4"),
    (8, f"{MIXTRAL} --dp 8 --ep 2"),
    (4, f"{LLAMA} --pp 4 --vp 2 --layers 8 --rank 2"),
    (2, f"{LLAMA} --pp 2 --schedule zb-v --layers 4"),
    (2, f"{LLAMA} --pp 2 --schedule dualpipe-v --layers 4"),
    (16, f"{LLAMA} --tp 4 --sp --pp 4 --schedule gpipe --layers 4 --rank 15"),
    (1024, f"{LLAMA} --tp 4 --sp --dp 256 --shard-group 64"),
)


@pytest.mark.parametrize(("world", "question"), GLOO, ids=str)
def test_ranks_that_really_send_do_what_is_predicted(world: int, question: str) -> None:
    found = on_gloo(world, question)
    assert found["backend"] == "gloo" and len(found["ranks"]) == world
    for rank in found["ranks"]:
        assert rank["exact"], (rank["collectives"], rank["memory"], rank["unknown"])
        assert rank["collectives"]
    assert found["exit_status"] == 0


@pytest.mark.parametrize(("world", "question"), FAKE, ids=str)
def test_one_of_many_ranks_does_what_is_predicted(world: int, question: str) -> None:
    found = fakes()[world, question]
    (rank,) = found["ranks"]
    assert found["exact"], (rank["collectives"], rank["memory"], rank["unknown"])
    assert rank["collectives"] and all(held(rank).values())


def test_tensor_parallelism_by_hand() -> None:
    """Two layers: two regions each, the embedding and the head; the loss joins three FP32 numbers a token."""
    (rank,) = fakes()[2, f"{LLAMA} --tp 2"]["ranks"]
    whole = SEQ * H * 4
    forward, backward = 2 * 2 + 1, 2 * 2 + 1  # g of every region and of the embedding; f of every region and of the head
    assert sent(rank, "tensor") == {"all_reduce": (forward + backward + 3, (forward + backward) * whole + 3 * SEQ * 4)}
    cut = 2 * ((LAYER - 2 * H) // 2 + 2 * H) + H + 2 * V * H // 2
    assert held(rank) == {"weights": cut * 4, "gradients": (cut + V * H // 2) * 4, "optimizer_state": cut * 8}


def test_full_sharding_by_hand() -> None:
    """Units are the two layers and the root; with two micro-batches everything is sent twice."""
    (again,) = fakes()[2, f"{LLAMA} --dp 2 --zero 3 --global-batch 4"]["ranks"]
    (kept,) = fakes()[2, f"{LLAMA} --dp 2 --zero 2 --global-batch 4"]["ranks"]
    root = 2 * V * H + H
    both = 2 * LAYER + root
    assert sent(kept, "data") == {"all_gather": (2 * 3, 2 * both * 4), "reduce_scatter": (2 * 3, 2 * both * 4)}
    assert sent(again, "data")["all_gather"] == (2 * 5, 2 * (both + 2 * LAYER) * 4)
    assert held(again) == held(kept) == {"weights": both * 2, "gradients": both * 2, "optimizer_state": both * 4}


def test_messages_and_copies_of_tokens_by_hand() -> None:
    """A rank of an interleaved pipeline sends for each of its chunks and eight micro-batches; every token goes to two experts."""
    (middle,) = fakes()[4, f"{LLAMA} --pp 4 --vp 2 --layers 8 --rank 2"]["ranks"]
    count = 2 * 2 * 8  # two chunks, forward and backward
    assert sent(middle, "pipeline") == {"send": (count, count * SEQ * H * 4)}
    (rank,) = fakes()[4, f"{MIXTRAL} --dp 4 --ep 4"]["ranks"]
    count = 2 * 2 * 2  # layers, there and back, forward and backward
    assert sent(rank, "expert") == {"all_to_all": (count, count * SEQ * 2 * H * 4)}


def test_what_pytorch_does_otherwise_is_named() -> None:
    (rank,) = fakes()[4, f"{LLAMA} --tp 4 --sp --micro-batch 2 --global-batch 6"]["ranks"]
    (row,) = [row for row in rank["collectives"] if row["collective"] == "all_reduce"]
    named = {item["cause"]: (item["count"], item["bytes"]) for item in row["named"]}
    assert named == {"loss": (3 * 3, 3 * 3 * 2 * SEQ * 4), "norms": (5, 5 * H * 4)}


LOST = f"""
import os, signal, sys
from {MODULE} import running
from {MODULE}.__main__ import main
running.Rank.step = lambda rank: os.kill(os.getpid(), signal.{{signal}})
main({asked(f"{LLAMA} --tp 2")!r})
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP"])
def test_a_rank_that_is_lost_ends_the_others(name: str) -> None:
    port = free_port()
    gone = started(1, 2, port, ["-c", LOST.format(signal=name)])
    left = started(0, 2, port, ["-m", MODULE, *asked(f"{LLAMA} --tp 2"), "--timeout", "8"])
    try:
        out, error = left.communicate(timeout=60)
    finally:
        gone.send_signal(signal.SIGKILL)
        gone.communicate()
        left.kill()
    assert left.returncode == 3
    assert "rank 0: another rank has gone, or did not answer in 8 s" in error and "Traceback" not in error
    assert "rank 0" in json.loads(out.splitlines()[-1])["error"]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (f"{LLAMA} --tp 3", "is not the 2 ranks"),
        (f"{LLAMA} --dp 2 --zero 1", "zero"),
        (f"{LLAMA} --dp 2 --ep 2", "has no experts"),
        ("gpt2 --dp 2", "gpt2 is not cut here"),
        ("qwen2.5-0.5b --tp 2", "tied"),
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
