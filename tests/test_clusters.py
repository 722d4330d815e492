"""Proves that clusters are complete and sourced, that a job on one takes its device, node and wires, that oversubscription costs
what it must and no more, and that a user's own file is read by its table of keys or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar import own
from bursar.cli import main
from bursar.errors import BursarError, FactError, PlanError
from bursar.facts import Fact
from bursar.machines import clusters, devices
from bursar.machines.clusters import cluster
from bursar.machines.devices import device
from bursar.machines.network import network
from tests.command import answer

EXAMPLES = Path(__file__).parent.parent / "examples"
TINY = 'device = "h100-sxm"\n[node]\ndevices = 8\n[network]\nbandwidth = "25 GB/s"\n'


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    assert main(line.split()) == 2
    text = capsys.readouterr().err
    assert len(text.splitlines()) <= 2
    return text


def written(folder: Path, text: str, name: str = "mine.toml") -> str:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return str(file)


# ── the catalog ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", clusters.names())
def test_a_cluster_is_complete(name: str) -> None:
    """Every number is a fact, the device is of the catalog, a node lies in whole link domains or the other way round."""
    found = cluster(name)
    stands = found.placed()
    assert found.name and stands.cluster == name and stands.kin == stands.id == found.device
    given_ = [found.node, found.node_power, found.link, found.domain, found.network, found.pod, found.oversubscription, found.size]
    assert all(isinstance(fact, Fact) and fact.si > 0 for fact in given_ if fact is not None)
    node, domain = int(stands.node.si), int(stands.domain.si)
    assert node % domain == 0 or domain % node == 0
    assert found.network is None or (found.network_kind and found.topology)


def test_a_cluster_takes_what_it_does_not_say_from_its_device() -> None:
    stands, alone = cluster("aws-p4d").placed(), device("a100-40-sxm")
    assert (stands.memory, stands.peaks, stands.link) == (alone.memory, alone.peaks, alone.link)
    assert stands.network is not None and alone.network is not None
    assert stands.network.si * 4 == alone.network.si  # 4 x 100 Gb/s for 8 GPUs; DGX A100 has 8 x 200


def test_a_slower_network_takes_longer(capsys: pytest.CaptureFixture[str]) -> None:
    """Data parallelism of 8B over two nodes, sharded: a quarter of the network is four times as long on the wire at most."""
    plan = "time llama-3-8b --seq 4k --global-batch 16 --nodes 2 --zero 3 --overlap none"
    fast, slow = (answer(capsys, f"{plan} --cluster {name}") for name in ("dgx-a100", "aws-p4de"))
    assert fast["device"] == slow["device"] == "a100-80-sxm" and (fast["cluster"], slow["cluster"]) == ("dgx-a100", "aws-p4de")
    exposed = [found["breakdown_s"]["data_parallel"] for found in (fast, slow)]
    assert 2 < exposed[1] / exposed[0] <= 4.01


def test_a_plan_and_memory_take_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "plan llama-3-8b --cluster dgx-h100 --nodes 2 --seq 8k --global-batch 64")
    assert (found["devices"], found["device"]) == (16, "h100-sxm")
    held = answer(capsys, "memory llama-3-8b --cluster tpu-v5p-pod --nodes 2 --zero 3 --kernels fused")
    assert held["devices"] == 8 and held["device"] == "tpu-v5p"


def test_what_a_cluster_does_not_have_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "2048 devices, not 4096" in refused(capsys, "time llama-3-8b --cluster deepseek-h800 --devices 4096")
    assert "256 devices, not 512" in refused(capsys, "memory llama-3-8b --cluster tpu-v5e-pod --dp 512")
    assert "h100-sxm" in refused(capsys, "time llama-3-8b --cluster dgx-h100 --device a100 --devices 8")
    assert "dgx-h100" in refused(capsys, "time llama-3-8b --cluster dgx-h10 --devices 8")
    assert main(["time", "llama-3-8b", "--cluster", "dgx-h100", "--device", "h100", "--devices", "8"]) == 0  # the same


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_clusters_are_listed(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = answer(capsys, "clusters")["clusters"]
    assert [row["cluster"] for row in rows] == list(clusters.names())
    assert all(row["node"]["source"] and row["node"]["as_of"] for row in rows)
    assert main(["clusters", "--lang", lang]) == 0
    assert "meta-24k-roce" in capsys.readouterr().out


# ── oversubscription ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_ring_that_stays_in_its_pod_does_not_see_oversubscription() -> None:
    meta, plain = (network(cluster(name).placed(), 16384) for name in ("meta-24k-roce", "dgx-h100"))
    for ways, stride in ((8, 1), (64, 1), (3072, 1), (24, 128)):
        assert meta.bandwidth(ways, stride) == plain.bandwidth(ways, stride)
        assert meta.pairs(ways, stride) == plain.pairs(ways, stride)


def test_rings_that_leave_their_pod_share_its_uplinks() -> None:
    """3,072 devices of a pod send 3072/7 ports' worth. 128 rings of 24 ranks each in a pod have 24/7 ports each, more than the one
    that a ring of one rank per node uses; 3,072 rings of one rank per pod have a seventh."""
    meta = network(cluster("meta-24k-roce").placed(), 24_576)
    assert meta.bandwidth(128, 128) == meta.port  # 24 ranks in each pod
    assert meta.bandwidth(8, 3072) == pytest.approx(meta.port / 7)  # one
    assert meta.circle(8, 3072).neighbours == pytest.approx(7 / 8 / (meta.port / 7))
    spread = meta.pairs(128, 128)
    assert spread == pytest.approx((128 - 24) / 128 / (meta.port / 7))  # what leaves a pod goes through a seventh


def test_the_array_reading_of_a_pod() -> None:
    import numpy as np

    meta = network(cluster("meta-24k-roce").placed(), 24_576)
    ways, stride = np.array([8.0, 128.0, 8.0]), np.array([1.0, 128.0, 3072.0])
    many = meta.group(ways, stride)
    for index in range(3):
        one = meta.group(int(ways[index]), int(stride[index]))
        assert many.ring[index] == pytest.approx(one.ring) and many.pairs[index] == pytest.approx(one.pairs)


# ── a user's own ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_examples_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    mine = device(str(EXAMPLES / "my_device.toml"))
    assert mine.peak("bf16").si == 860e12 and mine.peak("fp8") == device("h100-sxm").peak("fp8")
    assert mine.memory.source.as_of == "2026-11-01" and mine.kin == "h100-sxm"
    assert devices.rates_of(mine).matmul.si == 0.66 and devices.rates_of(mine).attention == devices.rates("h100-sxm").attention
    line = f"time llama-3-8b --device {EXAMPLES / 'my_device.toml'} --devices 8 --zero 3"
    found, usual = answer(capsys, line), answer(capsys, "time llama-3-8b --device h100-sxm --devices 8 --zero 3")
    assert found["device"] == "my_device" and found["step_s"] > usual["step_s"]
    assert found["band_origin"] == "operators" and usual["band_origin"] == "uncalibrated"
    ours = answer(capsys, f"time llama-3-8b --cluster {EXAMPLES / 'my_cluster.toml'} --nodes 4 --zero 3")
    assert (ours["cluster"], ours["devices"]) == ("my_cluster", 32)
    assert "128 devices, not 136" in refused(capsys, f"time llama-3-8b --cluster {EXAMPLES / 'my_cluster.toml'} --nodes 17")


def test_a_device_that_is_like_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (
        '[peak]\nbf16 = "100 TFLOP/s"\n[memory]\ncapacity = "32 GiB"\nbandwidth = "1 TB/s"\n'
        '[link]\nbandwidth = "64 GB/s"\ndomain = 4\n[node]\ndevices = 4\n'
    )
    mine = device(written(tmp_path, whole))
    assert (mine.id, mine.kin, mine.memory.si) == ("mine", "", 32 * 2**30)
    assert devices.rates_of(mine) == devices.rates("no device of the catalog")
    assert answer(capsys, f"time llama-3.2-1b --device {tmp_path / 'mine.toml'} --devices 4")["step_s"] > 0
    for key in ("bf16", "bandwidth", "domain"):
        short = "\n".join(line for line in whole.splitlines() if not line.startswith(key))
        assert key in str(_failure(written(tmp_path, short, f"no-{key}.toml")))


def test_every_rate_may_be_said() -> None:
    """A rate that is added is one that a user's file may say, in the unit of the catalog."""
    usual = devices.rates("h100-sxm")
    facts = {name: fact for name, fact in vars(usual).items() if isinstance(fact, Fact)}
    assert {key for key in devices.OWN if key.startswith("rates.")} - {"rates.origin"} == {f"rates.{name}" for name in facts}
    assert all(fact.unit in devices.OWN[f"rates.{name}"].units for name, fact in facts.items())


