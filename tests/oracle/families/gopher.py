"""Gopher: transformers has no class of it. The reference is written here from the papers: a pre-norm decoder (arXiv:2112.11446,
section 3.1) whose scores are those of Transformer-XL (arXiv:1901.02860, the four terms of section 3.3)."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.oracle.values import Values, trunk

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")
outputs = pytest.importorskip("transformers.modeling_outputs", reason="the oracle is transformers 5")
nn = torch.nn

_BASE: Values = {
    "model_type": "gopher", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 5, "head_dim": 14, "tie_word_embeddings": True,
}  # fmt: skip
SMALL: dict[str, Values] = {"gopher": _BASE, "gopher-untied": {**_BASE, "tie_word_embeddings": False, "head_dim": None}}
COMPONENTS = {"self_attn.r_proj": "attn.r", "model.u": "attn.distances", "model.v": "attn.distances"}


def head_dim(values: Values) -> int:
    return values.get("head_dim") or values["hidden_size"] // values["num_attention_heads"]


class Attention(nn.Module):
    def __init__(self, values: Values) -> None:
        super().__init__()
        self.heads, self.width = values["num_attention_heads"], head_dim(values)
        h, inner = values["hidden_size"], values["num_attention_heads"] * head_dim(values)
        self.q_proj, self.k_proj, self.v_proj, self.r_proj = (nn.Linear(h, inner, bias=False) for _ in range(4))
        self.o_proj = nn.Linear(inner, h, bias=False)

    def forward(self, x: Any, sinusoids: Any, u: Any, v: Any) -> Any:
        batch, seq, _ = x.shape
        q, k, value = (p(x).view(batch, seq, self.heads, self.width) for p in (self.q_proj, self.k_proj, self.v_proj))
        r = self.r_proj(sinusoids).view(seq, self.heads, self.width).permute(1, 2, 0)
        content = (q + u).transpose(1, 2) @ k.permute(0, 2, 3, 1)
        distance = (q + v).transpose(1, 2) @ r
        key, query = torch.meshgrid(torch.arange(seq, device=x.device), torch.arange(seq, device=x.device), indexing="xy")
        shifted = distance.gather(-1, (query - key).clamp(min=0).expand_as(distance))
        weights = (content + shifted).masked_fill(key > query, float("-inf")).softmax(-1)
        return self.o_proj((weights @ value.transpose(1, 2)).transpose(1, 2).reshape(batch, seq, -1))


class Layer(nn.Module):
    def __init__(self, values: Values) -> None:
        super().__init__()
        h, f = values["hidden_size"], values["intermediate_size"]
        self.input_layernorm, self.post_attention_layernorm = nn.RMSNorm(h), nn.RMSNorm(h)
        self.self_attn = Attention(values)
        self.mlp = nn.ModuleDict({"up_proj": nn.Linear(h, f, bias=False), "down_proj": nn.Linear(f, h, bias=False)})

    def forward(self, x: Any, *positions: Any) -> Any:
        x = x + self.self_attn(self.input_layernorm(x), *positions)
        return x + self.mlp["down_proj"](nn.functional.gelu(self.mlp["up_proj"](self.post_attention_layernorm(x))))


class Gopher(nn.Module):
    def __init__(self, values: Values) -> None:
        super().__init__()
        h, vocab, heads = values["hidden_size"], values["vocab_size"], values["num_attention_heads"]
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(vocab, h)
        self.model.u, self.model.v = (nn.Parameter(torch.zeros(heads, head_dim(values))) for _ in range(2))
        self.model.layers = nn.ModuleList([Layer(values) for _ in range(values["num_hidden_layers"])])
        self.model.norm = nn.RMSNorm(h)
        self.lm_head = nn.Linear(h, vocab, bias=False)
        if values.get("tie_word_embeddings", True):
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(self, input_ids: Any, labels: Any = None, **_: Any) -> Any:
        x = self.model.embed_tokens(input_ids)
        sinusoids = torch.zeros(x.shape[1:], device=x.device)  # their values cost nothing
        for layer in self.model.layers:
            x = layer(x, sinusoids, self.model.u, self.model.v)
        logits = self.lm_head(self.model.norm(x))
        loss = None if labels is None else nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return outputs.CausalLMOutput(loss=loss, logits=logits)


def build(values: Values, device: str) -> Any:
    with torch.device(device):
        return Gopher(values)


def useless(values: Values, seq: int, batch: int) -> int:
    """No gradient goes to a sinusoid: the product of distances has a weight gradient alone."""
    return 2 * seq * values["hidden_size"] * values["num_attention_heads"] * head_dim(values) * values["num_hidden_layers"]


def random(pick: Random) -> Values:
    values = {**trunk(pick, explicit_head_dim=pick.random() < 0.5), "hidden_act": "gelu"}
    del values["num_key_value_heads"]
    return values
