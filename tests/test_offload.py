"""Proves what offload moves: the bytes that leave the device, what stays there for a while, what the host holds, and the seconds
of the link between the two and of the host's update; that nothing changes without it, and that arrays say what ints say."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import bursar
from bursar import Plan, Training
from bursar.cli import main
from bursar.errors import BursarError, PlanError
from bursar.facts import table
from bursar.machines import devices, host
from bursar.memory.peaks import Memory
from bursar.parallel import offload
from bursar.questions import timeline

MODEL = bursar.load("llama-3-8b")
N = 8_030_261_248
LAYERS = 32
HEAD = 128_256 * 4096 + 4096  # output layer and final norm: the block with most parameters
EVERY = ("optimizer", "parameters", "activations")
LINK = 63e9 * 0.883  # PCIe 5.0 x16, as copies from pinned memory run


def job(device: str | None = "h100", micro_batches: int = 1, length: int = 8192, **plan: Any) -> Training:
    chosen = Plan(**plan)
    batch = chosen.data * chosen.micro_batch * micro_batches
    return Training(MODEL, chosen, bursar.device(device) if device else None, length=length, global_batch=batch)


def states(found: Memory) -> tuple[int, ...]:
    return found.weights, found.gradients, found.master_weights, found.optimizer_state


def kept_by_a_layer(length: int = 8192, **plan: Any) -> int:
    found: int = MODEL.activations(Plan(**plan), length).layers[0].bytes
    return found


# ── bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_zero_offload_keeps_two_bytes_a_parameter_on_the_device() -> None:
    """ZeRO-Offload's partition (arXiv:2101.06840, section 3): 2M of weights stay, 14M go: gradients 2, masters 4, moments 8."""
    one = job(zero=2, offload="optimizer")
    assert states(one.memory()[0]) == (2 * N, 0, 0, 0)
    assert one.hosted()[0] == (0, 2 * N, 4 * N, 8 * N, 0)