def test_a_cluster_without_a_device_takes_one(tmp_path: Path) -> None:
    file = written(tmp_path, TINY.split("\n", 1)[1])
    assert cluster(file).placed("h200").id == "h200"
    assert cluster(file).placed(str(EXAMPLES / "my_device.toml")).id == "my_device"
    with pytest.raises(PlanError, match="names no device"):
        cluster(file).placed()
    with pytest.raises(FactError, match="device is a file"):
        cluster(written(tmp_path, 'device = "other.toml"\n', "points.toml"))


def _failure(path: str) -> BursarError:
    with pytest.raises(BursarError) as caught:
        device(path)
    return caught.value


@pytest.mark.parametrize(("text", "said"), [
    ("[memory]\nsize = 3\n", "memory.size"), ("colour = 'red'\n", "colour"), ("[peak]\nbf17 = '1 TFLOP/s'\n", "peak.bf17"),
    ("[memory]\ncapacity = '80 GB/s'\n", "not in 'GB/s'"), ("[memory]\ncapacity = 80\n", "with its unit"),
    ("[memory]\ncapacity = '-1 GB'\n", "above zero"), ("[memory]\ncapacity = 'nan GB'\n", "with its unit"),
    ("[memory]\ncapacity = '1e99 GB'\n", "at most"), ("[memory]\ncapacity = true\n", "with its unit"),
    ("[memory]\ncapacity = { value = 1, unit = 'GB', colour = 'red' }\n", "colour"),
    ("[memory]\ncapacity = { value = nan, unit = 'GB' }\n", "with its unit"), ("[node]\ndevices = 2.5\n", "whole number"),
    ("[rates]\nmatmul = 0\n", "above zero"), ("[rates]\norigin = 'guess'\n", "rates.origin"),
    ("like = 'h1000'\n", "unknown device"),
    ("like = 7\n", "text"), ("as_of = 'last year'\n", "last year"), ("memory = 3\n", "memory"), ("a = [\n", "not valid TOML"),
    ("a = " + "[\n" * 5000, "TOML|nested"), ("a = " + "9" * 5000, "too long"),
    (".".join("a" * 30_000) + " = 1", "too long"), ("name = '" + "x" * 300 + "'\n", "200"),
    ("# " + "x" * 70_000, "too large"), ("like = '../../etc/passwd'\n", "unknown device"),
    ("like = 'other.toml'\n", "unknown device"),
])  # fmt: skip
def test_a_wrong_file_is_refused_by_name(text: str, said: str, tmp_path: Path) -> None:
    import re

    assert re.search(said, str(_failure(written(tmp_path, text))))


