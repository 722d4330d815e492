"""Megatron-LM's functional tests: GPT models under Megatron-Core with every argument known; mem-max-allocated-bytes of the last
rank once the optimizer has stepped, exact. Most models are tiny (64M parameters, where the library's workspaces of 100 MiB are
2 to 10 %).

The vocabulary is GPT-2's, padded to a multiple of 128 times the tensor-parallel
size.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bursar
from bursar import Plan, Training
from bursar.errors import BursarError
from bursar.machines.devices import workspace_memory

from . import Row, device_of, replayed, table

STATISTIC = "max_memory_allocated of the last rank"
LEFT_OUT = (
    "rows whose number of GPUs is not published (all of Mixtral and GPT 15B); families other than GPT; fp8,"
    " latent attention, FSDP, frozen parts, gated or bias-free GPT with learned positions, which no family here is; layers that the"
    " pipeline's ranks share unevenly"
)
BPE = 50257
NOT_HERE = (
    "fp8-format", "kv-lora-rank", "use-megatron-fsdp", "swiglu", "disable-bias-linear", "fim-data", "freeze",
    "account-for-embedding-in-pipeline-split", "decoder-first-pipeline-num-layers", "qk-layernorm",
    "num-virtual-stages-per-pipeline-rank", "defer-embedding-wgrad-compute",
)  # fmt: skip


def rows(folder: Path) -> Iterator[Row]:
    for row in table(folder, "megatron_ci_golden"):
        args = json.loads(row["model_args_json"])
        if row["family"] != "gpt" or not row["n_gpus"] or any(key in args for key in NOT_HERE) or "frozen" in row["case"]:
            continue
        try:
            job = training(row, args)
        except BursarError:  # a layout that does not divide
            continue
        workspace = workspace_memory(
            device_of(row), engine=args["transformer-impl"] != "local", deterministic=bool(args.get("deterministic-mode"))
        )
        name, measured = f"{row['row_id']} {row['case']} {row['gpu'][:5]}", float(row["mem_max_allocated_bytes"])
        yield replayed(name, job, measured, "allocated", stage=-1, workspace=workspace, reason=reason(row, args))


def reason(row: dict[str, str], args: dict[str, Any]) -> str:
    """Why a row may be off, where that is known."""
    if args.get("cross-entropy-loss-fusion") and row["environment"] == "dev" and row["gpu"].startswith("A100"):
        return "0.4 GiB more than the same run in the older container (ci-247, ci-274): one more FP32 tensor of the logits"
    if row["size_class"] == "real size":
        return "not explained; as many bytes as half of the dropout masks"
    return "a tiny model, where 20 to 50 MiB are not explained"


def training(row: dict[str, str], args: dict[str, Any]) -> Training:
    """The job of a row."""
    tensor, pipeline, context, data = (int(row[key]) for key in ("tp", "pp", "cp", "dp"))
    instances = int(args.get("num-distributed-optimizer-instances", 1))
    sharded = bool(args.get("use-distributed-optimizer"))
    each = int(args.get("num-layers-per-virtual-pipeline-stage", 0))
    plan = Plan(
        tensor=tensor, sequence=bool(args.get("sequence-parallel")), pipeline=pipeline, context=context, data=data,
        zero=1 if sharded else 0, shard_group=data * context // instances if instances > 1 else None,
        schedule="interleaved" if each else "1f1b", virtual=int(row["layers"]) // (pipeline * each) if each else 1,
        precision="fp16" if args.get("fp16") else "bf16" if args.get("bf16") else "fp32",
        grad_dtype=None if args.get("fp16") else "fp32", micro_batch=int(row["micro_batch_seqs"]),
        recompute=row["recompute"] if row["recompute"] in ("full", "selective") else "none", kernels=kernels(args),
    )  # fmt: skip
    return Training(
        bursar.load(config(row, args, tensor)), plan, length=int(row["seq_len_tokens"]), global_batch=int(row["global_batch_seqs"]),
        mask="causal",
    )  # fmt: skip


def kernels(args: dict[str, Any]) -> str:
    """Which implementations the arguments choose; without --attention-backend Transformer Engine takes a fused one."""
    unfused = args.get("attention-backend") == "unfused" or args["transformer-impl"] == "local"
    return ",".join([
        "fused",
        f"attention={'flash' if not unfused else 'matrix-buffered' if args['transformer-impl'] == 'local' else 'matrix'}",
        f"loss={'fp32-shifted' if args.get('cross-entropy-loss-fusion') else 'fp32'}",
        f"linear={'returned' if args.get('no-gradient-accumulation-fusion') else 'main-grad'}",
    ])  # fmt: skip


def config(row: dict[str, str], args: dict[str, Any], tensor: int) -> dict[str, Any]:
    """GPT-2 with learned positions, or GPT-NeoX without its parallel residual where the positions are rotary."""
    hidden, attention = float(args.get("hidden-dropout", 0.1)), float(args.get("attention-dropout", 0.1))
    vocab = int(args["vocab-size"]) if "vocab-size" in args else BPE
    unit = 128 * tensor
    shape = {
        "hidden_size": int(row["hidden"]), "num_attention_heads": int(row["heads"]), "num_hidden_layers": int(row["layers"]),
        "max_position_embeddings": int(args["max-position-embeddings"]), "vocab_size": -(-vocab // unit) * unit,
        "tie_word_embeddings": not args.get("untie-embeddings-and-output-weights"),
    }  # fmt: skip
    if args.get("position-embedding-type") == "rope":
        return {
            **shape, "model_type": "gpt_neox", "intermediate_size": int(row["ffn"]), "use_parallel_residual": False,
            "hidden_dropout": hidden, "attention_dropout": attention, "rotary_pct": float(args.get("rotary-percent", 1.0)),
        }  # fmt: skip
    return {
        **shape, "model_type": "gpt2", "n_inner": int(row["ffn"]), "resid_pdrop": hidden, "attn_pdrop": attention,
        "embd_pdrop": hidden,
    }  # fmt: skip
