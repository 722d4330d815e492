"""Recomputation as a plan: what papers say of it, groups of layers, the first layers of a stage, and modules of a layer as
Megatron-Core names them. That kept bytes and executed FLOPs are PyTorch's is proved in `oracle/test_recompute.py`.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from bursar import Plan, Training, load, marks, recompute
from bursar.errors import BursarError, PlanError
from bursar.recompute import CHECKPOINTS

B, S, H, A = 1, 2048, 12288, 96  # GPT-3
SBH = S * B * H
PAPER = {"kernels": "textbook", "micro_batch": B}


def layer(mode: str, **options: Any) -> int:
    found: int = load("gpt3-175b", dropout=0.1).activations(Plan(recompute=mode, **PAPER, **options), S).layers[0].bytes
    return found


def test_gpt3_layer() -> None:
    """arXiv:2205.05198, table 2 and section 5: 34 sbh + 5 as²b; without the attention core 34 sbh; of a full one 2 sbh."""
    core = 5 * A * S * S * B
    assert layer("none") - layer("selective") == core == 2_013_265_920
    assert 96 * core == 193_273_528_320
    assert layer("selective") == 34 * SBH
    assert layer("full") == 2 * SBH == 50_331_648
    assert layer("selective", tensor=8, sequence=True) == 34 * SBH // 8 == 106_954_752


def flops(model: str = "gpt3-175b", **options: Any) -> tuple[int, int]:
    training = Training(load(model, dropout=0.0), Plan(**options), length=S)
    return training.model_flops, training.executed_flops - training.model_flops


def test_a_full_forward_pass_more() -> None:
    """8/6 of the layers' work; the core alone is (s/18h)/(1 + s/6h) of it."""
    whole, again = flops(recompute="full")
    head = 6 * S * H * 50257
    assert (whole - head + again) * 6 == (whole - head) * 8
    core = flops(recompute="selective")[1]
    assert core / (whole - head) == pytest.approx(S / (18 * H) / (1 + S / (6 * H)))
    assert 100 * core / (whole - head) == pytest.approx(0.9009, abs=5e-5)


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_the_core_by_either_name(checkpoint: str) -> None:
    assert layer("core_attn") == layer("selective")
    assert flops(recompute="core_attn", checkpoint=checkpoint) == flops(recompute="selective", checkpoint=checkpoint)


