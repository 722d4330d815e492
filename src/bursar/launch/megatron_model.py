"""A model in Megatron-LM's arguments: which of them say its structure, for the families that they can say exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bursar.dims import ceil_div
from bursar.errors import PlanError
from bursar.launch.launched import whole
from bursar.model import Model

Keys = dict[str, Any]

# arguments of the modern decoder: RMSNorm, SwiGLU, rotary positions, no biases
MODERN: Keys = {
    "position_embedding_type": "rope", "normalization": "RMSNorm", "swiglu": True, "disable_bias_linear": True,
    "attention_dropout": "0.0", "hidden_dropout": "0.0",
}  # fmt: skip
MIXTURE: Keys = {"moe_grouped_gemm": True}
FAMILIES: Mapping[str, Keys] = {
    "llama": MODERN,
    "mistral": MODERN,
    "qwen2": {**MODERN, "add_qkv_bias": True},
    "qwen3": {**MODERN, "qk_layernorm": True},
    "mixtral": {**MODERN, **MIXTURE},
    "qwen3_moe": {**MODERN, **MIXTURE, "qk_layernorm": True},
    "gpt2": {"position_embedding_type": "learned_absolute", "normalization": "LayerNorm"},
}
# what such a config may have beside its sizes without another structure
PLAIN: Mapping[str, tuple[Any, ...]] = {
    "attention_bias": (None, False), "mlp_bias": (None, False), "use_sliding_window": (None, False),
    "mlp_only_layers": (None, [], ()),
    "decoder_sparse_step": (None, 1), "attention_dropout": (None, 0, 0.0), "scale_attn_by_inverse_layer_idx": (None, False),
    "activation_function": (None, "gelu_new"),
}  # fmt: skip
# parts of a model that arguments say and that no family above has
STRANGE = (
    "multi_latent_attention", "mtp_num_layers", "moe_shared_expert_intermediate_size", "hybrid_override_pattern", "is_hybrid_model",
    "heterogeneous_layers_config_path", "heterogeneous_layers_config_encoded_json", "window_size", "squared_relu",
    "encoder_num_layers",
    "yaml_cfg", "experimental_attention_variant", "linear_attention_type", "moe_latent_size",
)  # fmt: skip
SIZES = ("num_layers", "hidden_size", "num_attention_heads")


def keys_of(model: Model) -> Keys:
    """The arguments of a model; PlanError for a family or a config that they cannot say."""
    family, config = model.architecture.family, model.published.values
    if family not in FAMILIES:
        raise PlanError(
            f"Megatron's arguments for family {family} are not known here", field="model", value=family, valid=list(FAMILIES)
        )
    for key, plain in PLAIN.items():
        if config.get(key) not in plain:
            raise PlanError(
                f"Megatron's arguments for {key}={config[key]} are not known here", field=key, value=config[key], valid=plain
            )
    if config.get("sliding_window") is not None and family in ("mistral", "mixtral"):
        raise PlanError("a sliding window is not written to Megatron", field="sliding_window", value=config["sliding_window"])
    return _gpt2(config) if family == "gpt2" else _modern(family, config)


def _gpt2(config: Mapping[str, Any]) -> Keys:
    h = config["n_embd"]
    return {
        **FAMILIES["gpt2"],
        "num_layers": config["n_layer"],
        "hidden_size": h,
        "ffn_hidden_size": config.get("n_inner") or 4 * h,
        "num_attention_heads": config["n_head"],
        "max_position_embeddings": config.get("n_positions", 1024),
        "vocab_size": config["vocab_size"],
        "attention_dropout": str(config.get("attn_pdrop", 0.1)),
        "hidden_dropout": str(config.get("resid_pdrop", 0.1)),
        "untie_embeddings_and_output_weights": not config.get("tie_word_embeddings", True),
    }


def _modern(family: str, config: Mapping[str, Any]) -> Keys:
    h, heads = config["hidden_size"], config["num_attention_heads"]
    wide = config.get("head_dim") or h // heads
    kv_heads = config.get("num_key_value_heads") or heads
    experts = config.get("num_local_experts") or config.get("num_experts")
    keys = {
        **FAMILIES[family],
        "num_layers": config["num_hidden_layers"],
        "hidden_size": h,
        "ffn_hidden_size": config["intermediate_size"],
        "num_attention_heads": heads,
        "max_position_embeddings": config["max_position_embeddings"],
        "vocab_size": config["vocab_size"],
        "untie_embeddings_and_output_weights": not config.get("tie_word_embeddings", False),
        **({"group_query_attention": True, "num_query_groups": kv_heads} if kv_heads != heads else {}),
        **({"kv_channels": wide} if wide * heads != h else {}),
        **({"rotary_base": int(config["rope_theta"])} if config.get("rope_theta") else {}),
    }
    if experts:
        width = config.get("moe_intermediate_size", config["intermediate_size"])
        keys |= {"num_experts": experts, "moe_router_topk": config["num_experts_per_tok"], "moe_ffn_hidden_size": width}
    return keys


def config_of(keys: Keys) -> Mapping[str, Any] | None:
    """The config.json that arguments say; None where they leave a size out."""
    if not all(key in keys for key in SIZES):
        return None
    for key in STRANGE:
        if keys.get(key) not in (None, False):
            raise PlanError(f"{key} has no counterpart here", field=key, value=keys[key], valid="a model of the catalog as MODEL")
    return _read_gpt2(keys) if _position(keys) == "learned_absolute" else _read_modern(keys)


def _position(keys: Keys) -> Any:
    return "rope" if keys.get("use_rotary_position_embeddings") else keys.get("position_embedding_type", "learned_absolute")


def _read_gpt2(keys: Keys) -> Mapping[str, Any]:
    _only(
        keys,
        {
            "normalization": ("LayerNorm", None),
            "swiglu": (False, None),
            "disable_bias_linear": (False, None),
            "num_experts": (None,),
        },
    )
    h = whole("hidden_size", keys["hidden_size"])
    tied = not keys.get("untie_embeddings_and_output_weights")
    inner = whole("ffn_hidden_size", keys.get("ffn_hidden_size", 4 * h))
    dropout = {"attn_pdrop": _probability(keys, "attention_dropout"), "resid_pdrop": _probability(keys, "hidden_dropout")}
    return {
        "model_type": "gpt2", "n_embd": h, "n_layer": whole("num_layers", keys["num_layers"]), "n_inner": inner,
        "n_head": whole("num_attention_heads", keys["num_attention_heads"]), "vocab_size": _vocab(keys),
        "n_positions": whole("max_position_embeddings", keys.get("max_position_embeddings", keys.get("seq_length"))),
        **dropout, "embd_pdrop": dropout["resid_pdrop"], "tie_word_embeddings": tied,
    }  # fmt: skip


def _read_modern(keys: Keys) -> Mapping[str, Any]:
    _only(keys, {"position_embedding_type": ("rope", "none", None), "normalization": ("RMSNorm",), "swiglu": (True,)})
    _only(keys, {"disable_bias_linear": (True,)})
    h, heads = whole("hidden_size", keys["hidden_size"]), whole("num_attention_heads", keys["num_attention_heads"])
    usual = int(4 * h * 2 / 3 / 64) * 64  # what Megatron-LM gives SwiGLU where no width is said
    groups = keys.get("num_query_groups") if keys.get("group_query_attention") else heads
    experts = whole("num_experts", keys["num_experts"]) if keys.get("num_experts") else None
    width = whole("ffn_hidden_size", keys.get("ffn_hidden_size", usual))
    family = _family(keys, experts)
    config: Keys = {
        "model_type": family, "hidden_size": h, "num_hidden_layers": whole("num_layers", keys["num_layers"]),
        "intermediate_size": width, "num_attention_heads": heads, "num_key_value_heads": whole("num_query_groups", groups),
        "head_dim": whole("kv_channels", keys.get("kv_channels", h // heads)), "vocab_size": _vocab(keys), "hidden_act": "silu",
        "max_position_embeddings": whole("max_position_embeddings", keys.get("max_position_embeddings", keys.get("seq_length"))),
        "tie_word_embeddings": not keys.get("untie_embeddings_and_output_weights"),
        "attention_dropout": _probability(keys, "attention_dropout"),
    }  # fmt: skip
    if experts:
        _only(keys, {"moe_layer_freq": (None, "1", 1)})
        each = whole("moe_ffn_hidden_size", keys.get("moe_ffn_hidden_size", width))
        config |= {"num_experts_per_tok": whole("moe_router_topk", keys.get("moe_router_topk", 2))}
        config |= {"num_local_experts": experts, "intermediate_size": each} if family == "mixtral" else {
            "num_experts": experts, "moe_intermediate_size": each, "decoder_sparse_step": 1, "mlp_only_layers": [],
            "norm_topk_prob": True,
        }  # fmt: skip
    return config


def _family(keys: Keys, experts: int | None) -> str:
    normed, biased = bool(keys.get("qk_layernorm")), bool(keys.get("add_qkv_bias"))
    families = {(False, False): "llama", (True, False): "qwen3", (False, True): "qwen2"}
    mixtures = {(False, False): "mixtral", (True, False): "qwen3_moe"}
    found = (mixtures if experts else families).get((normed, biased))
    if found is None:
        raise PlanError(
            "qk_layernorm and add_qkv_bias together, or a bias beside experts", field="add_qkv_bias", valid="one of them"
        )
    return found


def _only(keys: Keys, valid: Mapping[str, tuple[Any, ...]]) -> None:
    for key, values in valid.items():
        if keys.get(key) not in values:
            raise PlanError(
                f"{key}={keys.get(key)} is of no family known here", field=key, value=keys.get(key), valid=_shown(values)
            )


def _shown(values: tuple[Any, ...]) -> list[str]:
    return ["not given" if value is None else str(value).lower() if isinstance(value, bool) else str(value) for value in values]


def _probability(keys: Keys, key: str) -> float:
    """A dropout probability; Megatron-LM's default is 0.1."""
    try:
        value = float(keys.get(key, 0.1))
    except (TypeError, ValueError):
        value = -1.0
    if not 0 <= value < 1:
        raise PlanError(f"{key}={keys[key]}", field=key, value=keys[key], valid="a number from 0 to below 1")
    return value


def _vocab(keys: Keys) -> int:
    """The vocabulary before padding. Without one, Megatron-LM asks the tokenizer, which is no part of a launch."""
    size = keys.get("padded_vocab_size", keys.get("vocab_size"))
    if size is None:
        raise PlanError(
            "the arguments do not say the vocabulary, a tokenizer does", field="vocab_size", valid="--vocab-size N, or a MODEL"
        )
    return whole("vocab_size", size)


def padded(keys: Keys, vocab: int, tensor: int) -> int:
    """The vocabulary as Megatron-LM pads it: to a multiple of tensor-parallel ranks times `make_vocab_size_divisible_by`
    (megatron/training/tokenizer, `_vocab_size_with_padding`)."""
    unit = whole("make_vocab_size_divisible_by", keys.get("make_vocab_size_divisible_by", 128)) * tensor
    return int(ceil_div(vocab, unit) * unit)
