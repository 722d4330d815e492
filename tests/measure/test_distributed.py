"""Proves that a step under PyTorch's own parallelism does what the ledger says, call by call and byte by byte.

On gloo ranks that really send, and on fake groups of up to 1,024: tensor parallelism of 2 and 4 with and without sequence
parallelism, FSDP2 with weights sharded again after the forward pass or not, hybrid 2×2, DistributedDataParallel with whole and with
dealt-out states, pipelines of 2 and 4 stages, experts over 2 and 4 ranks, and these together; of every kind of family that is cut
otherwise. Every prediction is made of `Collective.payload`, `data.traffic` and `fsdp.chunk`; lines that PyTorch adds are checked by
hand here. A rank that is killed, or that stops, ends the others with a message.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import bursar
from bursar import families
from bursar.measure.distributed import recording
from bursar.measure.distributed.asking import DEPTH
from bursar.measure.distributed.families import FAMILIES, REFUSED
from tests.measure.even import even
from tests.oracle.small import SMALL

torch = pytest.importorskip("torch", reason="ranks are PyTorch's: pip install torch")
pytest.importorskip("transformers", reason="models are transformers': pip install transformers")
if not torch.distributed.is_available():
    pytest.skip("this PyTorch has no torch.distributed", allow_module_level=True)

SIZES = "hidden_size=64,intermediate_size=96,num_attention_heads=8,num_key_value_heads=4,vocab_size=128,head_dim=8"
H, F, V, A, K, SEQ = 64, 96, 128, 64, 32, 32  # widths: of the model, feed-forward, vocabulary, queries, keys; tokens
LAYER = 2 * A * H + 2 * K * H + 3 * F * H + 2 * H  # parameters of a dense layer
LOST = ("SIGKILL", "SIGSTOP")
LLAMA, MIXTRAL = "llama-3-8b", "mixtral-8x7b"
GLOO = (
    (2, f"{LLAMA} --tp 2"),
    (2, f"{LLAMA} --tp 2 --sp"),
    (2, f"{LLAMA} --dp 2 --zero 0 --global-batch 4"),
    (2, f"{LLAMA} --dp 2 --zero 1"),
    (2, f"{LLAMA} --dp 2 --zero 3"),
    (2, f"{LLAMA} --pp 2 --layers 4 --vp 2"),
    (2, f"{MIXTRAL} --dp 2 --ep 2"),
    (4, f"{LLAMA} --tp 4"),
    (4, f"{LLAMA} --tp 4 --sp"),
    (4, f"{LLAMA} --tp 2 --dp 2 --zero 2"),
    (4, f"{LLAMA} --tp 2 --sp --pp 2"),
    (4, f"{LLAMA} --dp 4 --shard-group 2"),
    (4, f"{LLAMA} --dp 2 --pp 2"),
    (4, f"{LLAMA} --dp 2 --pp 2 --zero 1"),
    (4, f"{LLAMA} --pp 4 --layers 4"),
    (4, f"{MIXTRAL} --dp 4 --ep 4"),
    (4, f"{MIXTRAL} --tp 2 --sp --dp 2 --ep 4"),
    (4, "qwen3 --tp 2 --dp 2"),
    (4, "gemma --tp 2 --sp --dp 2"),
    (4, "deepseek_v3 --dp 4 --ep 2"),
)
FAKE = (
    (4, f"{LLAMA} --tp 4 --sp --micro-batch 2 --global-batch 6"),
    (2, f"{LLAMA} --tp 2 --sp --precision bf16-pure"),
    (2, f"{LLAMA} --dp 2 --zero 2 --global-batch 4"),
    (2, f"{LLAMA} --dp 2 --zero 3 --global-batch 4"),
    (64, f"{LLAMA} --dp 64 --precision bf16 --grad-dtype fp32"),
    (64, f"{LLAMA} --dp 64 --shard-group 8 --precision bf16"),
    (64, f"{LLAMA} --dp 64 --zero 1 --rank 5"),
    (8, f"{MIXTRAL} --dp 8 --ep 2"),
    (4, f"{LLAMA} --pp 4 --vp 2 --layers 8 --rank 2"),
    (2, f"{LLAMA} --pp 2 --schedule zb-v --layers 4"),
    (2, f"{LLAMA} --pp 2 --schedule dualpipe-v --layers 4"),
    (16, f"{LLAMA} --tp 4 --sp --pp 4 --schedule gpipe --layers 4 --rank 15"),
    (8, f"{LLAMA} --tp 2 --sp --dp 2 --pp 2 --vp 2 --layers 4 --precision bf16 --grad-dtype fp32"),
    (1024, f"{LLAMA} --tp 4 --sp --dp 256 --shard-group 64"),
    (8, "qwen3_moe --tp 2 --sp --ep 2 --dp 4"),
    (2, "cohere --tp 2 --sp"),
    (2, "gemma2 --tp 2 --sp"),
    (2, "olmo --tp 2 --sp"),
    (4, "glm4_moe --dp 4 --ep 2"),
    (4, "gpt2 --dp 2 --pp 2"),
    (2, "phi3 --dp 2 --zero 1"),
    (4, "olmoe --dp 4 --ep 2"),
)
RECORD = "tp2-dp2.json"
RECORDED = (4, f"{LLAMA} --tp 2 --dp 2 --zero 2")


def asked(question: str, folder: Path, *more: object) -> list[str]:
    """The command line of a question: sizes of a model of the catalog are set, a family's own small config is a file."""
    name, *options = question.split()
    if name not in FAMILIES:
        return [name, *options, "--set", SIZES, "--json", *map(str, more)]
    place = folder / name / "config.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(even(SMALL[name])), encoding="utf-8")
    return [str(place), *options, "--json", *map(str, more)]


