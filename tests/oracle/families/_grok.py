"""Grok in PyTorch, for transformers has no class of it: the layer of xai-org/grok-1's model.py, and of SGLang's grok.py for the
feed-forward layer that Grok-2 has beside its experts. Constants that scale a tensor, and caps, are left out: they cost nothing."""

from __future__ import annotations

import math
from random import Random
from typing import Any

from tests.oracle.values import Values, trunk

COMPONENTS = {
    "pre_attn_norm": "attn.norm",
    "post_attn_norm": "attn.post_norm",
    "pre_moe_norm": "mlp.norm",
    "post_moe_norm": "mlp.post_norm",
}


def build(values: Values, device: str) -> Any:
    """A causal language model of a config, on a device."""
    import torch
    from torch import nn
    from torch.nn import functional
    from transformers.modeling_outputs import CausalLMOutput

    h, heads, groups = values["hidden_size"], values["num_attention_heads"], values["num_key_value_heads"]
    d = values.get("head_dim") or h // heads
    experts, top_k = values.get("num_experts") or values.get("num_local_experts"), values["num_experts_per_tok"]
    width, dense = values.get("moe_intermediate_size", values["intermediate_size"]), values.get("residual_moe", False)

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q_proj, self.o_proj = nn.Linear(h, heads * d, bias=False), nn.Linear(heads * d, h, bias=False)
            self.k_proj, self.v_proj = nn.Linear(h, groups * d, bias=False), nn.Linear(h, groups * d, bias=False)

        def forward(self, x: Any) -> Any:
            shape = (*x.shape[:2], -1, d)
            q, k, v = [product(x).view(shape).transpose(1, 2) for product in (self.q_proj, self.k_proj, self.v_proj)]
            k, v = [part.repeat_interleave(heads // groups, dim=1) for part in (k, v)]
            scores = q @ k.transpose(2, 3) / math.sqrt(d)
            future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
            made = scores.masked_fill(future, float("-inf")).softmax(-1) @ v
            return self.o_proj(made.transpose(1, 2).reshape(*x.shape[:2], heads * d))

    class Gated(nn.Module):
        def __init__(self, f: int) -> None:
            super().__init__()
            self.gate_proj, self.up_proj = nn.Linear(h, f, bias=False), nn.Linear(h, f, bias=False)
            self.down_proj = nn.Linear(f, h, bias=False)

        def forward(self, x: Any) -> Any:
            return self.down_proj(functional.gelu(self.gate_proj(x)) * self.up_proj(x))

    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate_up_proj = nn.Parameter(torch.empty(experts, 2 * width, h))
            self.down_proj = nn.Parameter(torch.empty(experts, h, width))

        def forward(self, x: Any, chosen: Any, weights: Any) -> Any:
            copies = x.repeat_interleave(top_k, dim=0).unsqueeze(-1)
            gate, up = (self.gate_up_proj[chosen.flatten()] @ copies).chunk(2, dim=1)
            made = (self.down_proj[chosen.flatten()] @ (functional.gelu(gate) * up)).squeeze(-1)
            return (made * weights.flatten().unsqueeze(-1)).view(-1, top_k, h).sum(1)

    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate, self.experts = nn.Linear(h, experts, bias=False), Experts()
            if dense:
                self.shared_experts = Gated(values["intermediate_size"])

        def forward(self, x: Any) -> Any:
            weights, chosen = self.gate(x).softmax(-1).topk(top_k, dim=-1)
            made = self.experts(x.flatten(0, 1), chosen, weights).view(x.shape)
            return made + self.shared_experts(x) if dense else made

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.self_attn, self.mlp = Attention(), Mixture()
            self.pre_attn_norm, self.post_attn_norm = nn.RMSNorm(h), nn.RMSNorm(h)
            self.pre_moe_norm, self.post_moe_norm = nn.RMSNorm(h), nn.RMSNorm(h)

        def forward(self, x: Any) -> Any:
            x = x + self.post_attn_norm(self.self_attn(self.pre_attn_norm(x)))
            return x + self.post_moe_norm(self.mlp(self.pre_moe_norm(x)))

    class Trunk(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed_tokens, self.norm = nn.Embedding(values["vocab_size"], h), nn.RMSNorm(h)
            self.layers = nn.ModuleList([Layer() for _ in range(values["num_hidden_layers"])])

        def forward(self, ids: Any) -> Any:
            x = self.embed_tokens(ids)
            for layer in self.layers:
                x = layer(x)
            return self.norm(x)

    class Grok(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.lm_head = Trunk(), nn.Linear(h, values["vocab_size"], bias=False)
            if values.get("tie_word_embeddings", not dense):
                self.lm_head.weight = self.model.embed_tokens.weight

        def forward(self, input_ids: Any, labels: Any = None, use_cache: bool = False) -> Any:
            logits = self.lm_head(self.model(input_ids))
            loss = None if labels is None else functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
            return CausalLMOutput(loss=loss, logits=logits)

    with torch.device(device):
        return Grok()


def sizes(pick: Random) -> Values:
    values, count = trunk(pick, explicit_head_dim=True), pick.randint(1, 6)
    return {**values, "hidden_act": "gelu", "num_experts_per_tok": pick.randint(1, count), "num_local_experts": count}
