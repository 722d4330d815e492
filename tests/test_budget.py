"""Proves the arithmetic of runs, rooflines and states from numbers alone: whichever quantity is left out is found again, what
contradicts is refused, and the bytes of so many parameters are those of a job.

The register's groups 4 and 7 are replayed in test_register.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import bursar
from bursar import Plan, Training
from bursar.cli import main
from bursar.errors import PlanError
from bursar.questions import budget
from bursar.questions.ridge import bound, ceiling, ridge
from bursar.questions.static import static
from tests.command import answer, refused

GB = 10**9
RUN = {"params": 70 * GB, "tokens": 15 * 10**12, "devices": 1024, "peak_flop_per_s": 990e12, "mfu": 0.5, "price": 2.0}


def test_seventy_billion_parameters() -> None:
    """6 · 70e9 · 15e12 FLOP, over 1024 · 990e12 · 0.5 FLOP/s."""
    known, steps = budget.solve(RUN)
    assert known["flops"] == 6 * RUN["params"] * RUN["tokens"] and isinstance(known["flops"], int)
    assert known["days"] == pytest.approx(6.3e24 / (1024 * 990e12 * 0.5) / 86_400)
    assert known["cost_usd"] == pytest.approx(known["device_hours"] * 2)
    assert {step.quantity for step in steps} == set(known) - set(RUN)
    assert all(step.formula and step.source for step in steps)


@pytest.mark.parametrize("missing", ["params", "tokens", "devices", "peak_flop_per_s", "mfu"])
def test_whatever_is_left_out_is_found_again(missing: str) -> None:
    whole, _ = budget.solve(RUN)
    given_ = {**{name: RUN[name] for name in RUN if name not in (missing, "price")}, "days": whole["days"]}
    known, _ = budget.solve(given_)
    assert known[missing] == pytest.approx(RUN[missing])


@given(st.integers(1, 10**13), st.integers(1, 10**15), st.floats(1e-3, 1), st.integers(1, 10**6))
def test_every_relation_holds_in_the_end(params: int, tokens: int, mfu: float, devices: int) -> None:
    known, _ = budget.solve({"params": params, "tokens": tokens, "mfu": mfu, "devices": devices, "peak_flop_per_s": 1e15})
    for relation in budget.RELATIONS:
        if not relation.missing(known):
            assert relation.value(known) == pytest.approx(known[relation.quantity]), budget.text(relation)


@given(st.floats(1e15, 1e27), st.floats(0.1, 1e4))
def test_a_ratio_of_tokens_to_parameters(flops: float, ratio: float) -> None:
    known, _ = budget.solve({"flops": flops, "tokens_per_param": ratio})
    assert 6 * known["params"] * known["tokens"] == pytest.approx(flops)
    assert known["tokens"] / known["params"] == pytest.approx(ratio)


def test_what_contradicts_is_refused() -> None:
    with pytest.raises(PlanError, match="flops=1e"):
        budget.solve({"params": 7 * GB, "tokens": 10**12, "flops": 1e20})
    with pytest.raises(PlanError, match="seconds=5"):
        budget.solve({"seconds": 5, "days": 1})
    known, _ = budget.solve({"params": 7 * GB, "tokens": 10**12, "flops": 4.2e22})  # the same, said twice
    assert known["flops"] == 4.2e22


def test_devices_come_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """6.3e24 / (30 days · 990e12 · 0.4) = 6,137.8."""
    found = answer(capsys, "run --params 70B --tokens 15T --days 30 --mfu 0.4 --peak 990e12")
    assert found["devices"] == 6138 and 6137 < found["devices_exact"] < 6138
    exact = answer(capsys, "run --params 1B --tokens 1B --seconds 1 --mfu 1 --peak 6e17")
    assert exact["devices"] == 10  # 6e18 / 6e17, whatever the last digit of the quotient is


def test_the_peak_is_that_of_the_format(capsys: pytest.CaptureFixture[str]) -> None:
    line = "run --flops 19.5e12 --seconds 1 --devices 1 --device a100-80-sxm --precision "
    narrow, wide = answer(capsys, line + "bf16"), answer(capsys, line + "fp32")
    assert (narrow["mfu"], narrow["peak_dtype"]) == (19.5 / 312, "bf16")
    assert (wide["mfu"], wide["peak_dtype"]) == (1.0, "fp32")
    assert "fp8" in refused(capsys, "run --flops 1e20 --days 1 --devices 1 --device a100-80-sxm --precision fp8")


def test_more_than_the_peak_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "run --flops 2e15 --seconds 1 --devices 1 --device h100-sxm")
    assert found["mfu"] > 1 and found["possible"] is False
    assert main(["run", "--flops", "2e15", "--seconds", "1", "--devices", "1", "--device", "h100-sxm"]) == 0
    assert "above 1" in capsys.readouterr().out


def test_a_model_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    model = bursar.load("llama-3-8b")
    found = answer(capsys, "run llama-3-8b --seq 8k --tokens 15T")
    assert found["params"] == model.params()
    assert found["flops"] == model.flops(8192).train * 15 * 10**12 // 8192
    assert found["flops"] / (6 * model.params() * 15 * 10**12) == pytest.approx(1.2, abs=0.1)  # attention beyond 6ND, at 8k
    assert "not both" in refused(capsys, "run llama-3-8b --params 8B --tokens 1T")


def test_recomputation_is_one_more_forward_pass(capsys: pytest.CaptureFixture[str]) -> None:
    line = "run --params 7B --tokens 4194304 --seconds 5.6 --devices 64 --peak 990e12 --recompute "
    none, full = answer(capsys, line + "none"), answer(capsys, line + "full")
    assert 3 * full["executed_flops"] == 4 * none["executed_flops"] and full["flops"] == none["flops"]
    assert full["hfu"] == pytest.approx(full["mfu"] * 4 / 3) and none["hfu"] == none["mfu"]
    assert "none, full" in refused(capsys, "run --params 7B --tokens 1T --recompute selective")


def test_what_a_run_stands_beside(capsys: pytest.CaptureFixture[str]) -> None:
    """70B on 15T is 20.06 times GPT-3's 3.14e23 and 0.63 of the AI Act's presumption; each figure has its source and date."""
    rows = {row["name"]: row for row in answer(capsys, "run --params 70B --tokens 15T")["beside"]}
    assert rows["gpt3-175b"]["ratio"] == pytest.approx(6.3e24 / 3.14e23) and rows["eu-ai-act"]["ratio"] == pytest.approx(0.63)
    assert all(row["source"] and row["as_of"] for row in rows.values())
    assert "revoked" in rows["us-eo-14110"]["note"]


def test_money_buys_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    """A budget at a price is device-hours; at a peak and an MFU these are FLOPs, and tokens of a model."""
    line = "run --params 7B --usd 100000 --device h100-sxm --mfu 0.4"
    found = answer(capsys, line + " --price 2")
    assert found["device_hours"] == 50_000
    assert found["tokens"] == pytest.approx(50_000 * 3600 * 989.4e12 * 0.4 / 42e9)
    dated = answer(capsys, line)  # at the catalog's example price
    assert dated["tokens"] == pytest.approx(found["tokens"] * 2 / dated["price"])
    paid = answer(capsys, "run --usd 100000 --device-hours 40000 --device h100-sxm --mfu 0.4")
    assert paid["price"] == 2.5  # what follows is not the catalog's


def test_nothing_follows_from_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing follows" in refused(capsys, "run --tokens 1T")
    assert "mfu=1.5" in refused(capsys, "run --params 7B --mfu 1.5")


# ── rooflines ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.floats(1, 1e18), st.floats(1, 1e15), st.floats(1e9, 1e16), st.floats(1e9, 1e14))
def test_what_bounds_an_operation(flops: float, moved: float, peak: float, bandwidth: float) -> None:
    """Below the ridge point memory takes longer, above it products; the ceiling is the share of the peak in the least time."""
    found, point = bound(flops, moved, peak, bandwidth), ridge(peak, bandwidth)
    assume(abs(flops / moved / point - 1) > 1e-9)
    assert (found.compute > found.memory) is (flops / moved > point)
    assert flops / found.seconds / peak == pytest.approx(ceiling(flops / moved, point))


def test_roofline(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "roofline --device a100-80-sxm --flops 1e12 --bytes 1e9 --seconds 0.01")
    assert found["ridge"] == 312e12 / 2.039e12 and found["bound"] == "compute"
    assert found["utilization"] == pytest.approx(1e12 / 0.01 / 312e12)
    assert "--peak and --bandwidth" in refused(capsys, "roofline --flops 1e12")


# ── states ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", [
    {}, {"precision": "fp32"}, {"grad_dtype": "fp32"}, {"optimizer": "adamw-8bit"}, {"optimizer": "sgd", "precision": "bf16-pure"},
    {"data": 8, "zero": 1}, {"data": 8, "zero": 2}, {"data": 8, "zero": 3},
])  # fmt: skip
def test_states_are_those_of_a_job(options: dict[str, Any]) -> None:
    """A model's own account is that of its number of parameters, up to padding of shards and blocks."""
    model, plan = bursar.load("llama-3.2-1b"), Plan(**options)
    job = Training(model.architecture, plan, length=1).memory()[0]
    found = static(model.params(), plan)
    ours = (found.weights, found.gradients, found.master_weights, found.optimizer_state)
    theirs = (job.weights, job.gradients, job.master_weights, job.optimizer_state)
    assert ours == pytest.approx(theirs, rel=2e-4)


