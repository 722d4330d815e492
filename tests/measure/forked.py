"""Runs distributed steps, each of its ranks a process: PyTorch is imported once, and ranks are forks of that.

Reads a list of {"world", "arguments", "lost"} from standard input, prints a list of {"status", "out", "error"} of first ranks.
World 1 is one process, for groups that are fake. `lost` names the signal that ends the last rank when its step begins.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bursar.measure.distributed import asking, comparing, group, running  # noqa: F401  (all that a rank imports)
from bursar.measure.distributed.__main__ import main

PATIENCE = 90  # seconds until ranks that hang are ended, and with them the test


def rank(number: int, world: int, port: int, asked: dict[str, Any], folder: Path) -> int:
    """Forks a rank; its process id."""
    child = os.fork()
    if child:
        return child
    for name, stream in (("out", 1), ("error", 2)):
        os.dup2(os.open(folder / f"{name}{number}", os.O_WRONLY | os.O_CREAT), stream)
    if world > 1:
        here = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in here.items()})
    if asked["lost"] and number == world - 1:
        running.Rank.step = lambda rank: os.kill(os.getpid(), signal.Signals[asked["lost"]])  # type: ignore
    status = 70
    try:
        status = main(asked["arguments"])
    except SystemExit as stop:
        status = int(stop.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def run(asked: dict[str, Any]) -> dict[str, Any]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    with tempfile.TemporaryDirectory() as name:
        folder, world = Path(name), asked["world"]
        children = [rank(number, world, port, asked, folder) for number in range(world)]
        status = ended(children[0])
        for child in children[1:]:
            if asked["lost"]:
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0) if asked["lost"] else ended(child)
        return {"status": status, **{part: (folder / f"{part}0").read_text() for part in ("out", "error")}}


def ended(child: int) -> int:
    """The exit status of a process; it is killed where it does not end."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    print(json.dumps([run(asked) for asked in json.load(sys.stdin)]))
