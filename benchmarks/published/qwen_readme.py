"""Qwen's README: LoRA (rank 64 on every product of a layer) and Q-LoRA of Qwen-7B and 14B on one A100-80GB with its finetune.py
under transformers, PEFT, flash attention 2, gradient checkpointing and BF16; "GPU memory" as printed, read as what the device
shows.

Qwen's first series is Qwen2's layer with multi-head attention: RMSNorm, a bias on Q, K and V, a gated MLP.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bursar
from bursar import Plan, Training
from bursar.machines.devices import workspace_memory

from . import Row, replayed, table

STATISTIC = "GPU memory as printed, in GB of 1e9 bytes"
LEFT_OUT = "LoRA that trains the embedding and the head as well; several GPUs, whose figure is a total; full fine-tuning"
HIDDEN = {"Qwen-7B": (4096, 32, 11008, 151936), "Qwen-14B": (5120, 40, 13696, 152064)}

NARROW = "sdpa,loss=log-softmax-narrow"  # Q-LoRA runs under DeepSpeed in FP16, where nothing casts the logits
QUANTIZED = (
    "PEFT's prepare_model_for_kbit_training casts the embedding and the head, which are not quantised, to FP32: 2.3 GiB of 7B and"
    " 2.9 GiB of 14B, which no plan says"
)


def rows(folder: Path) -> Iterator[Row]:
    workspace = workspace_memory("a100-80-sxm", engine=False)
    for row in table(folder, "finetune_memory"):
        if row["table"] != "Qwen README profiling" or row["n_gpus"] != "1" or row["method"] not in ("lora", "qlora (int4 GPTQ)"):
            continue
        quantized = row["method"].startswith("q")
        plan = Plan(
            recompute="full", precision="bf16-pure", kernels=NARROW if quantized else "sdpa", grad_buffer="lazy", lora_rank=64,
            lora_dropout=0.05, lora_targets="q,k,v,out,gate,up,down", weights="int4" if quantized else None, update="foreach",
        )  # fmt: skip
        job = Training(
            bursar.load(config(row["model"])), plan, bursar.device("a100-80-sxm"), length=int(row["seq_len_tokens"]), mask="causal"
        )
        name = f"{row['row_id']} {row['model']} {row['method']} {row['seq_len_tokens']} tokens"
        reason = QUANTIZED if quantized else ""
        yield replayed(name, job, float(row["peak_mem_gb_printed"]) * 1e9, "device", workspace=workspace, reason=reason)


def config(name: str) -> dict[str, Any]:
    """The model as one of Qwen2's family."""
    hidden, layers, ffn, vocab = HIDDEN[name]
    return {
        "model_type": "qwen2", "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": hidden // 128,
        "num_key_value_heads": hidden // 128, "intermediate_size": ffn, "vocab_size": vocab, "tie_word_embeddings": False,
        "max_position_embeddings": 8192,
    }  # fmt: skip