def test_a_file_that_is_not_there_or_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no file" in refused(capsys, f"time llama-3-8b --device {tmp_path / 'none.toml'}")
    (tmp_path / "folder.toml").mkdir()
    assert "no file" in refused(capsys, f"time llama-3-8b --cluster {tmp_path / 'folder.toml'}")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(bytes(range(256)))
    assert "cannot read" in refused(capsys, f"time llama-3-8b --device {binary}")


@given(st.text(max_size=200))
def test_no_text_escapes_as_another_error(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = written(Path(folder), text.replace("\r", ""))
        try:
            own.read(file, devices.OWN)
        except FactError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(("text", "said"), [
    (TINY + "pod = 64\n", "one of network.pod"), (TINY + "pod = 64\noversubscription = 0.5\n", "oversubscription"),
    (TINY + "speed = 1\n", "network.speed"),
])  # fmt: skip
def test_a_wrong_cluster_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(FactError, match=said):
        cluster(written(tmp_path, text))


def test_a_claim_names_no_file_of_a_device() -> None:
    """Claims may come from anybody: they ask about devices of the catalog alone."""
    from bursar.register import asking

    assert asking.line("time llama-3-8b --device h100-sxm", "here")
    for words in ("--device mine.toml", "--device=mine.TOML", "--cluster dgx-h100"):
        with pytest.raises(PlanError):
            asking.line(f"time llama-3-8b {words}", "here")


def test_no_more_devices_are_proposed_than_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where 8B does not fit 4 chips of 16 GiB, more of them are proposed, but none beyond a cluster of 8."""
    line = "plan llama-3-8b --devices 4 --seq 2k --global-batch 64"
    more = answer(capsys, f"{line} --device tpu-v5e")["would_fit"]
    assert more is not None and more["devices"] > 8
    few = written(tmp_path, 'device = "tpu-v5e"\n[size]\ndevices = 8\n')
    assert answer(capsys, f"{line} --cluster {few}")["would_fit"] is None
