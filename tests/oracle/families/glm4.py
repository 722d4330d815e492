"""GLM-4-0414: GLM-4 with norms after attention and feed-forward."""

from __future__ import annotations

from tests.oracle.values import Values

from . import glm
from .glm import parts, random

__all__ = ["COMPONENTS", "SMALL", "parts", "random"]

COMPONENTS = {"post_self_attn_layernorm": "attn.post_norm", "post_mlp_layernorm": "mlp.post_norm"}
SMALL: dict[str, Values] = {name.replace("glm", "glm4"): {**values, "model_type": "glm4"} for name, values in glm.SMALL.items()}