def test_gradients_in_whole_buffers_stay_until_the_step() -> None:
    """ZeRO 1 on 8 ranks: the buffer of 2 bytes a parameter stays; the host has a shard of everything that its update reads."""
    one = job(zero=1, data=8, offload="optimizer")
    assert states(one.memory()[0]) == (2 * N, 2 * N, 0, 0)
    assert one.hosted()[0] == (0, 2 * N // 8, 4 * N // 8, 8 * N // 8, 0)


def test_an_update_on_the_host_holds_nothing_on_the_device() -> None:
    """A foreach step of Adam makes a tensor as large as its masters and casts the gradients, wherever these are."""
    assert job(zero=1, update="foreach").update_bytes(0) == (4 + 4) * N
    assert job(zero=1, update="foreach", offload="optimizer").update_bytes(0) == 0


def test_all_states_leave_but_shards_on_their_way() -> None:
    """ZeRO 3 on 8 ranks: 16 bytes a parameter leave for the host; a shard of the head's weights comes up and one of its gradients
    goes down, 2 bytes each, beside the whole tensors that ZeRO 3 has anyway."""
    here, there = job(zero=3, data=8), job(zero=3, data=8, offload="optimizer,parameters")
    assert states(there.memory()[0]) == (0, 0, 0, 0)
    assert there.hosted()[0].total == 16 * N // 8 == sum(states(here.memory()[0]))
    assert there.standing(0, 0, 1).temporary - here.standing(0, 0, 1).temporary == (2 + 2) * HEAD // 8
    assert here.peak() - there.peak() == 16 * N // 8 - (2 + 2) * HEAD // 8


def test_shards_of_experts_are_those_of_their_own_ranks() -> None:
    """Mixtral on 8 ranks, an expert on each: nobody shares its weights, so that the shard of a layer is an eighth of what is not in
    experts (q, out; k, v; norms; router) and a whole expert."""
    layer = (2 * 4096 * 4096 + 2 * 4096 * 1024 + 2 * 4096 + 8 * 4096) // 8 + 3 * 4096 * 14336
    plans = [Plan(data=8, expert=8, zero=3, offload=words) for words in ((), ("optimizer", "parameters"))]
    here, there = (Training(bursar.load("mixtral-8x7b"), plan, length=4096).standing(0, 0, 1) for plan in plans)
    assert there.temporary - here.temporary == (2 + 2) * layer


def test_fsdp2_fetches_masters() -> None:
    """CPUOffloadPolicy copies FP32 shards up and casts them on the device, and casts reduced gradients before they go down: of one
    layer each while layers run, of the root (embedding, head, final norm) at the end."""
    here, there = (job(zero=3, data=8, sharding="per-parameter", offload=words) for words in ((), ("optimizer", "parameters")))
    assert states(there.memory()[0]) == (0, 0, 0, 0)
    assert there.hosted()[0].total == sum(states(here.memory()[0]))
    layer = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336 + 2 * 4096
    assert there.standing(0, 0, 1).temporary - here.standing(0, 0, 1).temporary == (4 + 4) * layer // 8
    assert there.update_bytes(0) - here.update_bytes(0) == 4 * (HEAD + 128_256 * 4096) // 8


def test_activations_of_two_layers_are_on_the_device() -> None:
    """The layer at work and one on its way, beside rotary tables and the embedding's token ids of 8 bytes. At the loss only the
    last layer's are there, which never leave: the host has 31 of 32."""
    layer, tables = kept_by_a_layer(), MODEL.activations(Plan(), 8192).shared
    here, there = job(), job(offload="activations")
    assert here.memory()[0].activations - there.memory()[0].activations == (LAYERS - 1) * layer
    assert there.hosted()[0] == (0, 0, 0, 0, (LAYERS - 1) * layer)
    rows = {row.path: row.memory.activations for row in timeline.of_rank(there, 0) if row.phase == "backward"}
    assert {rows[f"layers.{index}"] for index in range(LAYERS)} == {2 * layer + tables + 8 * 8192}


def test_under_full_recomputation_the_inputs_of_layers_leave() -> None:
    """b·s·h in BF16 for each layer."""
    there = job(offload="activations", recompute="full")
    assert there.hosted()[0].activations == (LAYERS - 1) * 8192 * 4096 * 2


def test_every_micro_batch_in_flight_is_on_the_host() -> None:
    """1F1B on 4 stages: the first holds 4 micro-batches of 8 layers, the last one of 8; one layer of each is on the device."""
    layer = kept_by_a_layer()
    found = job(pipeline=4, micro_batches=16, offload="activations").hosted()
    assert [stage.activations for stage in found] == [(flying * 8 - 1) * layer for flying in (4, 3, 2, 1)]


@pytest.mark.parametrize("plan", [{}, {"zero": 3, "data": 8}, {"pipeline": 2, "recompute": "selective"}])
def test_the_timeline_has_the_same_peak(plan: dict[str, Any]) -> None:
    words = EVERY if plan.get("zero") == 3 else ("optimizer", "activations")
    found = job(micro_batches=4, offload=words, **plan)
    assert max(row.memory.peak for row in timeline.of_rank(found, 0)) == found.memory()[0].peak
    assert found.peak() == max(stage.peak for stage in found.memory())


@pytest.mark.parametrize("nothing", [(), "none", "", []])
def test_nothing_changes_where_nothing_is_offloaded(nothing: Any) -> None:
    found, plain = job(offload=nothing, zero=1, data=2), job(zero=1, data=2)
    assert found.plan == plain.plan
    assert found.memory() == plain.memory()
    assert found.seconds == plain.seconds
    assert found.seconds.offload == 0
    assert found.hosted()[0].total == 0


def test_words_are_read_once_and_in_one_order() -> None:
    assert offload.read("activations, optimizer,activations") == ("optimizer", "activations")
    assert Plan(offload="parameters,optimizer", zero=3) == Plan(offload=("optimizer", "parameters"), zero=3)  # type: ignore[arg-type]


# ── seconds ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_gradients_go_down_and_weights_come_up_around_the_step() -> None:
    """ZeRO 1 on 8 ranks: a shard of 2 bytes a parameter each way. With ZeRO 2 the gradients went beside the backward pass, which
    takes longer than they do."""
    assert job(zero=1, data=8, offload="optimizer").seconds.offload == pytest.approx((2 + 2) * N / 8 / LINK, rel=1e-12)
    assert job(zero=2, data=8, offload="optimizer").seconds.offload == pytest.approx(2 * N / 8 / LINK, rel=1e-12)


def test_activations_cost_what_outlasts_a_pass() -> None:
    """31 layers go down beside the forward and come up beside the backward pass of each of 3 micro-batches."""
    found = job(micro_batches=3, offload="activations").seconds
    moved = (LAYERS - 1) * kept_by_a_layer() / LINK
    assert moved > found.backward / 3  # both passes wait
    assert found.offload == pytest.approx(3 * (2 * moved) - found.forward - found.backward, rel=1e-12)
    assert job(offload="activations", recompute="full").seconds.offload == 0  # 2 GB are there in time


def test_both_ways_at_once() -> None:
    """ZeRO 3 at 512 tokens: weights come up for both passes, gradients go down beside the second; the larger counts, and both are
    2 bytes a parameter."""
    found = job(zero=3, length=512, offload="optimizer,parameters").seconds
    assert found.offload == pytest.approx(2 * (2 * N / LINK) - found.forward - found.backward, rel=1e-12)


def test_fsdp2_moves_four_bytes_a_parameter() -> None:
    """FP32 shards come up for both passes and FP32 gradients go down; the host updates what it has, and nothing comes up after."""
    found = job(zero=3, data=2, length=512, sharding="per-parameter", offload="optimizer,parameters").seconds
    assert found.offload == pytest.approx(2 * (4 * N / 2 / LINK) - found.forward - found.backward, rel=1e-12)


def test_weights_that_the_device_updates_go_down() -> None:
    """Parameters alone: up beside both passes, which are longer, and down after the update."""
    assert job(zero=3, data=8, offload="parameters").seconds.offload == pytest.approx(2 * N / 8 / LINK, rel=1e-12)


def test_the_host_updates_as_fast_as_it_was_measured() -> None:
    """CPU-Adam took 8.2 s for 11.6e9 parameters in FP32 with 16-bit weights: 30 bytes moved for each."""
    own = host.host(bursar.device("h100"))
    assert 30 * 11.6e9 / own.memory == pytest.approx(8.2, rel=1e-3)
    one, two = (job(zero=1, data=ranks, grad_dtype="fp32", offload="optimizer").seconds.optimizer for ranks in (8, 16))
    assert one == pytest.approx(0.707e-9 * N, rel=1e-9)  # the 8 ranks of a node share its memory
    assert two == pytest.approx(0.707e-9 * N / 2, rel=1e-9)  # two nodes


@pytest.mark.parametrize("words", [("optimizer",), ("optimizer", "parameters"), EVERY])
def test_arrays_are_ints_many_times(words: tuple[str, ...]) -> None:
    """The same plans on 1, 2, 4 and 8 ranks."""
    ranks = np.array([1.0, 2.0, 4.0, 8.0])
    many = Training(
        MODEL, Plan(data=ranks, zero=3, offload=words), bursar.device("h100"), length=4096, global_batch=16, checked=False
    )
    ones = [Training(MODEL, Plan(data=int(n), zero=3, offload=words), many.device, length=4096, global_batch=16) for n in ranks]
    assert many.peak().tolist() == [one.peak() for one in ones]
    assert many.seconds.step == pytest.approx([one.seconds.step for one in ones], rel=1e-12)
    assert np.broadcast_to(many.hosted()[0].total, 4).tolist() == [one.hosted()[0].total for one in ones]


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"offload": "parameters", "zero": 2, "data": 2}, "weights stay where they are used"),
        ({"offload": "optimizer", "optimizer": "paged-adamw"}, "managed memory already"),
        ({"offload": "optimizer", "zero": 3, "data": 2, "sharding": "per-parameter"}, "together"),
        ({"offload": "activations", "pipeline": 4, "schedule": "zb-h1"}, "weight gradients still need them"),
        ({"offload": "weights"}, "offload='weights'"),
    ],
)
def test_what_makes_no_sense_is_refused(plan: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message) as caught:
        job(micro_batches=8, **plan)
    assert caught.value.field == "offload"
    assert caught.value.valid


