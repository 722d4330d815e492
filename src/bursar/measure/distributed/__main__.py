"""`torchrun --nproc-per-node N -m bursar.measure.distributed MODEL --tp 2 …`: predicted beside measured, rank by rank.

Exit status: 0 where all numbers are equal, 1 where any differs, 2 where it cannot be run so, 3 where a rank was lost, 4 where this
program is at fault.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from bursar.errors import BursarError
from bursar.options import switch
from bursar.options.option import count, degree, length, rank
from bursar.report.words import say

LOST, BROKEN = 3, 4
NUMBERS = (count, degree, length, rank)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in a line, and its help once, whatever the number of ranks."""

    def error(self, message: str) -> NoReturn:
        raise BursarError(message, valid="--help")

    def print_help(self, file: Any = None) -> None:
        if _first():
            super().print_help(file)


def parser() -> Parser:
    """The command line, from the tables of options."""
    from bursar.measure.distributed.asking import DEFAULTS, TABLE

    made = Parser(prog="bursar.measure.distributed", description=__doc__, allow_abbrev=False)
    made.add_argument("model")
    for name, option in TABLE.items():
        flag, default = f"--{name.replace('_', '-')}", DEFAULTS.get(name, option.default)
        text = option.meaning.replace("%", "%%") + (f" [{default}]" if default not in (None, False, ()) else "")
        if switch(option):
            made.add_argument(flag, dest=name, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            made.add_argument(flag, dest=name, default=None, help=text, metavar="N" if option.read in NUMBERS else "TEXT")
    made.add_argument("--json", dest="as_json", action="store_true", help="print one JSON object and nothing else")
    return made


def answer(model: str, given: dict[str, Any]) -> dict[str, Any] | None:
    """Runs a step; the object to print on the first rank, None on others."""
    from bursar.measure.distributed import asking

    asked = asking.options(given)
    world = asked["fake"] or int(os.environ.get("WORLD_SIZE", "1"))
    plan = asking.plan_of(asked, world)
    whole = asking.model_of(model, asked)
    job = asking.job_of(whole, plan, asked)
    from bursar.measure.distributed import comparing, group, recording, running  # a plan is refused before PyTorch is imported

    device = group.device_of("cpu" if asked["fake"] else asked["device"])
    with group.joined(device, asked["timeout"], asked["fake"], asked["rank"]):
        found = running.measured(whole, job, device)
        every = group.gathered(found, asked["fake"])
    if found.rank != (asked["rank"] if asked["fake"] else 0):
        return None
    backend = "fake" if asked["fake"] else group.BACKENDS[device]
    if asked["record"]:
        recording.write(asked["record"], recording.record(whole, job, every, backend), device)
    ranks = [comparing.compared(job, seen) for seen in every]
    exact = all(rank["exact"] for rank in ranks)
    return {
        "model": whole.name, "layers": asked["layers"], "seq": job.length, "global_batch": job.global_batch, "world": world,
        "backend": backend, "device": device, "plan": plan.options(), "ranks": ranks, "alike": comparing.alike(ranks),
        "exact": exact, "exit_status": 0 if exact else 1,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line on this rank; the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    as_json, lang = "--json" in given, "en"
    try:
        named = vars(parser().parse_args(given))
        model, as_json, lang = named.pop("model"), named.pop("as_json"), named["lang"] or lang
        payload = answer(model, named)
    except ImportError as error:
        return _refuse(say("distributed_torch", lang, missing=str(error.name)), as_json)
    except BursarError as error:
        lost = type(error).__name__ == "LostRankError"
        return _refuse(str(error), as_json, LOST if lost else 2, always=lost)
    except Exception as error:  # a mistake of ours: say so in a line, and show it to whoever asks
        if os.environ.get("BURSAR_DEBUG"):
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        return _refuse(f"internal error, please report it: {text} (BURSAR_DEBUG=1 shows where)", as_json, BROKEN, always=True)
    if payload is None:
        return 0
    if as_json:
        print(json.dumps(payload, ensure_ascii=False))
    else:
        from bursar.report import distributed

        distributed.show(payload, lang)
    return int(payload["exit_status"])


def _refuse(text: str, as_json: bool, status: int = 2, *, always: bool = False) -> int:
    """One rank says what all of them found; a rank that lost another says so itself."""
    if always or _first():
        if as_json:
            print(json.dumps({"error": text}, ensure_ascii=False))
        print(f"bursar: {text}", file=sys.stderr, flush=True)
    return status


def _first() -> bool:
    return os.environ.get("RANK", "0") == "0"


if __name__ == "__main__":
    if not os.environ.get("BURSAR_DEBUG"):
        warnings.simplefilter("ignore")  # every rank would print PyTorch's
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # threads of a broken group would be waited for
