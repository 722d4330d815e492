"""Proves that every number from outside has a unit, a source and a date, that the catalogs are complete, and that what a device is
asked for is right: dense peaks, the rates it achieves, the wires of a group."""

from __future__ import annotations

import json

import pytest

from bursar import catalog, families
from bursar.errors import FactError
from bursar.facts import UNITS, Fact, Source, data, read_facts, sources
from bursar.kernels import IMPLEMENTATIONS
from bursar.machines import devices
from bursar.machines.network import network
from bursar.optimizers import OPTIMIZERS
from bursar.precision import RECIPES

SOURCE = Source("A datasheet", "2024-03")


def test_a_number_without_a_source_cannot_exist() -> None:
    with pytest.raises(FactError, match="no source"):
        read_facts({"peak": {"value": 1, "unit": "TFLOP/s"}}, {}, "test")
    with pytest.raises(FactError, match="unknown source"):
        read_facts({"peak": {"value": 1, "unit": "TFLOP/s", "source": "none"}}, {}, "test")
    with pytest.raises(FactError, match="unit"):
        Fact(1, "TFLOPS", SOURCE)
    with pytest.raises(FactError, match="date"):
        Source("A datasheet", "last year")
    with pytest.raises(FactError, match="title"):
        Source("", "2024")


def test_gb_is_a_power_of_ten_and_gib_of_two() -> None:
    assert UNITS["GB"] == 10**9
    assert UNITS["GiB"] == 2**30
    assert Fact(1.5, "GB/s", SOURCE).si == 1.5e9


@pytest.mark.parametrize("name", devices.names())
def test_a_device_is_complete(name: str) -> None:
    device = devices.device(name)
    facts = [device.memory, device.memory_bandwidth, device.link, device.domain, device.node, *device.peaks.values()]
    assert all(isinstance(fact, Fact) and fact.si > 0 for fact in facts)
    assert device.peaks.keys() & {"bf16", "fp16"}
    assert devices.rates(name).matmul.si <= 1


def test_an_alias_stands_for_one_device() -> None:
    aliases = [alias for name in devices.names() for alias in devices.device(name).aliases]
    assert len(aliases) == len(set(aliases))
    assert not set(aliases) & set(devices.names())
    assert devices.device("h100").id == "h100-sxm"


@pytest.mark.parametrize(
    ("name", "dtype", "dense"), [("h100-sxm", "bf16", 989.4), ("a100-80-sxm", "bf16", 312), ("l40s", "bf16", 362.05)]
)
def test_peaks_are_dense(name: str, dtype: str, dense: float) -> None:
    assert devices.device(name).peak(dtype).value == dense  # the datasheets' tensor figures with sparsity are twice as high


def test_a_ring_has_the_ports_of_all_its_ranks_in_a_domain_and_an_all_to_all_its_own() -> None:
    wires = network(devices.device("h100-sxm"), 64)
    assert wires.bandwidth(8, 1) == wires.link  # one domain
    assert wires.bandwidth(16, 1) == min(wires.link, 8 * wires.port)  # eight ranks in each of two domains
    assert wires.bandwidth(8, 8) == wires.port  # one rank in each of eight domains
    assert wires.pairs(16, 1) == pytest.approx(8 / 16 / wires.port)  # half of what a rank sends leaves by its own port
    alone = wires.group(1, 1)  # one rank talks to nobody
    assert not any(alone.seconds(kind, 10**9) for kind in ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "ring"))


@pytest.mark.parametrize("name", catalog.names())
def test_a_catalog_entry_is_complete(name: str) -> None:
    found = catalog.entry(name)
    assert found.title
    assert Source(found.source["title"], found.source["as_of"], found.source.get("url", ""))
    assert found.figures["total"]


def test_every_family_has_a_model_in_the_catalog() -> None:
    assert set(families.names()) == {families.file_of(catalog.entry(name).values["model_type"]) for name in catalog.names()}


def test_the_published_headline_agrees_with_the_count() -> None:
    """The first figure of the headline within one of its last digit (some publishers cut, some round); where a model says
    something else, its `note` explains it."""
    import bursar

    for name in catalog.names():
        figures = catalog.entry(name).figures
        text = figures["total"].split()[0].rstrip("BMT")
        scale = {"B": 10**9, "M": 10**6, "T": 10**12}[figures["total"].split()[0][-1]]
        digits = len(text.partition(".")[2])
        ours = bursar.load(name).params() / scale
        assert abs(ours - float(text)) < 10**-digits + 0.01 * float(text) * ("note" in figures), (name, ours, text)


def test_every_citation_is_a_source() -> None:
    cited = {item.source for item in (*RECIPES.values(), *OPTIMIZERS.values(), *IMPLEMENTATIONS.values())}
    assert cited <= sources().keys()


def test_origin_files_hold_no_config() -> None:
    for name in catalog.names():
        origin = json.loads(data("models", name, "origin.json").read_text(encoding="utf-8"))
        assert set(origin) == {"name", "publisher", "source", "published"}
