"""How transformers builds and feeds the families of the catalog: a row where one is no ordinary decoder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
import transformers
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import masking_utils

from bursar.errors import BursarError
from bursar.families import file_of
from bursar.measure.grouped import grouped

FAKE_LOG = logging.getLogger("torch._subclasses.fake_tensor")
Values = Mapping[str, Any]
Given = dict[str, Any]


def tokens(seq: int, batch: int, device: str) -> torch.Tensor:
    return torch.zeros((batch, seq), dtype=torch.long, device=device)


def _decoder(values: Values, seq: int, batch: int, device: str) -> Given:
    return {"input_ids": tokens(seq, batch, device), "use_cache": True}


def _encoder(values: Values, seq: int, batch: int, device: str) -> Given:
    return {"input_ids": tokens(seq, batch, device)}


def _griffin(values: Values, seq: int, batch: int, device: str) -> Given:
    """Without a recurrent state: with one, a sequence of one token is a decoding step, whose convolution is no convolution. An
    empty cache of keys keeps transformers from reading the values of a mask."""
    return {"input_ids": tokens(seq, batch, device), "use_cache": False, "past_key_values": transformers.DynamicCache()}


def _rwkv(values: Values, seq: int, batch: int, device: str) -> Given:
    return {"input_ids": tokens(seq, batch, device), "use_cache": False}


def _text_to_text(values: Values, seq: int, batch: int, device: str) -> Given:
    ids = tokens(seq, batch, device)
    return {"input_ids": ids, "decoder_input_ids": ids, "use_cache": True}


def _speech(values: Values, seq: int, batch: int, device: str) -> Given:
    sound = torch.zeros((batch, values["num_mel_bins"], 2 * values["max_source_positions"]), device=device)
    return {"input_features": sound, "decoder_input_ids": tokens(seq, batch, device), "use_cache": True}


def _picture(values: Values, seq: int, batch: int, device: str) -> Given:
    side = values["image_size"]
    return {"pixel_values": torch.zeros((batch, values.get("num_channels", 3), side, side), device=device)}


def _pairs(values: Values, seq: int, batch: int, device: str) -> Given:
    vision = values["vision_config"]
    return {
        **_encoder(values, seq, batch, device),
        **_picture({"image_size": 224, **vision}, seq, batch, device),
        "return_loss": True,
    }


class Built(NamedTuple):
    """transformers' auto class, the attention it has where that is not "sdpa", its name of the class where the published model_type
    is remote code, the arguments of a forward pass, and the auto classes of other heads by the class that `architectures` names."""

    auto: str = "AutoModelForCausalLM"
    attention: str | None = None
    model_type: str | None = None
    inputs: Callable[[Values, int, int, str], Given] = _decoder
    heads: Mapping[str, str] = {}


SIGNALS = ("pixel_values", "input_features")
IMAGES = Built("AutoModelForImageTextToText")
WRITTEN_OUT = Built(attention="eager")
FAMILIES: Mapping[str, Built] = {
    "bert": Built(
        "AutoModelForMaskedLM", inputs=_encoder, heads={"BertForPreTraining": "AutoModelForPreTraining", "BertModel": "AutoModel"}
    ),
    "roberta": Built("AutoModelForMaskedLM", inputs=_encoder),
    "t5": Built("AutoModelForSeq2SeqLM", inputs=_text_to_text),
    "whisper": Built("AutoModelForSpeechSeq2Seq", inputs=_speech),
    "vit": Built("AutoModelForImageClassification", inputs=_picture),
    "siglip": Built("AutoModel", inputs=_pairs),
    "gemma3": IMAGES,
    "llama4": IMAGES,
    "qwen2_vl": IMAGES,
    "qwen2_5_vl": IMAGES,
    "bloom": WRITTEN_OUT,
    "falcon_mamba": WRITTEN_OUT,
    "gemma2": WRITTEN_OUT,
    "gpt_neo": WRITTEN_OUT,
    "gpt_oss": WRITTEN_OUT,
    "gptj": WRITTEN_OUT,
    "mamba": WRITTEN_OUT,
    "mamba2": WRITTEN_OUT,
    "rwkv": Built(attention="eager", inputs=_rwkv),
    "recurrent_gemma": Built(inputs=_griffin),
    "kimi_k2": Built(model_type="deepseek_v3"),
    "palm": Built(model_type="cohere"),
}


def built(values: Values) -> Built:
    return FAMILIES.get(file_of(values["model_type"]), Built())


def auto(values: Values) -> str:
    """The auto class that has the head of a config."""
    row = built(values)
    return row.heads.get((values.get("architectures") or [""])[0], row.auto)


def build(values: Values, *, attention: str = "sdpa", experts: str | None = None, dtype: torch.dtype | None = None) -> Any:
    """The model that transformers makes of a config, on the device and in the modes that are entered. The auxiliary loss of routers
    is of a recipe and not of the model, and stays out.

    Raises BursarError where transformers has no class of it."""
    row = built(values)
    asked = {key: value for key, value in values.items() if key != "output_router_logits"}
    try:
        config = transformers.AutoConfig.for_model(**{**asked, "model_type": row.model_type or values["model_type"]})
    except ValueError:
        raise BursarError(
            f"transformers {transformers.__version__} has no model {values['model_type']}", field="model",
            value=values["model_type"],
            valid="a model_type that transformers builds",
        ) from None  # fmt: skip
    config._experts_implementation = experts
    of = getattr(transformers, auto(values))
    model = of.from_config(config, attn_implementation=row.attention or attention, **({"dtype": dtype} if dtype else {}))
    return model if dtype is None else _all_in(model, dtype)


def _all_in(model: Any, dtype: torch.dtype) -> Any:
    """The model with every parameter in a dtype, those too that transformers makes in another one (a router's, in FP32)."""
    made: dict[Any, torch.nn.Parameter] = {}
    for module in model.modules():
        for name, tensor in module._parameters.items():
            if tensor is not None and tensor.is_floating_point() and tensor.dtype != dtype:
                made.setdefault(tensor, torch.nn.Parameter(tensor.detach().to(dtype), tensor.requires_grad))
                module._parameters[name] = made[tensor]
    return model


def inputs(values: Values, seq: int, batch: int, device: str) -> Given:
    """Arguments of a forward pass."""
    return built(values).inputs(values, seq, batch, device)


def in_dtype(given: Given, dtype: torch.dtype) -> Given:
    """Arguments with pixels and sound in a dtype."""
    return {name: value.to(dtype) if name.endswith(SIGNALS) else value for name, value in given.items()}


def training_inputs(values: Values, seq: int, batch: int, dtype: torch.dtype) -> Given:
    """Arguments of a training step on fake tensors, every tensor with a storage of its own, as a data loader hands them over."""
    given = inputs(values, seq, batch, "cpu")
    given.pop("past_key_values", None)
    given = {name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in given.items()}
    given = in_dtype(given, dtype)
    if "use_cache" in given:
        given["use_cache"] = False
    if file_of(values["model_type"]) in ("bert", "roberta"):
        given["token_type_ids"] = torch.zeros_like(given["input_ids"])
    head = auto(values)
    if head == "AutoModelForPreTraining":
        given["next_sentence_label"] = torch.zeros(batch, dtype=torch.long)
    if head != "AutoModel":
        ids = given.get("decoder_input_ids", given.get("input_ids"))
        given["labels"] = torch.zeros(batch, dtype=torch.long) if ids is None else torch.zeros_like(ids)
    return given


@contextmanager
def fake() -> Iterator[None]:
    """Inside, tensors of the CPU have shapes and storages without memory, weights are not drawn, and transformers builds the masks
    that it builds for real ones: it takes fake tensors for a trace by a compiler, and would ask the values of a mask whether
    sequences are packed. Experts may have any width. Both libraries are quiet about unusual sizes and about what then raises."""
    told, spoken = transformers.logging.get_verbosity(), FAKE_LOG.level
    transformers.logging.set_verbosity_error()
    FAKE_LOG.setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        stack.callback(transformers.logging.set_verbosity, told)
        stack.callback(FAKE_LOG.setLevel, spoken)
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        stack.enter_context(torch.device("cpu"))
        stack.enter_context(patch.object(transformers.PreTrainedModel, "initialize_weights", lambda model: None))
        stack.enter_context(grouped())
        stack.enter_context(patch.object(masking_utils, "is_tracing", lambda *given, **named: False))
        stack.enter_context(patch.object(masking_utils, "find_packed_sequence_indices", lambda *given, **named: None))
        yield
