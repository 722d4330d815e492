"""Proves that derivations are the numbers: every step's formula at its letters is its value, steps add up to what they are steps
of, and the root is what the verb of the quantity answers, for every family of the catalog, for random shapes, and for plans.

The forms that papers print come out as such, every kept tensor has its reason, both languages hold the same numbers, and one
process answers within a second.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import sympy

from bursar import catalog, families
from bursar.cli import main
from bursar.errors import BursarError
from bursar.explain import readable
from bursar.explain.activations import activations
from bursar.explain.flops import GROUPS, flops
from bursar.explain.keepers import HELD, keepers
from bursar.explain.kv import kv
from bursar.explain.memory import memory
from bursar.explain.params import params
from bursar.explain.reasons import REASONS, ROWS
from bursar.explain.step import Explained, Step
from bursar.explain.time import time as seconds
from bursar.machines.devices import device
from bursar.model import Model, load
from bursar.plan import Plan
from bursar.report.words import WORDS
from bursar.training import Training

SBH, ASSB = 2048 * 12288, 96 * 2048**2  # GPT-3 (arXiv:2005.14165, table 2.1), one sequence
PRECISIONS = ("bf16", "fp32", "fp8", "bf16-autocast")
CHANGES: tuple[dict[str, Any], ...] = (
    {"lora_rank": 8},
    {"lora_rank": 8, "adapter": "dora"},
    {"tensor": 2, "sequence": True},
    {"context": 2},
)
KERNELS = ("textbook", "fused", "eager", "sdpa")


def models() -> list[str]:
    """One model of every family."""
    found: dict[str, str] = {}
    for name in catalog.names():
        found.setdefault(families.file_of(catalog.entry(name).values["model_type"]), name)
    return list(found.values())


def length(model: Model) -> int:
    return min(640, model.architecture.max_length or 640)


def steps(root: Step) -> Iterator[Step]:
    yield root
    for step in root.steps:
        yield from steps(step)


def proved(found: Explained) -> Any:
    """The value of a derivation, each of whose steps is its formula and the sum of its steps."""
    for root in (found.root, *found.beside):
        for step in steps(root):
            exact = readable.value(step.formula, found.numbers)
            if isinstance(step.value, float):
                assert float(exact) == pytest.approx(step.value, rel=1e-9), step.name
                assert not step.steps or sum(part.value for part in step.steps) == pytest.approx(step.value, rel=1e-9)
            else:
                assert exact == Fraction(step.value), (step.name, step.formula)
                assert not step.steps or sum(part.value for part in step.steps) == step.value, step.name
    return found.root.value


# ── every family ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", models())
def test_parameters_flops_and_cache_of_every_family(name: str) -> None:
    model = load(name)
    assert proved(params(model)) == model.params()
    for mask in ("full", "causal"):
        workload = model.step(length(model), 2, mask)
        found = flops(model, workload)
        assert proved(found) == model.flops(length(model), 2, mask).train == found.beside[0].value
    assert proved(kv(model, workload, "bf16")) == model.kv(length(model), 2).bytes


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", models())
def test_kept_bytes_of_every_family_each_with_its_reason(name: str, kernels: str) -> None:
    model = load(name, dropout=0.1)
    plan = Plan(kernels=kernels)
    try:
        expected = model.activations(plan, length(model)).total
    except BursarError:
        pytest.skip("a family whose modules are not traced")
    found = activations(model, plan, length(model))
    assert proved(found) == expected
    kept = [step for part in found.root.steps for step in part.steps]
    assert kept and all(step.reasons for step in kept)
    assert not [step.name for step in kept for reason in step.reasons if reason.key == "why_kept_by"]


PLANS = {
    "selective": Plan(kernels="textbook", recompute="selective"),
    "full": Plan(kernels="textbook", recompute="full"),
    "modules": Plan(recompute="layernorm,mlp"),
    "fp8": Plan(precision="fp8"),
    "fp32": Plan(kernels="sdpa", precision="fp32"),
    "autocast": Plan(kernels="eager", precision="bf16-autocast"),
    "tensor": Plan(kernels="textbook", tensor=4),
    "shared keys": Plan(tensor=16, sequence=True),
    "sequence": Plan(tensor=8, sequence=True, micro_batch=3),
    "context": Plan(context=2),
    "lora": Plan(kernels="sdpa", lora_rank=8),
}


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", ["llama-3-8b", "gpt3-175b", "mixtral-8x7b", "deepseek-v3", "jamba-v0.1", "qwen3-next-80b-a3b"])
def test_plans_are_rewrites_of_the_formula(name: str, plan: str) -> None:
    model = load(name)
    try:
        expected = model.activations(PLANS[plan], 1024).total
    except BursarError:
        pytest.skip("a plan that this model has not")
    assert proved(activations(model, PLANS[plan], 1024)) == expected
    assert proved(activations(model, PLANS[plan], 1024, layer=0)) > 0


# ── random shapes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def other_shape(name: str, seed: int) -> Model:
    """A model of a family with other sizes: a random multiple of each that may be scaled alone."""
    pick = random.Random(f"{name} {seed}")
    values = dict(catalog.entry(name).values)
    for key in ("hidden_size", "intermediate_size", "moe_intermediate_size", "vocab_size", "kv_lora_rank", "q_lora_rank"):
        if isinstance(values.get(key), int):
            values[key] *= pick.randint(1, 5)
    return load(values)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", ["deepseek-v3", "jamba-v0.1", "qwen3-next-80b-a3b", "zamba2-7b"])
def test_latent_and_hybrid_models_of_random_shapes(name: str, seed: int) -> None:
    """One formula, of the published shape, is the int reading of every other shape: its letters alone change."""
    pick = random.Random(seed)
    model, plan = other_shape(name, seed), Plan(kernels="textbook", micro_batch=pick.randint(1, 4))
    size = 64 * pick.randint(1, 40)
    found = activations(model, plan, size)
    assert proved(found) == model.activations(plan, size).total
    published = activations(load(name), Plan(kernels="textbook"), 2048)
    assert sympy.expand(published.root.formula - found.root.formula) == 0


# ── what papers print ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_layer_of_gpt3_is_equation_1() -> None:
    found = activations(load("gpt3-175b"), Plan(kernels="textbook"), 2048, layer=0)
    b, s, h, a = sympy.symbols("b s h a", positive=True, integer=True)
    assert found.root.formula == 34 * s * b * h + 5 * a * s**2 * b
    assert found.root.value == 34 * SBH + 5 * ASSB == 2_868_903_936
    terms = {step.name: step.value for step in steps(found.root) if not step.steps}
    assert terms == {
        "x": 2 * SBH, "attn.add": 2 * SBH,  # inputs of the norms
        "attn.norm": 2 * SBH, "mlp.norm": 2 * SBH,  # inputs of QKV and of the first product of the MLP
        "attn.q": 2 * SBH, "attn.k": 2 * SBH, "attn.v": 2 * SBH,
        "attn.core.softmax": 2 * ASSB, "attn.core.mask": ASSB, "attn.core.dropped": 2 * ASSB,
        "attn.core": 2 * SBH, "attn.dropout.mask": SBH,  # input of the projection, its dropout
        "mlp.up": 8 * SBH, "mlp.act": 8 * SBH, "mlp.dropout.mask": SBH,  # GELU's input, input of the last product
    }  # fmt: skip


def test_the_report_of_a_layer_of_gpt3_ends_in_its_two_terms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "activations", "gpt3-175b", "--layer", "0", "--kernels", "textbook", "--seq", "2048"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("= 34·25,165,824 + 5·402,653,184 = 2,868,903,936 B")


def test_a_layer_of_llama_3_in_closed_form() -> None:
    """12 of FP32 copies and normed x of two norms, 4 of what they make, Q and O, K and V, four widths of the MLP; 1/rms of two
    norms, flash attention's log-sums, cos and sin."""
    found = activations(load("llama-3-8b"), Plan(kernels="sdpa"), 2048, layer=0)
    assert found.root.closed == "sbh(12 + 4 + 4q + 4g + 8f/h) + 4asb + 4sd + 8sb"
    assert found.defined == {"q": "ad/h", "g": "kd/h"}
    b, s, h, a, k, d, f = sympy.symbols("b s h a k d f", positive=True, integer=True)
    q, g = a * d / h, k * d / h
    printed = s * b * h * (12 + 4 + 4 * q + 4 * g + 8 * f / h) + 8 * s * b + 4 * b * a * s + 4 * s * d
    assert sympy.expand(found.root.formula - printed) == 0


