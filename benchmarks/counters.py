"""What counters of FLOPs say of one model, beside the truth by hand, and how long a trace takes, as Markdown.

Run: python -m benchmarks.counters                        (PyTorch and transformers; other counters where they are importable)
     python -m benchmarks.counters speed                  (Llama 3 of 8B and 70B on the meta device)

The model: LlamaConfig of 8 layers, h 512, 8 heads of 64 and 2 of them for keys and values, f 1408, 32,000 words, untied; 2
sequences of 512 tokens. One multiply-add is 2 FLOPs; attention over all pairs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

LAYERS, H, HEADS, KV, F, WORDS = 8, 512, 8, 2, 1408, 32000
BATCH, SEQ = 2, 512
TOKENS = BATCH * SEQ
LINEAR = 2 * TOKENS * (LAYERS * (2 * H * H + 2 * H * (KV * H // HEADS) + 3 * H * F) + H * WORDS)
TRUTH = LINEAR + LAYERS * 2 * 2 * BATCH * SEQ**2 * H  # 88,315,265,024: both products of every pair of tokens
SIZES = {"llama-3-8b": 8192, "llama-3-70b": 8192}


def model(device: str, attention: str) -> Any:
    """The model that is counted."""
    import torch
    import transformers

    config = transformers.LlamaConfig(
        hidden_size=H,
        intermediate_size=F,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV,
        vocab_size=WORDS,
    )
    with torch.device(device):
        return transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention)


def arguments(device: str) -> dict[str, Any]:
    import torch

    return {"input_ids": torch.zeros((BATCH, SEQ), dtype=torch.long, device=device), "use_cache": True}


def bursar(device: str, attention: str) -> int:
    from bursar.measure import trace

    return trace(model(device, attention), backward=False, **arguments(device)).forward


def bursar_training(device: str, attention: str) -> int:
    from bursar.measure import trace

    found = trace(model(device, attention), **arguments(device))
    return found.forward + found.backward


def flop_counter(device: str, attention: str) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    built = model(device, attention)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        built(**arguments(device))
    return int(counter.get_total_flops())


def flop_counter_training(device: str, attention: str) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    built = model(device, attention)
    with FlopCounterMode(display=False) as counter:
        built(**arguments(device)).logits.sum().backward()
    return int(counter.get_total_flops())


def profiler(device: str, attention: str) -> int:
    import torch

    built = model(device, attention)
    with torch.profiler.profile(with_flops=True) as found, torch.no_grad():
        built(**arguments(device))
    return int(sum(event.flops for event in found.key_averages()))


def calflops(device: str, attention: str) -> int:
    from calflops import calculate_flops

    flops, _, _ = calculate_flops(
        model(device, attention),
        kwargs={"input_ids": arguments(device)["input_ids"]},
        print_results=False,
        output_as_string=False,
        include_backPropagation=False,
    )
    return int(flops)


def deepspeed(device: str, attention: str) -> int:
    from deepspeed.profiling.flops_profiler import get_model_profile

    flops, _, _ = get_model_profile(
        model(device, attention), kwargs=arguments(device), print_profile=False, as_string=False, warm_up=0
    )
    return int(flops)


def fvcore(device: str, attention: str) -> int:
    """Which calls multiply-adds FLOPs."""
    import torch
    from fvcore.nn import FlopCountAnalysis

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model(device, attention)

        def forward(self, ids: Any) -> Any:
            return self.inner(ids, use_cache=False).logits

    analysis = FlopCountAnalysis(Logits(), arguments(device)["input_ids"])
    return int(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def thop(device: str, attention: str) -> int:
    """Multiply-adds."""
    from thop import profile

    return 2 * int(profile(model(device, attention), inputs=(arguments(device)["input_ids"],), verbose=False)[0])


def torchinfo(device: str, attention: str) -> int:
    """Multiply-adds."""
    from torchinfo import summary

    return 2 * int(summary(model(device, attention), input_data=arguments(device), verbose=0).total_mult_adds)


def ptflops(device: str, attention: str) -> int:
    """Multiply-adds."""
    from ptflops import get_model_complexity_info

    macs, _ = get_model_complexity_info(
        model(device, attention), (SEQ,), input_constructor=lambda shape: arguments(device), as_strings=False,
        print_per_layer_stat=False, verbose=False, backend="pytorch",
    )  # fmt: skip
    return 2 * int(macs)


Counter = Callable[[str, str], int]
# counter, what it is asked for, device, attention, and the truth as a multiple of a forward pass
ROWS: tuple[tuple[str, Counter, str, str, int], ...] = (
    ("bursar trace", bursar, "cpu", "sdpa", 1),
    ("bursar trace", bursar, "cpu", "eager", 1),
    ("bursar trace", bursar, "meta", "sdpa", 1),
    ("bursar trace", bursar_training, "cpu", "sdpa", 3),
    ("bursar trace", bursar_training, "meta", "sdpa", 3),
    ("FlopCounterMode", flop_counter, "cpu", "sdpa", 1),
    ("FlopCounterMode", flop_counter, "cpu", "eager", 1),
    ("FlopCounterMode", flop_counter, "meta", "sdpa", 1),
    ("FlopCounterMode", flop_counter_training, "cpu", "sdpa", 3),
    ("FlopCounterMode", flop_counter_training, "meta", "sdpa", 3),
    ("torch.profiler", profiler, "cpu", "sdpa", 1),
    ("torch.profiler", profiler, "cpu", "eager", 1),
    ("calflops", calflops, "cpu", "sdpa", 1),
    ("calflops", calflops, "cpu", "eager", 1),
    ("DeepSpeed", deepspeed, "cpu", "sdpa", 1),
    ("DeepSpeed", deepspeed, "cpu", "eager", 1),
    ("fvcore", fvcore, "cpu", "sdpa", 1),
    ("fvcore", fvcore, "cpu", "eager", 1),
    ("ptflops × 2", ptflops, "cpu", "sdpa", 1),
    ("ptflops × 2", ptflops, "cpu", "eager", 1),
    ("thop × 2", thop, "cpu", "sdpa", 1),
    ("thop × 2", thop, "cpu", "eager", 1),
    ("torchinfo × 2", torchinfo, "cpu", "sdpa", 1),
)


def counted() -> Iterator[str]:
    yield f"Truth by hand: forward {TRUTH:,} FLOPs, forward and backward {3 * TRUTH:,}.\n"
    yield "| counter | device | attention | passes | FLOPs | of the truth |\n|---|---|---|---|--:|--:|"
    for name, count, device, attention, passes in ROWS:
        row = f"| {name} | {device} | {attention} | {'forward' if passes == 1 else 'both'} |"
        try:
            flops = count(device, attention)
        except Exception as error:  # whatever another library does with this model is its row
            yield f"{row} {type(error).__name__}: {str(error).splitlines()[0][:60] if str(error) else ''} | |"
            continue
        yield f"{row} {flops:,} | {flops / (passes * TRUTH):.4f} |"


def speed() -> Iterator[str]:
    """The best of three, both passes, 1 sequence of 8192 tokens, BF16 on the meta device, the model built."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from bursar import catalog
    from bursar.measure import models, trace

    yield "| model | FLOPs, both passes | bursar trace, s | FlopCounterMode, s |\n|---|--:|--:|--:|"
    for name, seq in SIZES.items():
        values = catalog.entry(name).values
        with torch.device("meta"):
            built = models.build(values, dtype=torch.bfloat16)
        given = models.inputs(values, seq, 1, "meta")
        ours, theirs = [], []
        for _ in range(3):
            start = time.perf_counter()
            found = trace(built, **given)
            ours.append(time.perf_counter() - start)
            start = time.perf_counter()
            with FlopCounterMode(display=False) as counter:
                built(**given).logits.sum().backward()
            theirs.append(time.perf_counter() - start)
            built.zero_grad()
        assert found.forward + found.backward == counter.get_total_flops()
        yield f"| {name} | {counter.get_total_flops():,} | {min(ours):.2f} | {min(theirs):.2f} |"


if __name__ == "__main__":
    for line in speed() if sys.argv[1:] == ["speed"] else counted():
        print(line, flush=True)
