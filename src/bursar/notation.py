"""One table of symbols: word ↔ letter ↔ config.json key.

Letters follow Megatron-LM (arXiv:2104.04473, arXiv:2205.05198): b sequences, s length, h hidden size, a heads, L layers,
V vocabulary, t tensor-parallel size. Letters appear in formulas only through this table.
"""

from __future__ import annotations

from typing import NamedTuple


class Symbol(NamedTuple):
    """A dimension: its word in code, its letter in formulas, the config.json keys that hold it, and its meaning."""

    word: str
    letter: str
    keys: tuple[str, ...]
    meaning: str
    meaning_zh: str


SYMBOLS: tuple[Symbol, ...] = (
    Symbol("sequences", "b", (), "sequences of a micro-batch", "微批量中的序列数"),
    Symbol("length", "s", (), "tokens of a sequence", "序列长度"),
    Symbol("hidden", "h", ("hidden_size", "d_model", "n_embd"), "width of the residual stream", "隐藏维度"),
    Symbol("layers", "L", ("num_hidden_layers", "n_layer", "num_layers", "encoder_layers"), "number of layers", "层数"),
    Symbol("heads", "a", ("num_attention_heads", "n_head", "num_heads"), "attention heads", "注意力头数"),
    Symbol("kv_heads", "k", ("num_key_value_heads", "num_kv_heads"), "heads of keys and values", "键值头数"),
    Symbol("head_dim", "d", ("head_dim", "d_kv"), "width of a head", "每头维度"),
    Symbol("ffn", "f", ("intermediate_size", "n_inner", "ffn_dim", "d_ff"), "width of the feed-forward layer", "前馈层维度"),
    Symbol("expert_ffn", "f_e", ("moe_intermediate_size",), "width of one expert", "单个专家的前馈维度"),
    Symbol("shared_ffn", "f_s", ("shared_expert_intermediate_size",), "width of the shared expert", "共享专家的前馈维度"),
    Symbol("vocab", "V", ("vocab_size",), "rows of the vocabulary", "词表大小"),
    Symbol("positions", "P", ("n_positions", "max_position_embeddings"), "learned positions", "可学习位置数"),
    Symbol(
        "experts",
        "E",
        ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"),
        "routed experts of a layer",
        "路由专家数",
    ),
    Symbol("top_k", "e", ("num_experts_per_tok", "moe_k"), "routed experts per token", "每个词元激活的专家数"),
    Symbol("shared_experts", "E_s", ("n_shared_experts", "moe_num_shared_experts"), "shared experts of a layer", "共享专家数"),
    Symbol(
        "decoder_layers", "L_dec", ("num_decoder_layers", "decoder_layers"), "layers of a decoder beside an encoder", "解码器层数"
    ),
    Symbol("dense_layers", "L_d", ("first_k_dense_replace",), "dense layers before the first expert layer", "首部稠密层数"),
    Symbol("window", "w", ("sliding_window",), "tokens a query looks back on", "滑动窗口长度"),
    Symbol("q_rank", "r_q", ("q_lora_rank",), "rank of the query latent", "查询潜变量秩"),
    Symbol("kv_rank", "r_kv", ("kv_lora_rank",), "rank of the key–value latent", "键值潜变量秩"),
    Symbol("nope_dim", "d_n", ("qk_nope_head_dim",), "head width without position", "不含位置编码的头维度"),
    Symbol("rope_dim", "d_r", ("qk_rope_head_dim",), "head width with rotary position", "旋转位置编码的头维度"),
    Symbol("v_dim", "d_v", ("v_head_dim",), "head width of values", "值的头维度"),
    Symbol("tensor", "t", (), "tensor-parallel ranks", "张量并行度"),
)

LETTERS: dict[str, str] = {key: symbol.letter for symbol in SYMBOLS for key in symbol.keys}
