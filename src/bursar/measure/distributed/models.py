"""A decoder of the catalog as consecutive chunks, built without memory and given random weights once it has been cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from bursar.measure import models
from bursar.model import Model

SPREAD = 0.02  # standard deviation of random weights


class Chunk(nn.Module):
    """Consecutive layers, with the embedding before the first and the head after the last.

    Takes token ids (b, s), or the chunk before it (b, s, h); returns (b, s, h), or logits (b, s, V).
    """

    def __init__(self, model: Any, layers: Sequence[int], rotary: nn.Module, length: int, *, first: bool, last: bool) -> None:
        super().__init__()
        self.embed_tokens = model.model.embed_tokens if first else None
        self.layers = nn.ModuleList([model.model.layers[index] for index in layers])
        self.norm = model.model.norm if last else None
        self.lm_head = model.lm_head if last else None
        self.rotary, self.length = [rotary], length  # in a list: it is no part that is cut or moved

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        hidden = given if self.embed_tokens is None else self.embed_tokens(given)
        place = torch.arange(self.length, device=given.device)[None]
        table = self.rotary[0](hidden, place)
        for layer in self.layers:
            hidden = layer(hidden, attention_mask=None, position_embeddings=table, position_ids=place)
        return hidden if self.norm is None or self.lm_head is None else self.lm_head(self.norm(hidden))


def chunks(
    model: Model, cuts: Mapping[int, Sequence[int]], last: int, length: int, device: str, dtype: torch.dtype
) -> dict[int, Chunk]:
    """The chunks of one rank on the meta device: `cuts` are their layers by the number of the chunk, `last` that of the last."""
    values = dict(model.published.values)
    with torch.device("meta"):
        whole = models.build(values, experts="eager", dtype=dtype).train()
    with torch.device(device):
        rotary = type(whole.model.rotary_emb)(config=whole.config)
    return {number: Chunk(whole, layers, rotary, length, first=number == 0, last=number == last) for number, layers in cuts.items()}


def draw(chunk: Chunk, device: str) -> None:
    """Memory and random weights for what a rank holds of a chunk."""
    chunk.to_empty(device=device)
    for index, parameter in enumerate(chunk.parameters()):
        local = parameter.to_local() if isinstance(parameter, DTensor) else parameter
        with torch.no_grad():
            if parameter.dim() == 1:
                local.fill_(1.0)
            else:
                local.normal_(0.0, SPREAD, generator=torch.Generator(device).manual_seed(index))
