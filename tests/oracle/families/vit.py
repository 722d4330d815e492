"""ViT: an encoder of patches with a classifier. A sequence is a picture of fixed size, whatever length is asked for."""

from __future__ import annotations

from random import Random

from ..values import Values, maybe

LAYER = r"^vit\.layers\.\d+\."
COMPONENTS = {
    "vit.embeddings.cls_token": "class",
    "vit.embeddings.position_embeddings": "positions",
    "vit.embeddings.patch_embeddings.projection": "patch",
    "layernorm_before": "attn.norm",
    "attention.q_proj": "attn.q",
    "attention.k_proj": "attn.k",
    "attention.v_proj": "attn.v",
    "attention.o_proj": "attn.out",
    "layernorm_after": "mlp.norm",
    "mlp.fc1": "mlp.up",
    "mlp.fc2": "mlp.down",
    "vit.layernorm": "final.norm",
    "classifier": "head",
}
KINDS = [(r"\.classifier$", "logits"), (r"\.\d+\.attention$", "attention")]

_VIT: Values = {
    "model_type": "vit", "hidden_size": 60, "num_hidden_layers": 3, "num_attention_heads": 6, "intermediate_size": 77,
    "hidden_act": "gelu", "image_size": 20, "patch_size": 4, "num_channels": 3, "qkv_bias": True, "num_labels": 11,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "vit": _VIT,
    "vit-edges": {**_VIT, "image_size": 23, "patch_size": 5, "num_channels": 1, "qkv_bias": False, "num_labels": 7},
}


def random(pick: Random) -> Values:
    heads, patch = pick.randint(1, 5), pick.randint(1, 6)
    return {
        "hidden_size": heads * pick.randint(1, 12),
        "num_hidden_layers": pick.randint(1, 4),
        "num_attention_heads": heads,
        "intermediate_size": pick.randint(1, 90),
        "image_size": patch * pick.randint(1, 5) + pick.randint(0, patch - 1),
        "patch_size": patch,
        **maybe(pick, num_channels=pick.randint(1, 4), qkv_bias=pick.random() < 0.5, num_labels=pick.randint(1, 9)),
    }


def useless(values: Values, seq: int, batch: int) -> int:
    """The gradient of the pixels."""
    cells, patch = (values["image_size"] // values["patch_size"]) ** 2, values["patch_size"]
    return 2 * batch * cells * values["num_channels"] * patch**2 * values["hidden_size"]