def test_states_that_follow_from_shapes_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "shapes of matrices" in refused(capsys, "states --params 7B --optimizer shampoo")
    assert "--params" in refused(capsys, "states")


def test_sixteen_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "states --params 7B --capacity 80G")
    assert found["per_param"] == {"weights": 2, "gradients": 2, "master_weights": 4, "optimizer_state": 8, "total": 16}
    assert (found["total"], found["devices"], found["fits"], found["largest_params"]) == (112 * GB, 2, False, 5 * GB)


# register, A7.8 and A12.4: bytes per parameter, and the assumptions that make them
@pytest.mark.parametrize(
    ("per_param", "rules"),
    [
        (2, {"weights_16"}),
        (4, {"weights_32", "gradients_16"}),
        (12, {"no_master"}),  # 2 + 2 + 8
        (14, {"no_master_wide"}),  # 2 + 4 + 8
        (16, {"mixed", "single"}),  # 2 + 2 + 4 + 8 and 4 + 4 + 8
        (18, {"mixed_wide", "mixed_activations"}),  # 2 + 4 + 4 + 8, and 16 with 2 of activations
        (20, {"second_copy"}),  # 4 + 4 + 8 with 4 more
        (24, {"second_copy_activations"}),  # and 4 of activations
    ],
)
def test_rules_of_thumb(per_param: int, rules: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, f"audit --params 7B --bytes {7e9 * per_param}")
    assert set(found["explained_by"]) == rules
    near = [row for row in found["readings"] if row["near"]]
    assert all(row["per_param"] == sum(row["terms"].values()) == per_param and row["difference"] == 0 for row in near)