def test_stopping_early_leaves_out_the_last_product() -> None:
    """Once for every checkpoint: of each layer, or of each group; textbook attention stops before its second product."""
    down, layers = 2 * S * H * 4 * H, 96
    whole = flops(recompute="full")[1]
    for group in (1, 5, 96):
        found = flops(recompute=f"full:{group}", checkpoint="non-reentrant")[1]
        assert whole - found == down * -(-layers // group)
    core = flops(recompute="selective")[1]
    assert flops(recompute="selective", checkpoint="non-reentrant", kernels="textbook")[1] == core // 2


@pytest.mark.parametrize(("group", "stages"), [(1, 1), (4, 1), (5, 1), (8, 3), (7, 3)])
def test_groups_keep_one_input_each(group: int, stages: int) -> None:
    """A group does not reach over the end of a stage; while one is at work all of its layers are back."""
    plan = Plan(recompute=f"full:{group}", pipeline=stages, **PAPER)
    training = Training(load("gpt3-175b"), plan, length=S, global_batch=stages)
    for stage in training.stages:
        held = [(times, training.loads[id(block)].kept) for _, times, block in stage.layers]
        assert sum(times for times, _ in held) == -(-96 // stages // group)
        assert all(kept == 2 * SBH for _, kept in held)
    assert flops(recompute=f"full:{group}") == flops(recompute="full")


def test_the_layers_of_a_group_are_back_together() -> None:
    alone, four = (Training(load("gpt3-175b"), Plan(recompute=mode, **PAPER), length=S) for mode in ("full", "full:4"))
    more = four.memory()[0].temporary - alone.memory()[0].temporary
    kept = layer("none") - 2 * SBH  # a layer's tensors beside its input
    assert 3 * kept <= more <= 3 * layer("none")


def test_the_first_layers_of_every_stage() -> None:
    plan = Plan(recompute="full:first=3", pipeline=4, **PAPER)
    training = Training(load("gpt3-175b", dropout=0.1), plan, length=S, global_batch=4)
    for stage in training.stages:
        found = [(times, training.loads[id(block)].kept) for _, times, block in stage.layers]
        assert found == [(3, layer("full")), (21, layer("none"))]
    assert flops(recompute="full:first=3", pipeline=4)[1] * 8 == flops(recompute="full")[1]  # 12 layers of 96


def test_more_first_layers_than_there_are_is_all_of_them() -> None:
    assert flops(recompute="full:first=1000") == flops(recompute="full")


def deepseek(mode: str) -> dict[str, int]:
    """What a mixture-of-experts layer of DeepSeek-V3 keeps, by wire."""
    found = load("deepseek-v3").activations(Plan(recompute=mode, kernels="fused"), 4096)
    return {entry.path.removeprefix("layers.moe."): entry.value // entry.times for entry in found.entries if ".moe." in entry.path}


# word, what goes, and what comes because the checkpoint holds it
WORDS = [
    ("layernorm", {"attn.norm", "attn.norm.statistics", "mlp.norm", "mlp.norm.statistics"}, set()),
    ("moe_act", {"experts.act"}, set()),
    ("shared_experts", {"shared.gate", "shared.up", "shared.act"}, set()),
    ("mla_up_proj", {"attn.q_rotary", "attn.k", "attn.kv_up", "attn.q_norm", "attn.kv_norm"}, set()),
]


@pytest.mark.parametrize(("word", "gone", "held"), WORDS)
def test_modules_of_a_layer(word: str, gone: set[str], held: set[str]) -> None:
    """Thrown away are the tensors that the module makes for itself, and those that it makes for others where Megatron-Core's
    checkpoint discards its output."""
    before, after = deepseek("none"), deepseek(word)
    assert after.keys() - before.keys() == held
    missing = before.keys() - after.keys()
    roots = {wire for wire in gone if wire in before}
    assert roots and roots <= missing, (sorted(missing), sorted(before))


def test_a_whole_mixture_keeps_its_input() -> None:
    after = deepseek("moe")
    assert "mlp.norm" in after
    assert not [path for path in after if path.startswith(("router", "experts", "shared"))]


def test_modules_of_a_dense_layer() -> None:
    found = load("llama-3-8b").activations(Plan(recompute="mlp"), 4096).entries
    kept = {entry.path.removeprefix("layers.") for entry in found if entry.path.startswith("layers.mlp")}
    assert kept == {"mlp.norm", "mlp.norm.statistics"}
    both = load("llama-3-8b").activations(Plan(recompute="mlp,layernorm"), 4096).entries
    assert not [entry.path for entry in both if entry.path.startswith(("layers.mlp", "layers.attn.norm"))]


MODELS = ("llama-3-8b", "deepseek-v3")
COMBINED = [",".join(words) for words in itertools.combinations(("core_attn", "layernorm", "mlp"), 2)]


@pytest.mark.parametrize("mode", ["none", *COMBINED, "core_attn,layernorm,mlp"])
def test_more_modules_keep_less_and_run_more(mode: str) -> None:
    training, full = (Training(load("llama-3-8b"), Plan(recompute=name), length=512) for name in (mode, "full"))
    less = Training(load("llama-3-8b"), Plan(recompute="core_attn,layernorm,mlp"), length=512)
    assert full.memory()[0].activations <= less.memory()[0].activations <= training.memory()[0].activations
    assert training.model_flops <= training.executed_flops <= less.executed_flops <= full.executed_flops


REFUSED = ["all", "full:0", "full:first=0", "full:-1", "full:", "core_attn,foo", "selective,mlp", "", "core_attn;mlp"]


@pytest.mark.parametrize("mode", REFUSED)
def test_refused(mode: str) -> None:
    with pytest.raises(BursarError, match="unknown recompute"):
        Plan(recompute=mode)


@pytest.mark.parametrize(("model", "mode", "have"), [("llama-3-8b", "moe", "mlp"), ("llama-3-8b", "mla_up_proj", "core_attn")])
def test_a_module_that_no_layer_has_is_refused(model: str, mode: str, have: str) -> None:
    with pytest.raises(PlanError, match=f"no layer has {mode}") as refusal:
        Training(load(model), Plan(recompute=mode), length=64)
    assert have in str(refusal.value)


def test_every_module_has_lines() -> None:
    assert set(marks.MODULES) == set(recompute.MODULES)


def test_an_unknown_checkpoint_is_refused() -> None:
    with pytest.raises(BursarError, match="unknown checkpoint"):
        Plan(checkpoint="early")


def test_adapters_under_reentrant_checkpoints_need_the_gradient_of_the_embedding() -> None:
    """A reentrant checkpoint gives a gradient only to what its input has one for, so that the embedding's result is made to ask
    for one: the first layer is then like all others."""
    late, early = (
        load("llama-3-8b").tuned(Plan(lora_rank=8, recompute="full", checkpoint=kind)).architecture for kind in CHECKPOINTS[::-1]
    )
    assert [run.times for run in late.trunk] == [1, 31]
    assert [run.times for run in early.trunk] == [32]


def test_frozen_layers_keep_nothing_under_a_checkpoint() -> None:
    found = load("llama-3-8b").activations(Plan(freeze_layers=10, recompute="full", checkpoint="non-reentrant"), 512)
    assert found.layers[0].bytes == 0 < found.layers[1].bytes == found.layers[2].bytes


def test_a_module_that_a_layer_does_not_have_repeats_nothing_of_it() -> None:
    """Layers of experts have no `mlp` (Megatron-Core recomputes it in dense layers alone); what brings tokens together for their
    shared experts is no part of one."""
    plan = Plan(tensor=2, sequence=True, recompute="mlp")
    training = Training(load("deepseek-v2-lite"), plan, length=128)
    again = {
        prefix: [name for name, op in block.lines.items() if op.mark and op.mark.again]
        for stage in training.stages
        for prefix, _, block in stage.layers
    }
    assert again["layers.moe."] == []
    assert "mlp.norm.gather" in again["layers.dense."]


@pytest.mark.parametrize("mode", ["none", "full", "mlp"])
def test_sequence_parallelism_of_one_rank_is_none(mode: str) -> None:
    """There is nothing to scatter, so no buffer to gather into."""
    alone, asked = (Training(load("llama-3.2-1b"), Plan(sequence=on, recompute=mode), length=512) for on in (False, True))
    assert asked.memory() == alone.memory()
    assert Plan(sequence=True, tensor=2).scatters
