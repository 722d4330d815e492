"""Step times that others measured, replayed: one reader for each source, which turns its rows into jobs of bursar.

A reader yields a `Row` for a run that it can read and an `Unread` with the reason for one that leaves a needed setting open.
Networks that a source states are the cluster's, not the device's usual ones. No constant is fitted to a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import bursar
from bursar import Model, Plan, Training, catalog
from bursar.facts import Fact, Source
from bursar.machines.devices import Device
from bursar.parallel.pipeline import lengths

DEVICES = {
    "A100-80GB": "a100-80-sxm", "A100-40GB": "a100-40-sxm", "H100-80GB": "h100-sxm", "V100-32GB": "v100-sxm",
    "a100_80gb": "a100-80-sxm", "a100_40gb": "a100-40-sxm", "h100_80gb": "h100-sxm",
    "B200": "b200", "B300": "b300", "GB200": "gb200", "GB300": "gb300",
    "H200": "h200", "H100": "h100-sxm", "MI300X": "mi300x", "MI325X": "mi325x", "MI355X": "mi355x",
}  # fmt: skip


class Row(NamedTuple):
    """A run that others measured: the job, and seconds of its step."""

    source: str
    name: str
    job: Training
    measured: float


class Unread(NamedTuple):
    """A run that is left out, and why."""

    source: str
    name: str
    reason: str


Rows = Iterator[Row | Unread]


def device_of(row: dict[str, str]) -> str:
    """The catalog's device of a row."""
    return DEVICES[row["gpu"].split(" ")[0]]


@lru_cache(maxsize=64)
def wired(name: str, port: float | None = None) -> Device:
    """A device, where `port` is the GB/s of the network that each has in this cluster."""
    found = bursar.device(name)
    stated = Source("as the source of the runs states it", "2026")
    return found if port is None else replace(found, network=Fact(port, "GB/s", stated))


@lru_cache(maxsize=1024)
def _built(config: str, mtp: bool) -> Model:
    return bursar.load(json.loads(config), mtp=mtp)


def built(config: dict[str, Any], *, mtp: bool = False) -> Model:
    """A model of a config, one object for equal ones."""
    return _built(json.dumps(config, sort_keys=True), mtp)


def named(name: str, *, mtp: bool = False, **changes: Any) -> Model:
    """A model of the catalog, with other values where a run had them."""
    return built({**catalog.find(name).values, **changes}, mtp=mtp)


def shaped(row: dict[str, str], vocab: int | None = None) -> Model:
    """A GPT or a Llama of the row's sizes, with experts where it has them."""
    size = {key: int(row[key]) for key in ("layers", "hidden", "heads", "ffn")}
    words = vocab if vocab is not None else int(row["vocab"] or 51200)
    if row["gated_ffn"] != "yes":
        return gpt(size["layers"], size["hidden"], size["heads"], size["ffn"], words, int(row["seq_len_tokens"]))
    config = {
        "model_type": "llama", "hidden_size": size["hidden"], "intermediate_size": size["ffn"],
        "num_attention_heads": size["heads"], "num_key_value_heads": int(row["kv_heads"]), "num_hidden_layers": size["layers"],
        "vocab_size": words, "tie_word_embeddings": False,
    }  # fmt: skip
    if row.get("experts"):
        config |= {"model_type": "mixtral", "num_local_experts": int(row["experts"]), "num_experts_per_tok": int(row["topk"])}
        config |= {"intermediate_size": int(row["moe_ffn"] or row["ffn"])}
    return built(config)


def gpt(layers: int, hidden: int, heads: int, ffn: int, vocab: int, positions: int) -> Model:
    """A GPT-2 of these sizes."""
    return built({
        "model_type": "gpt2", "n_layer": layers, "n_embd": hidden, "n_head": heads, "n_inner": ffn, "vocab_size": vocab,
        "n_positions": positions,
    })  # fmt: skip


def degrees(row: dict[str, str], layers: int) -> dict[str, Any]:
    """The degrees of a row as fields of a plan; what is left of the devices is data parallelism."""
    found: dict[str, Any] = {
        field: number(row.get(key, "")) for field, key in (("tensor", "tp"), ("pipeline", "pp"), ("context", "cp"))
    }
    data = int(row["n_gpus"]) // (found["tensor"] * found["pipeline"] * found["context"])
    expert = number(row.get("ep", ""))
    vp = number(row.get("vp", ""))
    if vp > 1 and found["pipeline"] > 1:
        found |= {"schedule": "interleaved", "virtual": vp}
    if found["pipeline"] > 1:
        found["layout"] = dealt(layers, found["pipeline"] * found.get("virtual", 1))
    if expert > 1:
        found["expert_tensor"] = number(row.get("etp", ""))
    return {**found, "data": data, "expert": expert, "micro_batch": number(row["micro_batch_seqs"])}


def number(text: str) -> int:
    """A degree as printed; one where nothing or a word stands."""
    return int(text) if text.isdigit() else 1


def dealt(layers: int, chunks: int) -> tuple[int, ...] | None:
    """Layers of each chunk where they do not come out even: the first ones and the last have fewer, as they hold the embedding and
    the head."""
    return tuple(lengths(layers, chunks)) if layers % chunks else None


def step_of(row: dict[str, str]) -> float:
    """Seconds of a step from the tokens per second and device that a row prints."""
    tokens = int(row["global_batch_seqs"]) * int(row["seq_len_tokens"])
    return tokens / (float(row["tokens_per_s_per_gpu"]) * int(row["n_gpus"]))


def training(model: Model, plan: Plan, device: Device, row: dict[str, str]) -> Training:
    """The job of a row."""
    length, batch = int(row["seq_len_tokens"]), int(row["global_batch_seqs"])
    return Training(model, plan, device, length=length, global_batch=batch)
