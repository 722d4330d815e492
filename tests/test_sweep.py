"""Sweeps: every point is answered as a search of its own would, rows survive a kill without loss or double, a dead worker loses
nothing, and a spec that is not understood is refused before anything runs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bursar
from bursar import sweep
from bursar.errors import BursarError
from bursar.sweep import answers, engines, parts
from bursar.sweep.spec import CHUNK, chunks, of

SMALL: dict[str, Any] = {
    "models": ["gpt2"],
    "devices": ["h100-sxm", "a100-80-sxm"],
    "counts": [1],
    "lengths": [512, "1k"],
    "batches": [2, 4, 6, 8, 10, 12, 14, 16],
    "options": {"fix": "recompute=none/full"},
}
POINTS = 1 * 2 * 1 * 2 * 8
TOML = """models = ["gpt2"]
devices = ["h100-sxm", "a100-80-sxm"]
counts = [1]
lengths = [512, "1k"]
batches = [2, 4, 6, 8, 10, 12, 14, 16]
[options]
fix = "recompute=none/full"
"""


def asked(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("model", "device", "devices", "seq", "global_batch"))


def test_points_are_the_product_of_the_axes() -> None:
    """32 points in 4 chunks of 8, each asked once; the same spec has the same names, another option has others."""
    found = of(SMALL)
    assert len(set(found.points)) == len(found.points) == POINTS
    first, again = list(chunks(found)), list(chunks(of(SMALL)))
    assert [chunk.key for chunk in first] == [chunk.key for chunk in again]
    assert len({chunk.key for chunk in first}) == POINTS // CHUNK
    other = list(chunks(of({**SMALL, "options": {"optimizer": "lion"}})))
    assert not {chunk.key for chunk in first} & {chunk.key for chunk in other}


def test_a_row_is_what_a_search_answers() -> None:
    """The row of a point has the plan, the peak and the step that `bursar.search` gives; what has no plan says why."""
    asked_for = {"models": ["gpt2", "llama-3-70b"], "devices": ["h100-sxm"], "counts": [1], "lengths": [1024, 2048], "batches": [8]}
    (chunk,) = chunks(of({**asked_for, "options": {}}))
    small, long, large, larger = answers.rows(chunk)
    best = bursar.search(bursar.load("gpt2"), "h100-sxm", 1, seq=1024, global_batch=8).best[0]
    assert (small["status"], small["peak"], small["step_s"]) == ("fits", best.peak, best.step_s)
    assert {name: small[name] for name in answers.PLAN} == {name: best.plan.options()[name] for name in answers.PLAN}
    assert small["tokens_per_s"] == pytest.approx(8 * 1024 / best.step_s)
    assert (long["status"], long["step_s"]) == ("refused", None) and "learned positions" in long["why"]
    assert (large["status"], larger["status"]) == ("too large", "too large")
    assert large["peak"] > 70e9 * 16 > large["device_memory"], "16 bytes of states for each of 70 G parameters"
    assert {tuple(row) for row in (small, long, large)} == {tuple(answers.COLUMNS)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": ["gpt2"]}, "unknown key of a sweep 'model'"),
        ({"models": ["gpt-2"]}, "gpt-2"),
        ({"devices": ["h1000"]}, "h1000"),
        ({"counts": [0]}, "devices=0"),
        ({"counts": []}, "counts"),
        ({"counts": 8}, "counts"),
        ({"lengths": ["long"]}, "seq=long"),
        ({"batches": [8, 8]}, "twice"),
        ({"batches_tokens": ["4M"]}, "batches or batches_tokens"),
        ({"options": {"tp": 8}}, "unknown option of a sweep 'tp'"),
        ({"options": {"precision": "fp12"}}, "fp12"),
        ({"counts": list(range(1, 10**5)), "batches": list(range(1, 100))}, "at most 1,000,000"),
    ],
)
def test_a_spec_that_is_not_understood_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BursarError, match=said):
        of({**SMALL, **change})


def test_best_takes_most_tokens_per_device() -> None:
    rows = [
        {"model": "a", "device": "d", "status": "fits", "tokens_per_s_per_device": 5.0},
        {"model": "a", "device": "d", "status": "too large", "tokens_per_s_per_device": None},
        {"model": "a", "device": "d", "status": "fits", "tokens_per_s_per_device": 7.0},
        {"model": "b", "device": "d", "status": "refused", "tokens_per_s_per_device": None},
    ]
    assert sweep.best(rows) == [rows[2], rows[3]]


def test_parts_appear_whole_and_hold_one_sweep(tmp_path: Path) -> None:
    """What a kill left half-written is no row and goes away; a folder with rows of another sweep is refused."""
    pytest.importorskip("pyarrow", reason="a sweep writes Parquet: pip install 'bursar[sweep]'")
    out = parts.folder(str(tmp_path), "one")
    row = {**dict.fromkeys(answers.COLUMNS), "chunk": "k", "model": "gpt2", "devices": 2**40, "sp": False, "step_s": 0.5}
    parts.add(out, "k", [row])
    left = out / ".part-x.parquet.1.tmp"
    left.write_bytes(b"half")
    assert parts.finished(parts.folder(str(tmp_path), "one")) == {"k"}
    assert not left.exists()
    assert parts.rows(out, ["k"]) == [row]
    with pytest.raises(BursarError, match="another sweep"):
        parts.folder(str(tmp_path), "two")


# ── kills ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def started(spec: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bursar", "sweep", str(spec), "--out", str(out), "--json", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def waits_for_parts(run: subprocess.Popen[str], out: Path, count: int) -> None:
    limit = time.monotonic() + 60
    while len(list(out.glob("part-*.parquet"))) < count:
        assert run.poll() is None and time.monotonic() < limit, "no part before the run ended"
        time.sleep(0.01)


def finished(run: subprocess.Popen[str]) -> dict[str, Any]:
    text, error = run.communicate(timeout=120)
    assert run.returncode == 0, error
    payload: dict[str, Any] = json.loads(text)
    return payload


def rows_of(out: Path) -> list[dict[str, Any]]:
    dataset = pytest.importorskip("pyarrow.dataset")
    rows: list[dict[str, Any]] = dataset.dataset(out, format="parquet").to_table().to_pylist()
    return rows


def test_a_killed_sweep_goes_on_without_loss_or_double_rows(tmp_path: Path) -> None:
    """kill -9 after the first chunk; what was on disk is skipped, the rest is computed, and every point has one row. Workers of the
    killed run end by themselves."""
    pytest.importorskip("pyarrow", reason="a sweep writes Parquet: pip install 'bursar[sweep]'")
    spec, out = tmp_path / "spec.toml", tmp_path / "rows"
    spec.write_text(TOML)
    run = started(spec, out, "--workers", "1")
    waits_for_parts(run, out, 1)
    workers = list(descendants(run.pid))
    run.send_signal(signal.SIGKILL)
    run.communicate()
    there = len(list(out.glob("part-*.parquet")))
    assert 1 <= there < POINTS // CHUNK
    payload = finished(started(spec, out, "--workers", "2"))
    assert (payload["skipped"], payload["computed"]) == (there, POINTS // CHUNK - there)
    found = [asked(row) for row in rows_of(out)]
    assert len(found) == len(set(found)) == POINTS == payload["rows"]
    wanted = {(p.model, p.device, p.devices, p.seq, p.global_batch) for p in of(SMALL).points}
    assert set(found) == wanted
    assert not [pid for pid in workers if (Path("/proc") / str(pid) / "cmdline").exists() and "spawn_main" in command(pid)]
    assert finished(started(spec, out))["computed"] == 0


def test_a_dead_local_worker_loses_nothing(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="a sweep writes Parquet: pip install 'bursar[sweep]'")
    spec, out = tmp_path / "spec.toml", tmp_path / "rows"
    spec.write_text(TOML)
    run = started(spec, out, "--workers", "1")
    waits_for_parts(run, out, 1)
    (worker,) = [pid for pid in descendants(run.pid) if "spawn_main" in command(pid)]
    os.kill(worker, signal.SIGKILL)
    assert finished(run)["rows"] == POINTS
    found = [asked(row) for row in rows_of(out)]
    assert len(found) == len(set(found)) == POINTS


def test_a_dead_ray_worker_loses_nothing(tmp_path: Path) -> None:
    """A local cluster of two workers, one of which is killed at work: its task runs again. The rows are those of processes here."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'bursar[ray]'")
    pytest.importorskip("pyarrow", reason="a sweep writes Parquet: pip install 'bursar[sweep]'")
    spec, out = tmp_path / "spec.toml", tmp_path / "rows"
    spec.write_text(TOML)
    run = started(spec, out, "--engine", "ray", "--workers", "2")
    waits_for_parts(run, out, 1)
    at_work = [pid for pid in descendants(run.pid) if command(pid).startswith("ray::") and "_answer" in command(pid)]
    assert at_work
    os.kill(at_work[0], signal.SIGKILL)
    payload = finished(run)
    assert (payload["engine"], payload["rows"]) == ("ray", POINTS)
    found = {asked(row): row["step_s"] for row in rows_of(out)}
    assert len(found) == POINTS
    (first, *_) = chunks(of(SMALL))
    assert [found[asked(row)] for row in answers.rows(first)] == [row["step_s"] for row in answers.rows(first)]


def test_engines_are_named() -> None:
    assert set(engines.ENGINES) == {"local", "ray"}
    with pytest.raises(BursarError, match="slurm"):
        sweep.run(of(SMALL), "nowhere", engine="slurm")


def descendants(pid: int) -> Iterator[int]:
    """Processes that a process started, and theirs."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(folder.name))
    found = parents.get(pid, [])
    for child in found:
        yield child
        yield from descendants(child)


def command(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
