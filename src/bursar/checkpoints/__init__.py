"""What a checkpoint holds, from its headers alone: names, shapes and bytes of tensors, reconciled with a config.

safetensors files (https://github.com/huggingface/safetensors, section Format), alone, as a folder's shards or through
`model.safetensors.index.json`, and GGUF files of version 2 and 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
Files are untrusted: lengths and counts are bounded, offsets checked, no weight is read and nothing is executed.
"""

from __future__ import annotations

from bursar.checkpoints.files import INDEX, read
from bursar.checkpoints.gguf import GGML
from bursar.checkpoints.reconciling import Reconciled, reconcile
from bursar.checkpoints.stored import Checkpoint, Tensor

__all__ = ["GGML", "INDEX", "Checkpoint", "Reconciled", "Tensor", "read", "reconcile"]