def test_a_terabyte_for_seventy_billion(capsys: pytest.CaptureFixture[str]) -> None:
    """What 70B in FP16 takes is 140 GB; 1.1 TB is what training holds, 16 bytes a parameter."""
    found = answer(capsys, "audit --params 70B --bytes 1.1e12")
    assert set(found["explained_by"]) == {"mixed", "single"}
    by_rule = {row["rule"]: row["bytes"] for row in found["readings"]}
    assert (by_rule["weights_16"], by_rule["mixed"]) == (140 * GB, 1120 * GB)
    assert answer(capsys, "audit --params 7B --bytes 1e9")["explained_by"] == []
    assert "--bytes" in refused(capsys, "audit --params 7B")


def test_keys_of_a_config_may_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    """An untied head adds vocabulary · width; a key that the family does not know is refused."""
    usual, untied = answer(capsys, "params gpt2"), answer(capsys, "params gpt2 --set tie_word_embeddings=false")
    assert untied["total"] - usual["total"] == 50_257 * 768 and untied["set"] == {"tie_word_embeddings": False}
    assert "colour" in refused(capsys, "params gpt2 --set colour=red")
    assert "such as vocab_size" in refused(capsys, "params gpt2 --set vocab_size")


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("line", [
    "run --params 70B --tokens 15T --device h100-sxm --devices 1024 --mfu 0.5", "run llama-3-8b --tokens 15T",
    "run --params 70B --tokens 15T --device h100-sxm --days 30 --mfu 0.4", "roofline --device h100-sxm",
    "roofline --device h100-sxm --bytes 1e9 --flops 1e9 --seconds 1", "states --params 7B --dp 8 --zero 3 --device h100-sxm",
    "audit --params 70B --bytes 1.1e12", "audit --params 7B --bytes 1e9",
])  # fmt: skip
def test_reports(line: str, lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line.split(), "--lang", lang]) == 0
    assert capsys.readouterr().out.strip()