def test_tensor_and_sequence_parallelism_divide_the_formula() -> None:
    found = activations(load("gpt3-175b"), Plan(kernels="textbook", tensor=8, sequence=True), 2048, layer=0)
    b, s, h, a, t = sympy.symbols("b s h a t", positive=True, integer=True)
    assert sympy.expand(found.root.formula - (34 * s * b * h + 5 * a * s**2 * b) / t) == 0  # arXiv:2205.05198, equation 4


def test_6nd_is_reconciled_to_the_last_flop() -> None:
    """Llama-3-70B at 8192: the core adds 12·L·a·d·s², the look-up takes 6·V·h a token off, norms 6·(2L + 1)·h."""
    model, tokens = load("llama-3-70b"), 8192
    found = flops(model, model.step(tokens))
    parts = {step.name: step.value for step in found.root.steps}
    assert parts == {
        "6ND": 6 * 70_553_706_496 * tokens,
        "core": 12 * 80 * 64 * 128 * tokens**2,
        "lookup": -6 * 128256 * 8192 * tokens,
        "small": -6 * (2 * 80 + 1) * 8192 * tokens,
    }
    assert sum(parts.values()) == model.flops(tokens).train == found.beside[0].value


# ── jobs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

JOBS = {
    "llama-3-8b": Plan(),
    "gpt3-175b": Plan(tensor=8, sequence=True, pipeline=4, data=2, zero=1, recompute="selective"),
    "mixtral-8x7b": Plan(data=8, expert=8, zero=1, optimizer="adamw", grad_dtype="fp32"),
    "llama-3-70b": Plan(tensor=8, pipeline=4, schedule="interleaved", virtual=2, data=2, zero=3),
    "qwen2-7b": Plan(data=8, zero=3, sharding="per-parameter"),
    "mistral-7b-v0.1": Plan(data=8, zero=1, optimizer="adamw-8bit"),
    "deepseek-v3": Plan(pipeline=8, data=8, expert=8, schedule="dualpipe", zero=1, precision="fp8"),
    "llama-2-7b": Plan(data=4, zero=2, lora_rank=16, weights="nf4"),
    "jamba-v0.1": Plan(data=2, grad_buffer="lazy", recompute="full"),
}


