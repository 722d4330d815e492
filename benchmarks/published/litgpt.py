"""litgpt's resource tables: LoRA and QLoRA (rank 8 on q and v) of Llama 2 on one A100-40GB, without recomputation, in BF16
alone; the longest sample of Alpaca sets the length. max_memory_allocated / 1e9.

bitsandbytes' 4-bit products keep what they read (`linear=keeps-input`). litgpt runs the output layer in chunks of 128 tokens,
and its loss over them in FP32.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bursar
from bursar import Plan, Training
from bursar.machines.devices import workspace_memory

from . import Row, number, replayed, table

STATISTIC = "max_memory_allocated"
LEFT_OUT = (
    "StableLM Alpha, whose family is not here; adapters other than LoRA; several GPUs; the configuration hub, whose lengths vary"
)
MODELS = {"Llama 2 7B": "llama-2-7b", "Llama 2 13B": "llama-2-13b"}
FORMATS = {"None": None, "bnb.nf4": "nf4-single", "bnb.nf4-dq": "nf4"}
KERNELS = "sdpa,norm=upcast-product,loss=log-softmax"
QUANTIZED = f"{KERNELS},linear=keeps-input"

REASONS = {
    False: "litgpt composes rotary embedding and LoRA of joined Q, K and V of more kernels than transformers' modules",
    True: "beside the inputs that bitsandbytes keeps of 4-bit products 0.4 GiB more than with plain LoRA, not explained",
}


def rows(folder: Path) -> Iterator[Row]:
    for row in table(folder, "finetune_memory"):
        if not row["table"].endswith("LoRA on 1 GPU") or row["model"] not in MODELS or not number(row["peak_mem_gb_printed"]):
            continue
        quantized = row["quantize"] != "None"
        plan = Plan(
            micro_batch=int(row["micro_batch_seqs"]), precision="bf16-pure", grad_buffer="lazy", lora_rank=8,
            kernels=QUANTIZED if quantized else KERNELS,
            lora_targets="q,v", lora_dropout=0.05, weights=FORMATS[row["quantize"]], update="foreach",
        )  # fmt: skip
        job = Training(bursar.load(MODELS[row["model"]]), plan, length=int(row["seq_len_tokens"]), mask="causal")
        name = f"{row['row_id']} {row['model']} {row['quantize']} micro-batch {row['micro_batch_seqs']}"
        workspace = workspace_memory("a100-40-sxm", engine=False)
        yield replayed(
            name, job, float(row["peak_mem_gb_printed"]) * 1e9, "allocated", workspace=workspace, reason=REASONS[quantized]
        )
