"""What counters of FLOPs say of two small models, beside the truth by hand, and how long a trace takes, as Markdown.

    python -m benchmarks.counters > docs/counters.md      (PyTorch and transformers; other counters where they are importable)
    python -m benchmarks.counters speed                   (its last table alone)

The models: 8 layers, h 512, 8 heads of 64 and 2 of them for keys and values, 32,000 words, untied; a Llama with f 1408, a Mixtral
with 8 experts of f 704, two for each token. 2 sequences of 512 tokens. One multiply-add is 2 FLOPs; attention over all pairs; what
a checkpoint runs again is no model FLOP.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Any, NamedTuple

LAYERS, H, HEADS, KV, F, WORDS, EXPERTS, EXPERT = 8, 512, 8, 2, 1408, 32000, 8, 704
BATCH, SEQ = 2, 512
TOKENS = BATCH * SEQ
ATTENTION = 2 * H * H + 2 * H * (KV * H // HEADS)  # weights of a layer's four projections
LINEAR = 2 * TOKENS * (LAYERS * (ATTENTION + 3 * H * F) + H * WORDS)
LLAMA = LINEAR + LAYERS * 2 * 2 * BATCH * SEQ**2 * H  # 88,315,265,024: both products of every pair of tokens
MIXTRAL = LLAMA + 2 * TOKENS * LAYERS * H * EXPERTS  # two experts of 704 are one of 1408; and the router
NORMS = (2 * LAYERS + 1) * H
PARAMS = {
    "llama": LAYERS * (ATTENTION + 3 * H * F) + 2 * H * WORDS + NORMS,  # 55,321,088
    "mixtral": LAYERS * (ATTENTION + EXPERTS * (3 * H * EXPERT + H)) + 2 * H * WORDS + NORMS,
}
TRUTH = {"llama": LLAMA, "mixtral": MIXTRAL}
SIZES = {"llama-3-8b": 8192, "llama-3-70b": 8192}
TRIES = 5


class Case(NamedTuple):
    """A model, where it runs, how its attention is computed, and what is counted; `checkpoints` names the kind of recomputation."""

    model: str = "llama"
    device: str = "cpu"
    attention: str = "sdpa"
    both: bool = False
    checkpoints: str = ""
    cache: bool = True

    @property
    def truth(self) -> int:
        return TRUTH[self.model] * (3 if self.both else 1)

    def words(self) -> str:
        parts = [self.model, self.device, self.attention, "both passes" if self.both else "forward"]
        return ", ".join(
            [*parts, *([f"{self.checkpoints} checkpoints"] if self.checkpoints else []), *([] if self.cache else ["no cache"])]
        )


def built(case: Case) -> Any:
    """The model that is counted."""
    import torch
    import transformers

    shape = {
        "hidden_size": H,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV,
        "vocab_size": WORDS,
    }
    config = (
        transformers.LlamaConfig(**shape, intermediate_size=F)
        if case.model == "llama"
        else transformers.MixtralConfig(**shape, intermediate_size=EXPERT, num_local_experts=EXPERTS, num_experts_per_tok=2)
    )
    dtype = torch.bfloat16 if case.device == "meta" else torch.float32  # a grouped product has no other on meta
    with torch.device(case.device):
        module = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=case.attention, dtype=dtype)
    if case.checkpoints:
        module.train().gradient_checkpointing_enable({"use_reentrant": case.checkpoints == "reentrant"})
        module.enable_input_require_grads()
    return module


def arguments(case: Case) -> dict[str, Any]:
    import torch

    ids = torch.zeros((BATCH, SEQ), dtype=torch.long, device=case.device)
    return {"input_ids": ids, "use_cache": case.cache}


Counted = tuple[int | None, int]  # parameters where the tool tells them, FLOPs


def ours(case: Case) -> Counted:
    from bursar.measure import trace

    found = trace(built(case), backward=case.both, **arguments(case))
    return found.params, found.forward + found.backward


def flop_counter(case: Case) -> Counted:
    from torch.utils.flop_counter import FlopCounterMode

    module = built(case)
    with FlopCounterMode(display=False) as counter:
        out = module(**arguments(case)).logits
        if case.both:
            out.sum().backward()
    return None, int(counter.get_total_flops())


def lightning(case: Case) -> Counted:
    from lightning.fabric.utilities.throughput import measure_flops

    module = built(case)
    given = arguments(case)
    return None, int(measure_flops(module, lambda: module(**given).logits, (lambda logits: logits.sum()) if case.both else None))


def profiler(case: Case) -> Counted:
    import torch

    module = built(case)
    with torch.profiler.profile(with_flops=True) as found, torch.no_grad():
        module(**arguments(case))
    return None, int(sum(event.flops for event in found.key_averages()))


def trainer(case: Case) -> Counted:
    """total_flos of a step."""
    import transformers

    module = built(case)
    flops = transformers.Trainer.floating_point_ops(SimpleNamespace(model=module), arguments(case))
    return module.num_parameters(exclude_embeddings=True), int(flops)


def calflops(case: Case) -> Counted:
    from calflops import calculate_flops

    flops, _, params = calculate_flops(
        built(case), kwargs={"input_ids": arguments(case)["input_ids"]}, print_results=False, output_as_string=False,
        include_backPropagation=case.both,
    )  # fmt: skip
    return int(params), int(flops)


def deepspeed(case: Case) -> Counted:
    from deepspeed.profiling.flops_profiler import get_model_profile

    flops, _, params = get_model_profile(built(case), kwargs=arguments(case), print_profile=False, as_string=False, warm_up=0)
    return int(params), int(flops)


def fvcore(case: Case) -> Counted:
    """Which calls multiply-adds FLOPs."""
    import torch
    from fvcore.nn import FlopCountAnalysis

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = built(case)

        def forward(self, ids: Any) -> Any:
            return self.inner(ids, use_cache=False).logits

    analysis = FlopCountAnalysis(Logits(), arguments(case)["input_ids"])
    return None, int(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def thop(case: Case) -> Counted:
    """Multiply-adds."""
    from thop import profile

    macs, params = profile(built(case), inputs=(arguments(case)["input_ids"],), verbose=False)
    return int(params), 2 * int(macs)


def torchinfo(case: Case) -> Counted:
    """Multiply-adds."""
    from torchinfo import summary

    found = summary(built(case), input_data=arguments(case), verbose=0)
    return int(found.total_params), 2 * int(found.total_mult_adds)


def ptflops(case: Case) -> Counted:
    """Multiply-adds."""
    from ptflops import get_model_complexity_info

    macs, params = get_model_complexity_info(
        built(case), (SEQ,), input_constructor=lambda shape: arguments(case), as_strings=False, print_per_layer_stat=False,
        verbose=False, backend="pytorch",
    )  # fmt: skip
    return int(params), 2 * int(macs)


BOTH = {"both": True}
EVERYWHERE = (
    Case(), Case(attention="eager"), Case(**BOTH), Case(attention="eager", **BOTH), Case(device="meta"),
    Case(device="meta", **BOTH), Case(attention="eager", checkpoints="non-reentrant", **BOTH),
    Case(attention="eager", checkpoints="reentrant", **BOTH), Case(device="meta", cache=False), Case("mixtral"),
    Case("mixtral", device="meta", **BOTH),
)  # fmt: skip
FORWARD = Case(), Case(attention="eager"), Case("mixtral")
# counter, the package it is in, and what it is asked
ROWS: tuple[tuple[str, str, Callable[[Case], Counted], tuple[Case, ...]], ...] = (
    ("bursar trace", "bursar", ours, EVERYWHERE),
    ("FlopCounterMode", "torch", flop_counter, EVERYWHERE),
    ("Lightning measure_flops", "lightning", lightning, (Case(), Case(device="meta", **BOTH), Case("mixtral"))),
    ("torch.profiler", "torch", profiler, FORWARD),
    ("Trainer total_flos", "transformers", trainer, (Case(**BOTH),)),
    ("calflops", "calflops", calflops, (*FORWARD, Case(attention="eager", **BOTH))),
    ("DeepSpeed", "deepspeed", deepspeed, FORWARD),
    ("fvcore", "fvcore", fvcore, FORWARD[:2]),
    ("ptflops × 2", "ptflops", ptflops, FORWARD),
    ("thop × 2", "thop", thop, FORWARD),
    ("torchinfo × 2", "torchinfo", torchinfo, (Case(), Case("mixtral"))),
)


def page() -> Iterator[str]:
    yield "# Counters of FLOPs beside the truth\n"
    yield "Made by `python -m benchmarks.counters`, whose text says the models and the counts by hand.\n"
    yield from counted()
    yield "\nCPU seconds of this process, the least of five, for one training step on the meta device:\n"
    yield from speed()


def counted() -> Iterator[str]:
    for name, flops in TRUTH.items():
        yield f"- {name}: {PARAMS[name]:,} parameters; forward {flops:,} FLOPs, forward and backward {3 * flops:,}"
    yield "\n| counter | version | case | parameters | FLOPs | of the truth |\n|---|---|---|--:|--:|--:|"
    for name, package, count, cases in ROWS:
        for case in cases:
            row = f"| {name} | {_version(package)} | {case.words()} |"
            try:
                with redirect_stdout(sys.stderr):  # where others print
                    params, flops = count(case)
            except Exception as error:  # whatever another library does with this model is its row
                words = " ".join(str(error).split())[:60]
                yield f"{row} | {type(error).__name__}: {words} | |"
                continue
            yield f"{row} {'' if params is None else f'{params:,}'} | {flops:,} | {flops / case.truth:.4f} |"


def _version(package: str) -> str:
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return "-"


def speed() -> Iterator[str]:
    """1 sequence of 8192 tokens, BF16, the model built; alternating."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from bursar import catalog
    from bursar.measure import models, trace

    yield "| model | FLOPs, both passes | bursar trace, s | FlopCounterMode, s |\n|---|--:|--:|--:|"
    for name, seq in SIZES.items():
        values = catalog.entry(name).values
        with torch.device("meta"):
            module = models.build(values, dtype=torch.bfloat16)
        given = models.inputs(values, seq, 1, "meta")
        ours, theirs = [], []
        for _ in range(TRIES):
            start = time.process_time()
            found = trace(module, **given)
            ours.append(time.process_time() - start)
            start = time.process_time()
            with FlopCounterMode(display=False) as counter:
                module(**given).logits.sum().backward()
            theirs.append(time.process_time() - start)
            module.zero_grad()
        assert found.forward + found.backward == counter.get_total_flops()
        yield f"| {name} | {counter.get_total_flops():,} | {min(ours):.2f} | {min(theirs):.2f} |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for line in speed() if sys.argv[1:] == ["speed"] else page():
        print(line, flush=True)
