"""Which families a distributed step is run of, and how each can be cut; why the others are not.

Every decoder here is transformers' own. Data parallelism takes all of them; pipelines those whose layers hand on one tensor, tensor
parallelism those of which transformers' own plan cuts every product that ours cuts, expert parallelism those whose experts are
stacked in two parameters.
"""

from __future__ import annotations

from collections.abc import Mapping

PIPELINE, TENSOR, EXPERT = "pp", "tp", "ep"
WAYS = (PIPELINE, TENSOR, EXPERT)

_ALL = frozenset(WAYS)
_DENSE = frozenset({PIPELINE, TENSOR})
_ROUTED = frozenset({PIPELINE, EXPERT})
_CHAIN = frozenset({PIPELINE})
_WHOLE: frozenset[str] = frozenset()

FAMILIES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("glm4_moe", "kolibri1", "mixtral", "qwen3_moe"), _ALL),
    **dict.fromkeys((
        "cohere", "cohere2", "ernie4_5", "gemma", "gemma2", "gemma3_text", "gpt_neox", "granite", "llama", "mistral", "nemotron",
        "olmo", "phi", "qwen2", "qwen3", "starcoder2",
    ), _DENSE),
    **dict.fromkeys((
        "deepseek_v2", "deepseek_v3", "granitemoe", "hunyuan_v1_moe", "jamba", "kimi_k2", "minimax", "minimax_m2",
        "olmoe", "phimoe", "qwen2_moe", "qwen3_next",
    ), _ROUTED),
    **dict.fromkeys((
        "falcon_mamba", "glm", "glm4", "gpt2", "gpt_oss", "hunyuan_v1_dense", "mamba", "mamba2", "olmo2", "opt", "palm", "phi3",
        "stablelm",
    ), _CHAIN),
    **dict.fromkeys(("bloom", "falcon", "gpt_neo", "gptj", "llama4_text", "nemotron_h", "recurrent_gemma"), _WHOLE),
}  # fmt: skip

REASONS: Mapping[str, str] = {
    PIPELINE: "its layers do not hand on one tensor alone, or what is before them is scaled inside of the model",
    TENSOR: "transformers' plan does not cut all of its products as whole columns and rows",
    EXPERT: "it has no experts that transformers stacks in two parameters",
}

_NO_CLASS = "transformers has no class of it"
_INPUTS = "it is no decoder of one text"
_INDEX = "weights of its index have no gradient in this loss"
_BESIDE = "transformers holds other tensors as parameters than are counted, without gradients, shared or as tables"
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("gopher", "grok_1", "grok_2", "kimi_linear"), _NO_CLASS),
    **dict.fromkeys(("bert", "gemma3", "llama4", "qwen2_5_vl", "qwen2_vl", "roberta", "siglip", "t5", "vit", "whisper"), _INPUTS),
    **dict.fromkeys(("deepseek_v32", "glm_moe_dsa"), _INDEX),
    **dict.fromkeys(("ernie4_5_moe", "rwkv", "zamba2"), _BESIDE),
}