def job(name: str) -> tuple[Model, Training]:
    model, plan = load(name), JOBS[name]
    return model, Training(model, plan, device("h100-sxm"), length=2048, global_batch=16 * plan.data)


@pytest.mark.parametrize("name", JOBS)
def test_memory_adds_up_to_the_peak(name: str) -> None:
    model, training = job(name)
    assert proved(memory(model, training)) == training.peak()


@pytest.mark.parametrize("name", JOBS)
def test_time_adds_up_to_the_step(name: str) -> None:
    model, training = job(name)
    assert proved(seconds(model, training)) == pytest.approx(training.time().step, rel=1e-12)


def test_states_of_adam_in_mixed_precision_are_16_bytes() -> None:
    """2 + 2 + 4 + 8 (arXiv:1910.02054, section 3.1), the last two divided by the ranks under stage 1."""
    model = load("llama-3-8b")
    printed_of = {Plan(): "2N 2N 4N 8N", Plan(data=8, zero=1): "2N 2N 4·⌈N/n⌉ 8·⌈N/n⌉", Plan(precision="fp32"): "4N 4N 0 8N"}
    for plan, printed in printed_of.items():
        found = memory(model, Training(model, plan))
        assert [readable.text(step.formula) for step in found.root.steps[:4]] == printed.split()


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", models())
def test_no_tensor_of_any_plan_is_without_its_reason(name: str) -> None:
    """Whatever a family's implementations keep, in every precision, with adapters and cut: a row of the table says why."""
    model = load(name, dropout=0.1)
    plans = [Plan(kernels=kernels, precision=precision) for kernels in KERNELS for precision in PRECISIONS]
    plans += [Plan(kernels=kernels, **change) for kernels in KERNELS for change in CHANGES]
    missing: set[tuple[str, str]] = set()
    for plan in plans:
        try:
            training = Training(model, plan, length=length(model))
            kept = [
                keepers(block, training.step, training.kernels, plan.mode)
                for stage in training.stages
                for block, _ in stage.blocks()
            ]
        except BursarError:
            continue  # a plan that this family has not
        every = [keeper for who in kept for keeping in who.values() for keeper in keeping]
        missing |= {(keeper.slot, keeper.role) for keeper in every if keeper.role != HELD} - set(REASONS)
    assert not missing


def test_every_reason_has_a_sentence_and_every_sentence_a_reason() -> None:
    rows = {f"why_{key}" for key, _, _ in ROWS} | {f"why_beside_{group}" for group in GROUPS}
    rows |= {"why_checkpoint_input", "why_kept_by"}
    written = {key for key in WORDS if key.startswith("why_")} - {"why_first", "why_rest", "why_later", "why_gains"}  # of a search
    assert rows == written
    assert len(REASONS) == sum(len(roles.split()) for _, _, roles in ROWS)  # no role twice


