"""Devices as records of sourced facts, read from `data/devices/<name>.toml`, and the rates that they achieve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from bursar.errors import BursarError, FactError, UnknownNameError, shown
from bursar.facts import Fact, Source, data, table
from bursar.own import BANDWIDTH_UNITS, BYTE_UNITS, COUNT_UNITS, POWER_UNITS, RATE_UNITS, TIME_UNITS, Key, is_file, read, stem


@dataclass(frozen=True, eq=False)
class Device:
    """An accelerator with its links. Peaks are dense, per device; bandwidths are one direction."""

    id: str
    name: str
    vendor: str
    aliases: tuple[str, ...]
    peaks: Mapping[str, Fact]
    memory: Fact
    memory_bandwidth: Fact
    link_kind: str
    link: Fact
    domain: Fact  # devices that the link joins
    network_kind: str
    network: Fact | None  # between domains; None where the device has no usual one
    node: Fact
    power: Fact | None
    axes: Fact | None = None  # of the torus that the link makes
    kin: str = ""  # the device of the catalog whose achieved rates, host and libraries it has; none, if empty
    rates: Rates | None = None  # what it achieves, where its own file says
    cluster: str = ""  # the cluster that it stands in, which has so many of it
    size: Fact | None = None
    pod: Fact | None = None  # devices below switches that pass all they send, and how much less passes beyond
    oversubscription: Fact | None = None
    node_power: Fact | None = None

    def peak(self, dtype: str) -> Fact:
        """The dense peak of a dtype; never that of another one."""
        if dtype not in self.peaks:
            raise BursarError(
                f"{self.id} has no {dtype} peak in the catalog", field="precision", value=dtype, valid=sorted(self.peaks)
            )
        return self.peaks[dtype]


LATE = ("hopper", "blackwell", "blackwell-ultra")  # tables of devices of compute capability 9 or more


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The devices of the catalog."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in data("devices").iterdir() if file.name.endswith(".toml")))


def device(name: str) -> Device:
    """A device of the catalog by its name or an alias, or a user's own by the path of its file, which ends in .toml."""
    return _own(name) if is_file(name) else _known(name)


@lru_cache(maxsize=64)
def _known(name: str) -> Device:
    wanted = name.lower()
    if wanted in names():
        return _read(wanted)
    for known in names():
        if wanted in (found := _read(known)).aliases:
            return found
    raise UnknownNameError("device", name, names())


@lru_cache(maxsize=64)
def _read(name: str) -> Device:
    facts = table("devices", f"{name}.toml")
    link, network, power = facts.get("link", {}), facts.get("network", {}), facts.get("power", {})
    return Device(
        id=name, name=facts["name"], vendor=facts["vendor"], aliases=tuple(facts.get("aliases", ())), peaks=facts["peak"],
        memory=facts["memory"]["capacity"], memory_bandwidth=facts["memory"]["bandwidth"], link_kind=link["kind"],
        link=link["bandwidth"], domain=link["domain"], network_kind=network.get("kind", ""), network=network.get("bandwidth"),
        node=facts["node"]["devices"], power=power.get("tdp"), axes=link.get("axes"), kin=name,
    )  # fmt: skip


