"""What a device achieves, operator by operator: a device file of the machine at hand, in two minutes on a GPU.

matmul              products of a Llama layer, forward and both gradients, all their FLOPs over all their seconds
attention           causal torch SDPA at several lengths: R·s / (s + s₀) by least squares in 1/s; small heads; backward pass
memory              copy, sum and SiLU of tensors larger than the caches, bytes over seconds
loss, permute       cross-entropy of logits, rows gathered by an index
overhead            a chain of kernels with nothing to do, as a CUDA graph where there is one
link, all_reduce    collectives, where several ranks of one node run it (torchrun): t = α + a·S + b·√S

On a GPU every run is timed by events, after a warm-up, with the L2 cache flushed (`timing`).
Rates are over the catalog's peaks where PyTorch's name of the device is known there; else the best shape that was measured is the
peak, so that a utilization is one of what was seen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from bursar.calibrate.device_file import Measured, Number
from bursar.errors import BursarError
from bursar.machines.devices import Device
from bursar.machines.roofline import HEAD
from bursar.measure import collectives, machines
from bursar.measure.fits import saturation
from bursar.measure.timing import seconds, wait
from bursar.ops.linear import Loss
from bursar.step import Step

BACKWARD = 2.5  # FLOPs of the backward pass of an attention core, which computes its scores again, over the forward pass
WIDE = torch.bfloat16  # what rates of products and of traffic are measured in
SMALLER = HEAD // 2
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SLOW = {"fp32": torch.float32, "bf16": torch.bfloat16}  # of a CPU


class Sizes(NamedTuple):
    """Shapes, and for how long each is run at the least."""

    tokens: int
    hidden: int
    inner: int
    heads: int
    lengths: tuple[int, ...]
    elements: int
    vocab: int
    chain: int
    least: float
    messages: tuple[int, ...]


FULL = Sizes(
    8192, 4096, 14336, 32, (1024, 2048, 4096, 8192), 2**27, 128256, 512, 1.0, tuple(2**power for power in (20, 22, 24, 26, 28))
)
QUICK = Sizes(128, 256, 512, 2, (64, 128, 256), 2**20, 512, 64, 0.01, tuple(2**power for power in (14, 16, 18, 20, 22)))


def measured(on: str, *, quick: bool = False) -> Measured | None:
    """What the device `on` ("cpu", "cuda") achieves; None on all ranks but the first. Raises BursarError where it is not there."""
    device = machines.there(on)
    sizes = QUICK if quick else FULL
    catalogued = _catalogued(device)
    talked = collectives.talk(device, sizes.messages)
    if int(os.environ.get("RANK", "0")):
        return None
    about = machines.described(device)
    found = {**_products(device, sizes, catalogued), **_traffic(device, sizes, catalogued)}
    peak, bandwidth = _base(found, catalogued, "peak.bf16"), _base(found, catalogued, "memory.bandwidth")
    found |= _attention(device, sizes, peak) | _rows(device, sizes, bandwidth) | {"rates.overhead": _overhead(device, sizes)}
    if catalogued is None:
        found |= _surroundings(device, found)
    link = catalogued.link.si if catalogued else found["link.bandwidth"].value * 1e9
    found |= {f"rates.{name}": number for name, number in collectives.rates(talked, link).items()}
    texts = {"name": str(about["device"]), **({"like": catalogued.id} if catalogued else {})}
    software = ", ".join(
        [f"{key} {about[key]}" for key in ("torch", "cuda", "driver", "threads", "bursar") if about[key] is not None]
    )
    return Measured(texts, found, datetime.now(UTC).date().isoformat(), software)


def _catalogued(device: torch.device) -> Device | None:
    """The catalog's device, where it is known there."""
    try:
        return machines.here(device)
    except BursarError:
        return None


def _base(found: dict[str, Number], catalogued: Device | None, key: str) -> float:
    """What a rate is over, in base units."""
    if catalogued is None:
        return found[key].value * (1e12 if key.startswith("peak") else 1e9)
    return catalogued.peak("bf16").si if key.startswith("peak") else catalogued.memory_bandwidth.si


