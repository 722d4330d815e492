"""Where chunks of a sweep are answered: processes of this machine, or tasks of a Ray cluster. Both give a chunk's rows once it is
finished, in whatever order, and neither loses one when a worker dies.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stdout
from itertools import islice
from multiprocessing import get_context
from typing import Any

from bursar.errors import BursarError
from bursar.sweep import answers
from bursar.sweep.answers import Row
from bursar.sweep.spec import Chunk

Done = tuple[str, list[Row]]
Engine = Callable[[Sequence[Chunk], int], Iterator[Done]]

TRIES = 3  # pools that may break before a sweep gives up
AHEAD = 4  # chunks for each worker that are handed out before one is finished


def local(chunks: Sequence[Chunk], workers: int) -> Iterator[Done]:
    """A pool of processes. One that dies breaks its pool; what it left open is asked again in another."""
    left = {chunk.key: chunk for chunk in chunks}
    for _ in range(TRIES):
        try:
            for key, rows in _pool(list(left.values()), workers):
                del left[key]
                yield key, rows
            return
        except BrokenProcessPool:
            continue
    raise BursarError(
        f"workers died {TRIES} times; {len(left)} chunks are left", valid="the same command again, or fewer --workers"
    )


def _pool(chunks: Sequence[Chunk], workers: int) -> Iterator[Done]:
    waiting = iter(chunks)
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_die_with, initargs=(os.getpid(),)) as pool:
        open_ = {pool.submit(_answer, chunk) for chunk in islice(waiting, AHEAD * workers)}
        try:
            while open_:
                done, open_ = wait(open_, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                    open_ |= {pool.submit(_answer, chunk) for chunk in islice(waiting, 1)}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _answer(chunk: Chunk) -> Done:
    return chunk.key, answers.rows(chunk)


def _die_with(parent: int) -> None:
    """A worker ends when its parent is gone, however that ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def ray(chunks: Sequence[Chunk], workers: int) -> Iterator[Done]:
    """Tasks of the Ray cluster that RAY_ADDRESS names, or of one that is started here; a task whose worker dies runs again."""
    try:
        import ray as cluster
    except ImportError:
        raise BursarError("--engine ray needs Ray", valid="pip install 'bursar[ray]'") from None
    with redirect_stdout(sys.stderr):  # Ray prints what befell its workers, and standard output is for answers
        yield from _tasks(cluster, chunks, workers)


def _tasks(cluster: Any, chunks: Sequence[Chunk], workers: int) -> Iterator[Done]:
    address = os.environ.get("RAY_ADDRESS")
    here = {} if address else {"num_cpus": workers, "include_dashboard": False}
    cluster.init(address=address, log_to_driver=False, logging_level="ERROR", **here)
    try:
        task = cluster.remote(num_cpus=1, max_retries=TRIES)(_answer)
        waiting = iter(chunks)
        open_ = [task.remote(chunk) for chunk in islice(waiting, AHEAD * workers)]
        while open_:
            done, open_ = cluster.wait(open_)
            for found in done:
                yield cluster.get(found)
                open_ += [task.remote(chunk) for chunk in islice(waiting, 1)]
    finally:
        cluster.shutdown()


ENGINES: Mapping[str, Engine] = {"local": local, "ray": ray}