@dataclass(frozen=True)
class Rates:
    """What a device achieves: fractions of its peaks and bandwidths, lengths and times.

    `fp8` and `fp4` are over the rate of 16-bit products, `blocks` (8 bits with block scales) over `fp8`, `grouped` over dense ones,
    `attention_backward` over the forward pass; `permute` and `loss` are fractions of the memory's bandwidth for rows that are
    gathered and for logits.
    """

    matmul: Fact
    fp8: Fact
    fp4: Fact
    blocks: Fact
    grouped: Fact
    attention: Fact
    attention_length: Fact
    attention_head: Fact
    attention_backward: Fact
    attention_older: Fact  # of kernels made for the generation before (FlashAttention-2 on Hopper)
    scan: Fact  # of a recurrence in chunks (Mamba-2, delta rules)
    memory: Fact
    permute: Fact
    loss: Fact
    overhead: Fact
    link: Fact
    link_latency: Fact
    link_small: Fact  # size at which gathers and scatters over eight ranks take twice as long as their bytes say
    all_to_all: Fact
    all_reduce: Fact
    all_reduce_latency: Fact
    all_reduce_small: Fact
    network: Fact
    network_latency: Fact
    network_small: Fact
    origin: str = "uncalibrated"  # what of it was measured on the machine at hand: nothing, "operators", or a "run"
    band: tuple[Fact, Fact] | None = None  # measured over predicted step time (fastest, slowest) where runs gave one of their own
    doubt: tuple[float, ...] = ()  # covariances of the multipliers that runs gave, row by row, and the variance of their steps


@lru_cache(maxsize=64)
def rates(device_id: str) -> Rates:
    """The achieved rates that are known for a device, or the default ones."""
    tables = table("rates.toml")
    found = next((t for t in tables.values() if device_id in t.get("devices", ())), tables["default"])
    return Rates(**{key: value for key, value in found.items() if key != "devices"})


# what a user's own device may say; what it does not is that of the device that it is `like`
OWN: Mapping[str, Key] = {
    "name": Key(), "vendor": Key(), "like": Key(),
    **{f"peak.{dtype}": Key(RATE_UNITS) for dtype in ("fp32", "tf32", "fp16", "bf16", "fp8", "fp6", "fp4", "int8")},
    "memory.capacity": Key(BYTE_UNITS), "memory.bandwidth": Key(BANDWIDTH_UNITS),
    "link.kind": Key(), "link.bandwidth": Key(BANDWIDTH_UNITS), "link.domain": Key(COUNT_UNITS),
    "network.kind": Key(), "network.bandwidth": Key(BANDWIDTH_UNITS),
    "node.devices": Key(COUNT_UNITS), "power.tdp": Key(POWER_UNITS),
    **{f"rates.{name}": Key(("1",)) for name in (
        "matmul", "fp8", "fp4", "blocks", "grouped", "attention", "attention_backward", "attention_older", "scan", "memory",
        "permute", "loss", "link", "all_to_all", "all_reduce", "network",
    )},
    "rates.attention_length": Key(("tokens",), zero=True), "rates.attention_head": Key(("1",), zero=True),
    **{f"rates.{name}": Key(TIME_UNITS, zero=True) for name in (
        "overhead", "link_latency", "all_reduce_latency", "network_latency",
    )},
    **{f"rates.{name}": Key(BYTE_UNITS, zero=True) for name in ("link_small", "all_reduce_small", "network_small")},
    "rates.origin": Key(),
}  # fmt: skip
# the fields of a device by the keys of its file
FIELDS: Mapping[str, str] = {
    "name": "name", "vendor": "vendor", "memory.capacity": "memory", "memory.bandwidth": "memory_bandwidth",
    "link.kind": "link_kind", "link.bandwidth": "link", "link.domain": "domain", "network.kind": "network_kind",
    "network.bandwidth": "network", "node.devices": "node", "power.tdp": "power",
}  # fmt: skip
NEEDED = ("memory.capacity", "memory.bandwidth", "link.bandwidth", "link.domain", "node.devices")
ORIGINS = ("uncalibrated", "operators", "run")


