"""A decoder of the catalog as consecutive chunks, built without memory and given random weights once it has been cut.

A chunk is transformers' own model: layers of other chunks let their input pass, so that every layer keeps its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor
from transformers.masking_utils import create_masks_for_generate

from bursar.measure import models
from bursar.model import Model

SCALE = "embedding_multiplier"  # of a decoder that scales what it is given (Granite's)
SPREAD = 0.02  # standard deviation of random weights


class Elsewhere(nn.Module):
    """In the place of a layer that another chunk has."""

    def forward(self, hidden: torch.Tensor, *given: Any, **named: Any) -> torch.Tensor:
        return hidden


class Added(nn.Module):
    """In the place of positions that the first chunk has added."""

    def forward(self, *given: Any, **named: Any) -> torch.Tensor:
        return torch.zeros(())


class Chunk(nn.Module):
    """Consecutive layers of a model, with the embedding before the first and the head after the last.

    Takes token ids (b, s), or the chunk before it (b, s, h); returns (b, s, h), or logits (b, s, V).
    """

    def __init__(self, model: Any, held: Sequence[int], length: int, *, first: bool, last: bool) -> None:
        super().__init__()
        self.model, self.first, self.last, self.length = model, first, last, length
        self.spread = False  # its ranks share the tokens of a sequence
        decoder, name, layers = trunk(model)
        for index in set(range(len(layers))) - set(held):
            layers[index] = Elsewhere()
        for other, part in list(decoder.named_children()):
            if isinstance(part, nn.Embedding) and not first:
                setattr(decoder, other, Added())
            elif other != name and not isinstance(part, nn.Embedding) and not last and "rotary" not in other:
                setattr(decoder, other, nn.Identity())
        if not first and hasattr(decoder, SCALE):
            setattr(decoder, SCALE, 1.0)
        if not last:
            model.set_output_embeddings(nn.Identity())

    @property
    def layers(self) -> list[nn.Module]:
        """Its own layers."""
        return [layer for layer in trunk(self.model)[2] if not isinstance(layer, Elsewhere)]

    def ends(self) -> Iterator[tuple[str, nn.Module]]:
        """What it has around the layers: (what, module), "embedding", "norm" or "head"."""
        decoder, name, _ = trunk(self.model)
        for other, part in decoder.named_children():
            if other != name and any(True for _ in part.parameters()):
                yield ("embedding" if isinstance(part, nn.Embedding) else "norm"), part
        if self.last:
            yield "head", self.model.get_output_embeddings()

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        place = torch.arange(self.length, device=given.device)[None]
        named = {("input_ids" if self.first else "inputs_embeds"): given, "position_ids": place, "use_cache": False}
        if self.spread:
            named["attention_mask"] = self._mask(len(given), place)
        found: torch.Tensor = self.model(**named).logits if self.last else self.model.base_model(**named).last_hidden_state
        return found

    def _mask(self, batch: int, place: torch.Tensor) -> Any:
        """The mask of all tokens, of every kind of layer: transformers would make one of the tokens that a rank has."""
        like = torch.empty((batch, self.length, 1), dtype=next(self.parameters()).dtype, device=place.device)
        return create_masks_for_generate(self.model.config, like, None, None, place)


def trunk(model: Any) -> tuple[nn.Module, str, nn.ModuleList]:
    """The module that holds the layers, their name in it, and the layers."""
    count = model.config.num_hidden_layers
    for module in model.modules():
        for name, part in module.named_children():
            if isinstance(part, nn.ModuleList) and len(part) == count:
                return module, name, part
    raise LookupError(f"{type(model).__name__} has no list of {count} layers")


def chunks(model: Model, cuts: Mapping[int, Sequence[int]], last: int, length: int, dtype: torch.dtype) -> dict[int, Chunk]:
    """The chunks of one rank on the meta device: `cuts` are their layers by the number of the chunk, `last` that of the last."""
    values = dict(model.published.values)
    found = {}
    for number, held in cuts.items():
        with torch.device("meta"):
            whole = models.build(values, experts="eager", dtype=dtype).train()
        found[number] = Chunk(whole, held, length, first=number == 0, last=number == last)
    return found


def draw(chunk: Chunk, device: str) -> None:
    """Memory and random weights for what a rank holds of a chunk; tables that are no weights as transformers makes them."""
    chunk.to_empty(device=device)
    for index, parameter in enumerate(chunk.parameters()):
        parameter._is_hf_initialized = True
        local = parameter.to_local() if isinstance(parameter, DTensor) else parameter
        with torch.no_grad():
            if parameter.dim() == 1:
                local.fill_(1.0)
            else:
                local.normal_(0.0, SPREAD, generator=torch.Generator(device).manual_seed(index))
    for module in chunk.modules():
        if any(True for _ in module.buffers(recurse=False)):
            chunk.model._init_weights(module)