def _products(device: torch.device, sizes: Sizes, catalogued: Device | None) -> dict[str, Number]:
    """Achieved rate of products of a layer; peaks of dtypes where none are known."""
    found: dict[str, Number] = {}
    for name, dtype in ({"bf16": WIDE} if catalogued else DTYPES if device.type == "cuda" else SLOW).items():
        flops, taken = zip(*_layer(device, sizes, dtype), strict=True)
        best, rate = max(f / t for f, t in zip(flops, taken, strict=True)), sum(flops) / sum(taken)
        if catalogued is None:
            found[f"peak.{name}"] = Number(best / 1e12, "TFLOP/s", "best product of a layer that was measured, no data sheet")
        if dtype is WIDE:
            over = catalogued.peak("bf16").si if catalogued else best
            shape = f"{sizes.tokens} tokens, hidden {sizes.hidden}, inner {sizes.inner}"
            found["rates.matmul"] = Number(rate / over, "1", f"{rate / 1e12:.4g} TFLOP/s over products of a layer: {shape}")
    return found


def _layer(device: torch.device, sizes: Sizes, dtype: torch.dtype) -> Iterator[tuple[float, float]]:
    """FLOPs and seconds of the products of a layer, forward and both gradients."""
    for wide, deep in ((sizes.hidden, sizes.hidden), (2 * sizes.inner, sizes.hidden), (sizes.hidden, sizes.inner)):
        x = torch.randn(sizes.tokens, deep, device=device, dtype=dtype)
        w = torch.randn(wide, deep, device=device, dtype=dtype)
        g = torch.randn(sizes.tokens, wide, device=device, dtype=dtype)
        for one, other in ((x, w.T), (g, w), (g.T, x)):
            yield 2.0 * sizes.tokens * wide * deep, seconds(partial(torch.matmul, one, other), device, sizes.least)


def _traffic(device: torch.device, sizes: Sizes, catalogued: Device | None) -> dict[str, Number]:
    """Achieved bandwidth of element-wise kernels; the best one where no data sheet is known."""
    x, y, out = (torch.randn(sizes.elements, device=device, dtype=WIDE) for _ in range(3))
    kernels: tuple[tuple[int, Callable[[], Any]], ...] = (
        (2, lambda: out.copy_(x)),
        (3, lambda: torch.add(x, y, out=out)),
        (2, lambda: torch.ops.aten.silu.out(x, out=out)),
    )
    moved = [streams * sizes.elements * WIDE.itemsize for streams, _ in kernels]
    taken = [seconds(work, device, sizes.least) for _, work in kernels]
    best, rate = max(m / t for m, t in zip(moved, taken, strict=True)), sum(moved) / sum(taken)
    note = f"{rate / 1e9:.4g} GB/s over copy, sum and SiLU of {sizes.elements} elements of 2 bytes"
    if catalogued is not None:
        return {"rates.memory": Number(rate / catalogued.memory_bandwidth.si, "1", note)}
    peak = Number(best / 1e9, "GB/s", "fastest of copy, sum and SiLU, no data sheet")
    return {"memory.bandwidth": peak, "rates.memory": Number(rate / best, "1", note)}


def _attention(device: torch.device, sizes: Sizes, peak: float) -> dict[str, Number]:
    """Limit and half length of causal attention, the half size of a head, backward over forward."""
    rates, ratios = zip(*[_core(device, sizes, length, HEAD) for length in sizes.lengths], strict=True)
    limit, half = saturation(sizes.lengths, rates)
    shown = ", ".join([f"{rate / 1e12:.4g} at {length}" for length, rate in zip(sizes.lengths, rates, strict=True)])
    found = {
        "rates.attention": Number(limit / peak, "1", f"causal SDPA, {sizes.heads} heads of {HEAD}, TFLOP/s: {shown}"),
        "rates.attention_length": Number(half, "tokens", "length at half of it, by least squares"),
        "rates.attention_backward": Number(ratios[-1], "1", f"at {sizes.lengths[-1]} tokens"),
    }
    smaller = _core(device, sizes, sizes.lengths[-1], SMALLER)[0] / rates[-1]
    if smaller > SMALLER / HEAD:
        size = max(0.0, HEAD * (1 - smaller) / (HEAD / SMALLER * smaller - 1))
        found["rates.attention_head"] = Number(size, "1", f"heads of {SMALLER} run at {smaller:.3f} of those of {HEAD}")
    return found


