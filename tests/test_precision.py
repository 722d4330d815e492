"""Proves what precision recipes hold: the register's bytes per parameter (group 7) through the account of a job, copies of
quantised weights, what quantised products keep for backward, and formats of frozen weights with their scales.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import bursar
from bursar import Plan, Training, catalog, load
from bursar.errors import PlanError, UnknownNameError
from bursar.facts import sources
from bursar.memory.peaks import Memory
from bursar.ops.linear import Linear
from bursar.precision import BITS, GRADIENTS, RECIPES, STATES, WIDTHS, bits_of, recipe, stored_bytes
from bursar.tree import Architecture, Block, Input, Repeat

GB = 10**9
H, F, L, KV, V, HEADS = 4096, 14336, 32, 1024, 128256, 32  # Llama-3-8B
PRODUCTS = L * (2 * H * H + 2 * H * KV + 3 * H * F)
REST = 2 * V * H + (2 * L + 1) * H
QUANTISED = [name for name, found in RECIPES.items() if found.operand]


def of_products(*shapes: tuple[int, int]) -> Architecture:
    """A model that is a chain of products."""
    lines: dict[str, Input | Linear] = {"x": Input(shapes[0][0])}
    for place, (d_in, d_out) in enumerate(shapes):
        lines[f"w{place}"] = Linear(list(lines)[-1], d_in, d_out, parallel="replicated")
    return Architecture("products", (), (Repeat(1, Block(lines)),), ())


SEVEN_B = of_products((70_000, 100_000))
GPT3 = of_products((175_000, 1_000_000))
CRUNCHER = of_products((4, 4), (4, 4), (4, 1))  # 36 parameters


def held(model: Architecture | bursar.model.Model, **options: object) -> Memory:
    return Training(model, Plan(**options), length=2).memory()[0]  # type: ignore[arg-type, no-any-return]


def static(found: Memory) -> tuple[int, int, int, int]:
    return found.weights, found.gradients, found.master_weights, found.optimizer_state


@pytest.mark.parametrize(
    ("options", "gigabytes"),
    [
        ({"precision": "fp32"}, (28, 28, 0, 56)),  # N7.01: 4 + 4 + 8, 112 GB
        ({"precision": "bf16"}, (14, 14, 28, 56)),  # N7.03: 2 + 2 + (4 + 4 + 4), 112 GB
        ({"precision": "bf16", "grad_dtype": "fp32"}, (14, 28, 28, 56)),  # N7.04: 126 GB
        ({"precision": "bf16-pure"}, (14, 14, 0, 56)),  # N7.07: 84 GB without a master copy
        ({"precision": "bf16-pure", "grad_dtype": "fp32"}, (14, 28, 0, 56)),  # N7.08: 98 GB, with masters N7.04's 126
        ({"precision": "bf16-sr"}, (14, 14, 0, 28)),  # BF16 moments
        ({"precision": "bf16-kahan"}, (14, 14, 14, 28)),  # and a BF16 compensation
        ({"precision": "bf16-pure", "state_dtype": "bf16"}, (14, 14, 0, 28)),  # torch.optim on BF16 parameters
    ],
)
def test_seven_billion_parameters(options: dict[str, str], gigabytes: tuple[int, ...]) -> None:
    assert static(held(SEVEN_B, **options)) == tuple(part * GB for part in gigabytes)


def test_sums_and_shares() -> None:
    mixed, full = static(held(SEVEN_B, precision="bf16")), static(held(SEVEN_B, precision="fp32"))
    assert sum(mixed) == sum(full) == 112 * GB and round(sum(full) / 2**30, 4) == 104.3081  # N7.01 to N7.03
    assert sum(mixed) // 16 * 18 == 126 * GB and sum(full) // 16 * 20 == 140 * GB  # N7.05, N7.06
    assert 2 * 70 * GB == held(of_products((70_000, 1_000_000)), precision="bf16").weights == 140 * GB  # N7.09
    assert sum(static(held(of_products((70_000, 1_000_000)), precision="bf16"))) == 1120 * GB  # N7.10
    assert Fraction(2**30, GB) == Fraction("1.073741824")  # N7.11
    assert Fraction(sum(mixed[2:]), sum(mixed)) == Fraction(75, 100)  # N7.24
    assert Fraction(full[3], sum(full)) == Fraction(50, 100)
    assert sum(static(held(GPT3, precision="bf16"))) == 2800 * GB  # N7.27
    bar = [*mixed[:3], mixed[3] // 2, mixed[3] // 2]
    assert [Fraction(part, sum(bar)) * 100 for part in bar] == [Fraction("12.5"), Fraction("12.5"), 25, 25, 25]  # N7.28


def test_the_smallest_model() -> None:
    """N7.14 to N7.18: two layers of width 4 and a head, a batch of two; 36 parameters, and 16 activations that no input is."""
    job = Training(CRUNCHER, Plan(precision="fp32", optimizer="adagrad"), length=2)
    activations = job.stage_loads[0].kept - 4 * 4 * 2  # x is data
    assert sum(static(job.memory()[0])) + activations == 4 * (3 * 36 + 16) == 496
    assert sum(static(held(CRUNCHER, precision="bf16-pure", optimizer="adagrad"))) + activations // 2 == 320
    assert sum(static(held(CRUNCHER, precision="bf16", optimizer="adagrad"))) + activations // 2 == 464
    shares = [Fraction(part, 496) for part in (*static(job.memory()[0])[:2], job.memory()[0].optimizer_state, activations)]
    assert [round(float(100 * share), 4) for share in shares] == [29.0323, 29.0323, 29.0323, 12.9032]  # N7.16
    assert [round(36 / 0.35, 1), 16 / 0.16, round(36 / 0.14, 1)] == [102.9, 100.0, 257.1]  # N7.17: the totals of the printed shares


def test_how_many_devices_hold_a_model() -> None:
    """N7.20: 16 bytes a parameter, sharded over 8 × 80 GB, leave room for 40e9; N7.21: devices of 80 GB for three models."""
    largest = held(of_products((200_000, 200_000)), precision="bf16", data=8, zero=3)
    assert sum(static(largest)) == 80 * GB
    whole = [sum(static(held(model, precision="bf16"))) for model in (SEVEN_B, of_products((70_000, 1_000_000)), GPT3)]
    assert [-(-size // (80 * GB)) for size in whole] == [2, 14, 35]
    assert round(1.5 * 2 * 7) == 21 and 2.5 * 7 == 17.5  # N7.26: 1.5 × 2φ is 3φ, not 2.5φ


def test_the_fp8_recipe_of_deepseek() -> None:
    """N7.25: FP8 copy 1, FP32 gradient 4, FP32 master 4, BF16 moments 2 + 2; the scales are 4 bytes per 128 × 128 block."""
    found = static(held(SEVEN_B, precision="deepseek"))
    scales = -(-7 * GB * 4 // (128 * 128))
    assert found == (7 * GB + scales, 28 * GB, 28 * GB, 28 * GB)
    assert sum(found) - scales == 91 * GB and round(sum(found) / GB) == 91
    assert static(held(SEVEN_B, precision="fp8-block")) == found


# ── which tensors are narrow ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("precision", "per_product"),
    [
        ("bf16", 2),
        ("fp8", 2 + 1 + 1),  # BF16, by rows, by columns
        ("fp8-current", 4),
        ("mxfp8", 2 + 2 * Fraction(33, 32)),  # a byte of scale per 32
        ("mxfp6", 2 + 2 * Fraction(25, 32)),
        ("mxfp4", 2 + 2 * Fraction(17, 32)),
        ("nvfp4", 2 + 2 * Fraction(9, 16)),  # a byte of scale per 16 elements of half a byte
        ("deepseek", Fraction(4097, 4096)),
    ],
)
def test_products_have_copies_and_the_rest_is_bf16(precision: str, per_product: Fraction | int) -> None:
    assert held(bursar.load("llama-3-8b"), precision=precision).weights == PRODUCTS * per_product + 2 * REST


def test_copies_are_cut_and_sharded_like_the_weights() -> None:
    model = bursar.load("llama-3-8b")
    assert held(model, precision="fp8", tensor=2).weights == PRODUCTS * 4 // 2 + 2 * (V * H + (2 * L + 1) * H)
    assert held(model, precision="deepseek", data=8, zero=3).weights == PRODUCTS * 4097 // 4096 // 8 + 2 * REST // 8
    assert held(model, precision="fp8", data=8, zero=1).weights == PRODUCTS * 4 + 2 * REST


def test_copies_of_sharded_weights_go_with_what_is_gathered() -> None:
    """ZeRO-3 and FSDP: a rank has its share of the BF16 weights, and the copies of the layer at work."""
    model, sharded = bursar.load("llama-3-8b"), {"data": 8, "zero": 3}
    plain, fp8 = held(model, **sharded), held(model, precision="fp8", **sharded)
    assert fp8.weights == plain.weights == 2 * (PRODUCTS + REST) // 8
    assert fp8.temporary - plain.temporary == 2 * PRODUCTS // L


def test_frozen_products_have_copies_too() -> None:
    """Adapters are BF16 products; a weight that is stored in a format of its own is widened to BF16 and not copied."""
    model, lora = bursar.load("llama-3-8b"), {"lora_rank": 16}
    assert held(model, precision="fp8", **lora).weights - held(model, **lora).weights == 2 * PRODUCTS
    assert held(model, precision="fp8", weights="nf4", **lora).weights == held(model, weights="nf4", **lora).weights


@pytest.mark.parametrize(
    ("precision", "operand"), [("fp8", 1), ("deepseek", Fraction(33, 32)), ("mxfp8", Fraction(33, 32)), ("nvfp4", Fraction(9, 16))]
)
def test_products_keep_their_operands_in_the_narrow_format(precision: str, operand: Fraction | int) -> None:
    """Of a layer BF16 keeps x, both norms' outputs, the sum, Q, K, V, the attention's output, gate, up and their product. Three of
    these are read by products alone: both norms' outputs and the feed-forward product change their format. The attention's output
    is kept by the kernel in BF16, and once more for the projection after it."""
    s, model = 8192, bursar.load("llama-3-8b")
    ours = [model.activations(Plan(precision=name), s).layers[0].bytes for name in ("bf16", precision)]
    statistics = 2 * 4 * s + 4 * s * HEADS
    assert ours[0] == 2 * s * (6 * H + 2 * KV + 3 * F) + statistics
    assert ours[1] == 2 * s * (4 * H + 2 * KV + 2 * F) + operand * s * (3 * H + F) + statistics


def test_the_account_and_the_ledger_keep_the_same() -> None:
    job = Training(bursar.load("mixtral-8x7b"), Plan(precision="mxfp8", tensor=2, sequence=True), length=1024)
    book = job.ledger().where(quantity="bytes")
    load = job.stage_loads[0]
    assert book.total() == load.kept + load.logits + load.tables
    operands = [entry for entry in book if entry.kind == "operand"]
    assert operands and len({entry.path for entry in operands}) == len(operands)


def test_output_layer_and_router_read_bf16() -> None:
    model = bursar.load("mixtral-8x7b")
    kinds = {entry.path.rsplit(".", 1)[-1]: entry.kind for entry in model.activations(Plan(precision="fp8"), 512).entries}
    assert kinds["operand"] == "operand"
    head = [entry for entry in model.activations(Plan(precision="fp8"), 512).entries if entry.path.startswith("head.")]
    assert {entry.kind for entry in head} <= {"activation", "logits", "statistics", "fp32", "loss", "index"}


@pytest.mark.parametrize("precision", QUANTISED)
def test_many_plans_at_once_are_each_plan(precision: str) -> None:
    model, tensor, data = bursar.load("llama-3-8b"), [2, 4, 8], [8, 4, 2]
    shape = {"sequence": True, "zero": 1, "precision": precision}
    many = Training(model, Plan(tensor=np.array(tensor, float), data=np.array(data, float), **shape), length=1024, checked=False)
    ones = [Training(model, Plan(tensor=t, data=d, **shape), length=1024) for t, d in zip(tensor, data, strict=True)]
    assert many.peak().tolist() == [one.peak() for one in ones]


# ── devices ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("precision", "device", "runs"),
    [
        ("fp8", "a100-80-sxm", False), ("fp8", "h100-sxm", True), ("deepseek", "h800", True), ("deepseek", "v100-sxm", False),
        ("mxfp8", "h100-sxm", False), ("mxfp8", "b200", True), ("nvfp4", "h200", False), ("nvfp4", "b300", True),
        ("mxfp4", "mi355x", True), ("mxfp6", "mi300x", False), ("bf16", "v100-sxm", True),
    ],
)  # fmt: skip
def test_a_device_must_have_the_products(precision: str, device: str, runs: bool) -> None:
    model, plan, chosen = bursar.load("llama-3.2-1b"), Plan(precision=precision), bursar.device(device)
    if runs:
        assert Training(model, plan, chosen, length=128).peak() > 0
        return
    with pytest.raises(PlanError, match=f"precision={precision} needs dense peaks of") as caught:
        Training(model, plan, chosen, length=128)
    valid = caught.value.valid
    assert isinstance(valid, list) and precision not in valid
    assert all(set(RECIPES[name].peaks) <= set(chosen.peaks) for name in valid)


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_complete(name: str) -> None:
    """A source; FP32 masters if and only if the working weights are narrower, but for those that say how they do without."""
    found = recipe(name)
    assert found.name == name and found.source in sources()
    without = {"bf16-pure": None, "bf16-sr": None, "bf16-kahan": "bf16"}
    assert found.master == (without[name] if name in without else "fp32" if bits_of(found.weight) < 32 else None)
    assert found.loss_scale is (found.compute == "fp16")
    assert bool(found.products) is bool(found.operand)
    for field in (
        found.weight,
        found.gradient,
        found.activation,
        found.state,
        *found.products,
        *([found.operand] if found.operand else []),
    ):
        assert field in WIDTHS
    if found.operand:
        assert WIDTHS[found.operand].bits <= 8 < bits_of(found.weight)


@pytest.mark.parametrize("name", WIDTHS)
def test_a_format_is_complete(name: str) -> None:
    width = WIDTHS[name]
    assert width.name == name and width.source in sources() and width.bits == BITS[name]
    assert 0 <= width.scales < 1 and width.held >= width.bits


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bf16", 2 * 4096 * 1024),
        (
            "nf4",
            4096 * 1024 // 2 + 4096 * 1024 // 64 + 4 * (4096 * 1024 // (64 * 256)) + 4,
        ),  # codes, maxima, their maxima, their mean
        ("nf4-single", 4096 * 1024 // 2 + 4 * 4096 * 1024 // 64),
        ("int8", 4096 * 1024 + 4 * 4096),  # a maximum per row
        ("int4", 4096 * 1024 // 2 + (2 * 4096 * 1024 + 4096 * 1024 // 2) // 128),  # per group an FP16 scale and half a byte of zero
        ("fp8", 4096 * 1024 + 4),
        ("nvfp4", 4096 * 1024 // 2 + 4096 * 1024 // 16 + 4),
    ],
)
def test_a_frozen_matrix(name: str, expected: int) -> None:
    assert stored_bytes(name, (4096, 1024)) == expected


def test_double_quantisation_saves_what_qlora_says() -> None:
    """arXiv:2305.14314, section 3: 0.5 bits per parameter become 8/64 + 32/(64·256) = 0.127."""
    assert WIDTHS["nf4-single"].scales == Fraction(1, 2)
    assert float(WIDTHS["nf4"].scales) == 0.126953125


@pytest.mark.parametrize(("field", "valid"), [("grad_dtype", GRADIENTS), ("state_dtype", STATES)])
def test_a_dtype_that_is_none_is_refused(field: str, valid: tuple[str, ...]) -> None:
    with pytest.raises(UnknownNameError) as caught:
        _ = Plan(**{field: "int4"}).recipe
    assert caught.value.field == field and set(caught.value.valid) <= set(valid)  # type: ignore[call-overload]
    assert all(getattr(Plan(**{field: name}).recipe, "gradient" if field == "grad_dtype" else "state") == name for name in valid)


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
@pytest.mark.parametrize("name", sorted({load(name).architecture.family: name for name in catalog.names()}.values()))
def test_what_is_kept_adds_up(name: str, precision: str) -> None:
    """The entries of the ledger are all that a model keeps, whatever is copied in a narrower format, an encoder's output too."""
    model = load(name)
    for kernels in ("textbook", "fused"):
        found = model.activations(Plan(precision=precision, kernels=kernels), min(640, model.architecture.max_length or 640))
        assert sum(entry.value for entry in found.entries) == found.total