def _own(path: str) -> Device:
    """A device from a user's file."""
    found = read(path, OWN)
    kin = _known(found["like"]) if "like" in found else None
    given: dict[str, Any] = {field: found[key] for key, field in FIELDS.items() if key in found}
    peaks = {key.removeprefix("peak."): fact for key, fact in found.items() if key.startswith("peak.")}
    achieved = {key.removeprefix("rates."): value for key, value in found.items() if key.startswith("rates.")}
    if achieved.get("origin", ORIGINS[0]) not in ORIGINS:
        raise FactError(f"{path}: rates.origin is {shown(achieved['origin'])}", field="rates.origin", valid=ORIGINS)
    same: dict[str, Any] = {"id": stem(path), "kin": kin.id if kin else "", "aliases": (), "cluster": ""}
    own_rates = replace(rates(same["kin"]), **achieved) if achieved else None
    if kin is not None:
        return replace(kin, **same, **given, peaks={**kin.peaks, **peaks}, rates=own_rates)
    if missing := [key for key in NEEDED if key not in found] + ([] if peaks.keys() & {"fp16", "bf16"} else ["peak.bf16"]):
        said = ", ".join(missing)
        raise FactError(f"{path} has no {said}", field=missing[0], valid="all of them, or like = a device of the catalog")
    words: dict[str, Any] = {"name": same["id"], "vendor": "", "link_kind": "", "network_kind": "", "network": None, "power": None}
    return Device(**{**words, **same, **given, "peaks": peaks, "rates": own_rates})


def rates_of(device: Device) -> Rates:
    """What a device achieves: by its own file, as its kin in the catalog, or as most do."""
    return device.rates or rates(device.kin)


def casts(recipe: str) -> Fact:
    """How often a quantised recipe reads an operand to cast it."""
    found: Fact = table("rates.toml")["casts"][recipe]
    return found


def launch(kernels: str = "fused") -> Fact:
    """Seconds that the host takes for an operator of a pass, where each is launched by itself: in the papers' implementation, or in
    modules that fuse, which do more for an operator."""
    found: Fact = table("rates.toml")["host"]["launch_textbook" if kernels.startswith("textbook") else "launch"]
    return found


def overlap_price(wire: str) -> Fact:
    """The share of the time of communication over a wire ("link", "network") that compute beside it loses."""
    found: Fact = table("rates.toml")["overlap"][wire]
    return found


def band(origin: str = "uncalibrated") -> tuple[Fact, Fact]:
    """Measured over predicted step time, at rates of such an origin: (fastest, slowest)."""
    found = table("rates.toml")["band"][origin]
    return found["fastest"], found["slowest"]


def band_of(achieved: Rates) -> tuple[Fact, Fact]:
    """Measured over predicted step time at some rates: their own band, or that of their origin."""
    return achieved.band or band(achieved.origin)


def workspace_memory(device_id: str, *, engine: bool, deterministic: bool = False) -> int:
    """Bytes that libraries of matrix products hold in PyTorch's allocator: cuBLAS for every thread that runs products, and
    Transformer Engine (`engine`). Deterministic runs fix the size of cuBLAS's."""
    found = table("rates.toml")["workspace"]
    ending = _ending(device_id)
    cublas = found["cublas_hopper" if ending or deterministic else "cublas"].si * found["handles"].si
    return int(cublas + engine * found[f"transformer_engine{ending}"].si)


@lru_cache(maxsize=64)
def workspace(device_id: str) -> tuple[int, int, int]:
    """Bytes of workspaces at the least, as usual and at the most: cuBLAS's of one handle; of all; those with cuBLASLt's and
    Transformer Engine's."""
    found = table("rates.toml")["workspace"]
    ending = _ending(device_id)
    usual = workspace_memory(device_id, engine=False)
    lt = found[f"cublas_lt{ending}"].si * found["handles"].si
    return int(found[f"cublas{ending}"].si), usual, workspace_memory(device_id, engine=True) + int(lt)


def _ending(device_id: str) -> str:
    """What the names of a device's workspaces end in."""
    return "_hopper" if any(device_id in table("rates.toml")[kind]["devices"] for kind in LATE) else ""


def workspace_source() -> Source:
    """Where the sizes of workspaces come from."""
    found: Fact = table("rates.toml")["workspace"]["cublas"]
    return found.source


def price(device_id: str) -> Fact | None:
    """An example price per device-hour, with its date, where one is known."""
    found: Fact | None = table("prices.toml")["prices"].get(device_id)
    return found