CLI = {
    "params": ["params", "deepseek-v3"],
    "flops": ["flops", "mixtral-8x7b", "--seq", "4k"],
    "activations": ["activations", "jamba-v0.1", "--seq", "4k", "--kernels", "textbook"],
    "layer": ["activations", "llama-3-8b", "--layer", "3", "--kernels", "sdpa"],
    "memory": ["memory", "llama-3-70b", "--device", "h100-sxm", "--devices", "64", "--tp", "8", "--pp", "4", "--zero", "1"],
    "time": ["time", "llama-3-8b", "--device", "h100-sxm", "--devices", "8", "--zero", "1"],
    "kv": ["kv", "gemma3-1b", "--seq", "32k"],
    "scaling": ["scaling"],
}
TEXTS = ("title", "reason", "assumptions", "meaning")  # what a language may change


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["explain", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def without_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_texts(part) for key, part in value.items() if key not in TEXTS}
    return [without_texts(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", CLI)
def test_both_languages_have_the_same_numbers_formulas_and_sources(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    en, zh = (answer(capsys, *CLI[case], "--lang", lang) for lang in ("en", "zh"))
    assert {"formula", "latex", "substitution", "value", "unit", "source", "steps"} <= set(en)
    assert without_texts(en) == without_texts(zh)
    assert en["title"] != zh["title"]


def every(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield step
    for part in (*step["steps"], *step.get("beside", ())):
        yield from every(part)


@pytest.mark.parametrize("case", [case for case in CLI if case != "scaling"])
def test_formulas_are_read_by_sympy_and_by_latex(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The formula of every step, read as Python with its letters' numbers, is its value; braces of its LaTeX are in pairs."""
    found = answer(capsys, *CLI[case])
    numbers = {name: letter["value"] for name, letter in found["letters"].items()}
    names = {"ceiling": sympy.ceiling, "floor": sympy.floor, "Min": sympy.Min, "Max": sympy.Max}
    for step in every(found):
        read = eval(step["formula"], {"__builtins__": {}}, {**names, **{name: sympy.nsimplify(n) for name, n in numbers.items()}})
        assert float(read) == pytest.approx(step["value"], rel=1e-12)
        assert step["latex"].count("{") == step["latex"].count("}") and step["latex"].count("(") == step["latex"].count(")")


def test_a_decoding_step_is_derived_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "flops", "llama-3-8b", "--seq", "1", "--past", "4096", "--batch", "8")
    assert found["value"] == load("llama-3-8b").flops(1, 8, past=4096).train


@pytest.mark.parametrize("style", ["text", "markdown", "latex"])
@pytest.mark.parametrize("case", CLI)
def test_every_form_draws_in_both_languages(case: str, style: str, capsys: pytest.CaptureFixture[str]) -> None:
    for lang in ("en", "zh"):
        assert main(["explain", *CLI[case], "--as", style, "--lang", lang]) == 0
        out = capsys.readouterr().out
        assert out and not [word for word in ("None", "{", "}") if word in out and style == "text"]


def test_depth_leaves_out_deeper_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, *CLI["params"], "--depth", "0")["steps"] == []
    one = answer(capsys, *CLI["params"], "--depth", "1")["steps"]
    assert one and all(step["steps"] == [] for step in one)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["weight", "llama-3-8b"], "unknown quantity"),
        (["params"], "bursar explain params MODEL"),
        (["activations", "llama-3-8b", "--layer", "32"], "valid: 0 to 31"),
        (["time", "llama-3-8b"], "--device NAME"),
        (["memory", "llama-3-8b", "--layer", "0"], "no layer of memory"),
        (["scaling", "--derivation", "none"], "unknown derivation"),
    ],
)
def test_refusals(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *arguments, "--json"]) == 2
    assert said in json.loads(capsys.readouterr().out)["error"]


CASES = (
    "activations gpt3-175b --kernels textbook", "activations llama-3-8b --kernels sdpa", "activations deepseek-v3",
    "flops deepseek-v3",
)  # fmt: skip


def test_a_changed_value_would_be_seen() -> None:
    """The proof of this file fails on a step that is one byte off."""
    found = activations(load("llama-3-8b"), Plan(), 512, layer=0)
    wrong = found._replace(root=replace(found.root, value=found.root.value + 1))
    with pytest.raises(AssertionError):
        proved(wrong)
