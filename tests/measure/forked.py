"""Runs distributed steps, each of its ranks a process: PyTorch is imported once, ranks are forks of that, and the ranks of one
number run all questions for that many in a row.

Reads a list of {"world", "arguments", "lost"} from standard input, prints a list of {"status", "out", "error"} of first ranks.
World 1 is one process, for groups that are fake. `lost` names the signal that ends the last rank when its step begins: such a run
has ranks of its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any

from torch.distributed import TCPStore
from torch.distributed.tensor.debug import _clear_sharding_prop_cache

from bursar.measure.distributed import asking, comparing, group, running  # noqa: F401  (all that a rank imports)
from bursar.measure.distributed.__main__ import main

HOST = "127.0.0.1"
PATIENCE = 200  # seconds until ranks that hang are ended, and with them the test
Asked = dict[str, Any]


def rank(number: int, world: int, ports: list[int], runs: list[Asked], place: Path) -> int:
    """Forks a rank, which writes a line of JSON for every run; its process id. Ranks meet at stores of this process, as those of
    torchrun do at its own."""
    child = os.fork()
    if child:
        return child
    with (place / str(number)).open("w", encoding="utf-8") as file:
        for port, asked in zip(ports, runs, strict=True):
            here = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": world, "MASTER_ADDR": HOST, "MASTER_PORT": port}
            os.environ.update({name: str(value) for name, value in {**here, "TORCHELASTIC_USE_AGENT_STORE": True}.items()})
            if asked["lost"] and number == world - 1:
                running.Rank.step = partial(os.kill, os.getpid(), signal.Signals[asked["lost"]])  # type: ignore
            print(json.dumps(step(asked["arguments"])), file=file, flush=True)
    os._exit(0)


def step(arguments: list[str]) -> dict[str, Any]:
    """What a command line prints."""
    out, error, status = StringIO(), StringIO(), 70
    with redirect_stdout(out), redirect_stderr(error):
        try:
            status = main(arguments)
        except SystemExit as stop:
            status = int(stop.code or 0)
        except BaseException as found:  # a rank goes on with the next run
            print(repr(found), file=sys.stderr)
    _clear_sharding_prop_cache()  # it knows groups of this run by names that the next one does not have
    return {"status": status, "out": out.getvalue(), "error": error.getvalue()}


def run(world: int, runs: list[Asked]) -> list[dict[str, Any]]:
    """What first ranks found in runs with so many ranks; one rank is this process, so that later forks have what it loaded."""
    if world == 1:
        return [step(asked["arguments"]) for asked in runs]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        stores = [TCPStore(HOST, 0, is_master=True, wait_for_workers=False) for _ in runs]
        ports = [store.port for store in stores]
        children = [rank(number, world, ports, runs, place) for number in range(world)]
        ended(children[0])
        for child in children[1:]:
            if runs[0]["lost"]:
                os.kill(child, signal.SIGKILL)
            ended(child)
        return [json.loads(line) for line in (place / "0").read_text(encoding="utf-8").splitlines()]


def ended(child: int) -> None:
    """Waits for a process; it is killed where it does not end."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def together(asked: list[Asked]) -> Iterator[tuple[int, list[Asked]]]:
    """Neighbouring runs with as many ranks, of which none is lost; the others one by one."""
    for _, group_ in groupby(enumerate(asked), lambda pair: (pair[1]["world"], pair[0] if pair[1]["lost"] else -1)):
        runs = [one for _, one in group_]
        yield runs[0]["world"], runs


if __name__ == "__main__":
    print(json.dumps([found for world, runs in together(json.load(sys.stdin)) for found in run(world, runs)]))