def _core(device: torch.device, sizes: Sizes, length: int, head: int) -> tuple[float, float]:
    """FLOP/s of a causal attention core forward, and of its backward pass over that."""
    shape = (1, sizes.heads, length, head)
    q, k, v = (torch.randn(shape, device=device, dtype=WIDE, requires_grad=True) for _ in range(3))
    g = torch.randn(shape, device=device, dtype=WIDE)

    def both() -> None:
        torch.autograd.grad(functional.scaled_dot_product_attention(q, k, v, is_causal=True), (q, k, v), g)

    def forward() -> None:
        with torch.no_grad():
            functional.scaled_dot_product_attention(q, k, v, is_causal=True)

    flops = 2.0 * sizes.heads * length**2 * head
    there, all_of_it = seconds(forward, device, sizes.least), seconds(both, device, sizes.least)
    back = max(all_of_it - there, all_of_it / 10)
    return flops / there, BACKWARD * there / back


def _rows(device: torch.device, sizes: Sizes, bandwidth: float) -> dict[str, Number]:
    """Bandwidth of rows gathered by an index, and of the loss, whose bytes are those that its formula counts."""
    rows = torch.randn(sizes.tokens, sizes.hidden, device=device, dtype=WIDE)
    index = torch.randperm(sizes.tokens, device=device)
    gathered = 2 * rows.numel() * WIDE.itemsize / seconds(lambda: rows.index_select(0, index), device, sizes.least)
    tokens = sizes.tokens // 2
    logits = torch.randn(tokens, sizes.vocab, device=device, dtype=WIDE, requires_grad=True)
    labels = torch.randint(sizes.vocab, (tokens,), device=device)
    taken = seconds(lambda: torch.autograd.grad(functional.cross_entropy(logits, labels), logits), device, sizes.least)
    op, step = Loss("logits", sizes.vocab), Step(1, tokens)
    moved = (op.moved(step) + op.backward_moved(step)) * WIDE.itemsize
    return {
        "rates.permute": Number(gathered / bandwidth, "1", f"{gathered / 1e9:.4g} GB/s, rows of {sizes.hidden}"),
        "rates.loss": Number(
            moved / taken / bandwidth, "1", f"{moved / taken / 1e9:.4g} GB/s, cross-entropy of {tokens} by {sizes.vocab}"
        ),
    }


def _overhead(device: torch.device, sizes: Sizes) -> Number:
    """Seconds of a kernel with nothing to do."""
    x = torch.zeros(1, device=device)

    def chain() -> None:
        for _ in range(sizes.chain):
            x.add_(1)

    if device.type == "cuda":
        chain()
        wait(device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            chain()
        return Number(seconds(graph.replay, device, sizes.least) / sizes.chain * 1e6, "us", f"of {sizes.chain} in a CUDA graph")
    return Number(seconds(chain, device, sizes.least) / sizes.chain * 1e6, "us", f"of {sizes.chain} in a row")


def _surroundings(device: torch.device, found: dict[str, Number]) -> dict[str, Number]:
    """What a device file must have of a device that the catalog does not know: this machine is one domain of the ranks at hand."""
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
    else:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    return {
        "memory.capacity": Number(memory / 2**30, "GiB", "as the system says"),
        "link.bandwidth": Number(found["memory.bandwidth"].value, "GB/s", "that of memory: ranks share nothing faster"),
        "link.domain": Number(ranks, "devices", "ranks that measured"),
        "node.devices": Number(ranks, "devices", "ranks that measured"),
    }
