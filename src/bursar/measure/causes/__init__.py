"""Why transformers' modules multiply, keep or hold otherwise than what is predicted: a row for every class that does.

What is read is the module itself, so that every config of a family, and every pattern of layers, has its own arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from bursar.measure.causes.chunked import delta_net, kimi_delta, lightning
from bursar.measure.causes.scans import griffin, mamba, mamba2, rwkv
from bursar.measure.causes.work import Work, work

__all__ = ["WORK", "Work", "biases", "works"]
Row: TypeAlias = Callable[..., Iterator[Work]]


def llama4(mixture: Any, seq: int, batch: int, *, cached: bool) -> Iterator[Work]:
    """Gate, up and down of every expert for every token, and of those alone that a token is routed to."""
    experts = mixture.experts
    one = 2 * seq * batch * 3 * int(experts.hidden_size) * int(experts.expert_dim)
    yield work("experts", int(mixture.top_k) * one, "cause_routed")
    yield work("linear", -int(mixture.num_experts) * one, "cause_all_experts")


WORK: Mapping[str, Row] = {
    "MambaMixer": mamba,
    "FalconMambaMixer": mamba,
    "JambaMambaMixer": mamba,
    "Mamba2Mixer": mamba2,
    "Zamba2MambaMixer": mamba2,
    "NemotronHMamba2Mixer": mamba2,
    "RecurrentGemmaRecurrentBlock": griffin,
    "RwkvSelfAttention": rwkv,
    "Qwen3NextGatedDeltaNet": delta_net,
    "KimiLinearDeltaAttention": kimi_delta,
    "MiniMaxLightningAttention": lightning,
    "Llama4TextMoe": llama4,
}


def biases(model: Any) -> dict[str, int]:
    """Elements of the biases that steer the choice of experts, by name: a training run updates them without a gradient and a
    checkpoint holds them; transformers keeps them as buffers."""
    return {name: int(tensor.numel()) for name, tensor in model.named_buffers() if name.endswith("e_score_correction_bias")}


def works(model: Any, seq: int, batch: int, *, cached: bool = False) -> list[Work]:
    """The FLOPs of a batch that the model has and its products lack, or the other way round, summed by kind and reason. `cached`
    says that it fills a cache, for which it fills up short sequences."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for module in model.modules():
        row = WORK.get(type(module).__name__)
        for item in row(module, seq, batch, cached=cached) if row else ():
            forward, backward = found.get((item.kind, item.reason), (0, 0))
            found[item.kind, item.reason] = forward + item.forward, backward + item.backward
    return [Work(kind, forward, backward, reason) for (kind, reason), (forward, backward) in found.items() if forward or backward]