@lru_cache(maxsize=1)
def ran() -> dict[tuple[str, int, str], dict[str, Any]]:
    """The status, output and errors of the first rank of every run below, by kind, ranks and question."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        runs = {
            **{("fake", world, question): (1, asked(question, folder, "--fake", world), None) for world, question in FAKE},
            **{("gloo", *run): (run[0], asked(run[1], folder, "--timeout", 60, *recorded(run, folder)), None) for run in GLOO},
            **{("lost", 2, name): (2, asked(f"{LLAMA} --tp 2", folder, "--timeout", 5), name) for name in LOST},
        }
        given = [{"world": world, "arguments": arguments, "lost": lost} for world, arguments, lost in runs.values()]
        program = [sys.executable, str(Path(__file__).with_name("forked.py"))]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(program, input=json.dumps(given), capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return {**dict(zip(runs, json.loads(done.stdout), strict=True)), ("record", *RECORDED): record}


def recorded(run: tuple[int, str], folder: Path) -> list[str]:
    return ["--record", str(folder / RECORD)] if run == RECORDED else []


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


def named(rank: dict[str, Any], collective: str) -> dict[str, tuple[int, int]]:
    """The lines of a collective that PyTorch adds or leaves out, by their causes."""
    (row,) = [row for row in rank["collectives"] if row["collective"] == collective]
    return {item["cause"]: (item["count"], item["bytes"]) for item in row["named"]}


@pytest.mark.parametrize(("world", "question"), GLOO, ids=str)
def test_ranks_that_really_send_do_what_is_predicted(world: int, question: str) -> None:
    found = step("gloo", world, question)
    assert found["backend"] == "gloo" and len(found["ranks"]) == world
    for rank in found["ranks"]:
        assert rank["exact"], (rank["collectives"], rank["memory"], rank["unknown"])
        assert rank["collectives"] and all(held(rank).values())


@pytest.mark.parametrize(("world", "question"), FAKE, ids=str)
def test_one_of_many_ranks_does_what_is_predicted(world: int, question: str) -> None:
    found = step("fake", world, question)
    (rank,) = found["ranks"]
    assert found["exact"], (rank["collectives"], rank["memory"], rank["unknown"])
    assert rank["collectives"] and all(held(rank).values())


def test_tensor_parallelism_by_hand() -> None:
    """Two layers: two regions each, the embedding and the head; the loss joins three FP32 numbers a token."""
    rank = step("gloo", 2, f"{LLAMA} --tp 2")["ranks"][0]
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


def test_whole_and_dealt_out_states_by_hand() -> None:
    """Two micro-batches, one sum of all gradients. Dealt out, both ranks broadcast what they update: of parameters in pairs of
    equal size each has one, and of the five norms, the smallest, one rank has one more."""
    both = 2 * LAYER + 2 * V * H + H
    first = step("gloo", 2, f"{LLAMA} --dp 2 --zero 0 --global-batch 4")["ranks"][0]
    assert sent(first, "data") == {"all_reduce": (1, both * 4)}
    assert held(first) == {"weights": both * 4, "gradients": both * 4, "optimizer_state": both * 8}
    ranks = step("gloo", 2, f"{LLAMA} --dp 2 --zero 1")["ranks"]
    assert sent(ranks[1], "data") == {"all_reduce": (1, both * 4), "broadcast": (2, both * 4)}
    assert sorted(held(rank)["optimizer_state"] for rank in ranks) == [(both - H) // 2 * 8, (both + H) // 2 * 8]


def test_messages_and_copies_of_tokens_by_hand() -> None:
    """A rank of an interleaved pipeline sends for each of its chunks and eight micro-batches; every token goes to two experts."""
    (middle,) = step("fake", 4, f"{LLAMA} --pp 4 --vp 2 --layers 8 --rank 2")["ranks"]
    count = 2 * 2 * 8  # two chunks, forward and backward
    assert sent(middle, "pipeline") == {"send": (count, count * SEQ * H * 4)}
    rank = step("gloo", 4, f"{MIXTRAL} --dp 4 --ep 4")["ranks"][0]
    count = 2 * 2 * 2  # layers, there and back, forward and backward
    assert sent(rank, "expert") == {"all_to_all": (count, count * SEQ * 2 * H * 4)}
    rank = step("gloo", 4, f"{MIXTRAL} --tp 2 --sp --dp 2 --ep 4")["ranks"][0]
    assert sent(rank, "expert") == {"all_to_all": (count, count * SEQ // 2 * 2 * H * 4)}  # of its half of the tokens


def test_what_pytorch_does_otherwise_is_named() -> None:
    (rank,) = step("fake", 4, f"{LLAMA} --tp 4 --sp --micro-batch 2 --global-batch 6")["ranks"]
    assert named(rank, "all_reduce") == {"loss": (3 * 3, 3 * 3 * 2 * SEQ * 4), "parts": (5, 5 * H * 4)}
    rank = step("gloo", 4, f"{LLAMA} --dp 2 --pp 2")["ranks"][0]  # four micro-batches, one layer and the embedding
    assert named(rank, "reduce_scatter") == {"pipeline": (-2 * 3, -3 * 4 * (LAYER + V * H))}


def test_a_record_is_predicted_again() -> None:
    """What a run writes down says the same as what it prints, and one byte more of it would not agree."""
    found, written = step("gloo", *RECORDED), ran()["record", *RECORDED]
    assert written["id"] == "tp2-dp2" and written["job"]["backend"] == "gloo" and written["machine"]["torch"] == torch.__version__
    replayed = list(recording.replayed(written))
    assert all(row.agrees for row in replayed)
    assert len(replayed) == sum(2 * len(found["ranks"][places[0]]["collectives"]) + 3 for places in found["alike"])
    written["measured"]["ranks"][0]["held"]["weights"] += 1
    assert [row.quantity for row in recording.replayed(written) if not row.agrees] == ["weights"]


@pytest.mark.parametrize("family", ["gemma2", "gpt2", "granite", "olmo"])
def test_chunks_one_after_the_other_are_the_model(family: str) -> None:
    """With the same weights they return the logits of transformers' own model: scaled embeddings, positions, multipliers and norms
    without weights are each in one chunk."""
    from bursar.measure.distributed import models

    values = even(SMALL[family])
    model = bursar.load({**values, next(key for key in DEPTH if key in values): 2})
    ids = torch.arange(32).reshape(2, 16) % values["vocab_size"]
    (whole,) = models.chunks(model, {0: (0, 1)}, 0, 16, torch.float32).values()
    first, last = models.chunks(model, {0: (0,), 1: (1,)}, 1, 16, torch.float32).values()
    for chunk in (whole, first, last):
        models.draw(chunk, "cpu")
        chunk.eval()
    for chunk in (first, last):
        missing, _ = chunk.load_state_dict(whole.state_dict(), strict=False)
        assert not missing
    with torch.no_grad():
        expected = whole.model(input_ids=ids, use_cache=False).logits
        assert torch.equal(last(first(ids)), expected) and torch.equal(whole(ids), expected)


@pytest.mark.parametrize("name", LOST)
def test_a_rank_that_is_lost_ends_the_others(name: str) -> None:
    """Killed, and stopped: it neither ends nor answers."""
    found = ran()["lost", 2, name]
    assert found["status"] == 3
    assert "rank 0: another rank has gone, or did not answer in 5 s" in found["error"] and "Traceback" not in found["error"]
    assert "rank 0" in json.loads(found["out"].splitlines()[-1])["error"]


def test_every_family_is_run_or_refused_with_a_reason() -> None:
    assert set(families.names()) == set(FAMILIES) | set(REFUSED) and not set(FAMILIES) & set(REFUSED)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (f"{LLAMA} --tp 3", "is not the 2 ranks"),
        (f"{LLAMA} --dp 1", "is not the 2 ranks"),
        (f"{LLAMA} --tp 2 --dp 2 --zero 1", "is not the 2 ranks"),
        (f"{LLAMA} --dp 2 --ep 2", "has no experts"),
        (f"{MIXTRAL} --dp 2 --ep 2 --zero 0", "beside FSDP2"),
        (f"{MIXTRAL} --tp 2 --sp", "experts are not cut by tp"),
        (f"{LLAMA} --dp 2 --zero 1 --shard-group 2", "shards no weights"),
        ("t5-11b --dp 2", "no decoder of one text"),
        ("gpt2 --tp 2", "not cut by tp"),
        ("qwen2-0.5b --tp 2", "tied"),
        ("gemma-2b --tp 2 --set tie_word_embeddings=false", "does not divide 1"),
        (f"{LLAMA} --tp 2 --precision fp8", "precision"),
        (f"{LLAMA} --tp 2 --precision fp32 --grad-dtype bf16", "grad_dtype"),
        (f"{LLAMA} --dp 2 --layers 0", "layers"),
        (f"{LLAMA} --pp 2 --schedule zb-h1", "schedule"),
        (f"{LLAMA} --pp 3 --dp 1", "is not the 2 ranks"),
        ("no-such-model --tp 2", "no-such-model"),
        (f"{LLAMA} --tp two", "tp"),
        (f"{LLAMA} --tensor 2", "--tensor"),
        ("", "model"),
    ],
)  # fmt: skip
def test_what_is_not_run_is_refused_in_a_line(question: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    from bursar.measure.distributed.__main__ import main

    assert main([*question.split(), "--fake", "2"]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1, error


def test_help_is_one_rank_s(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from bursar.measure.distributed.__main__ import main

    for rank, shown in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(SystemExit) as stop:
            main(["--help"])
        assert stop.value.code == 0 and ("--shard-group" in capsys.readouterr().out) == shown