def test_bytes_are_known_where_seconds_are_not() -> None:
    found = job("mi250x", offload="optimizer", zero=2)
    assert found.memory()[0].optimizer_state == 0
    with pytest.raises(PlanError, match="link of mi250x to its host"):
        _ = found.seconds
    with pytest.raises(BursarError, match="matrix products"):
        _ = job(offload="optimizer", optimizer="muon").seconds


# ── faces and facts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_has_one_bandwidth() -> None:
    named = [name for found in table("hosts.toml")["links"].values() for name in found["devices"]]
    assert len(named) == len(set(named))
    assert set(named) <= set(devices.names())
    usual, fastest, slowest = (fact.si for fact in host.adam())
    assert fastest < usual < slowest


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_command_line_says_what_the_host_holds(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("llama-3-8b", "--device", "h100", "--devices", "8", "--zero", "3", "--seq", "8k")
    plain = answer(capsys, "memory", *asked)
    found = answer(capsys, "memory", *asked, "--offload", "optimizer,parameters,activations")
    assert found["stages"][0].keys() - plain["stages"][0].keys() == {"host"}
    assert found["stages"][0]["host"] == sum(found["hosted"][0].values())
    parts = [value for key, value in found["stages"][0].items() if key not in ("host", "peak")]
    assert found["peak"] == sum(parts)
    assert found["plan"]["offload"] == list(EVERY)


def test_the_seconds_of_the_host_have_a_band(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("llama-3-8b", "--device", "h100", "--devices", "8", "--zero", "2", "--seq", "8k", "--offload", "optimizer")
    found = answer(capsys, "time", *asked)
    low, high = found["host_update_s_band"]
    assert low < found["breakdown_s"]["optimizer"] < high
    assert sum(found["breakdown_s"].values()) == pytest.approx(found["step_s"])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_reports_draw_in_both_languages(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["llama-3-8b", "--device", "h100", "--zero", "2", "--offload", "optimizer,activations", "--lang", lang]
    for verb in ("memory", "time"):
        assert main([verb, *asked]) == 0
        assert {"en": "host", "zh": "主机"}[lang] in capsys.readouterr().out
