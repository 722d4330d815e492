"""How long whole processes take: a bare interpreter, `import bursar`, and the main verbs.

Run: python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

PLAN = ["--device", "h100-sxm", "--devices", "64", "--seq", "8192", "--global-batch-tokens", "4M", "--tokens", "15T"]
DEEPSEEK = ["--device", "h800", "--devices", "2048", "--seq", "8192", "--global-batch-tokens", "4M", "--tokens", "15T"]

EXPLAINED = (
    "activations gpt3-175b --kernels textbook",
    "activations llama-3-8b --kernels sdpa",
    "activations deepseek-v3",
    "flops llama-3-70b",
)


def seconds(command: list[str], runs: int = 9) -> float:
    """Median wall-clock seconds of a process."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    python = [sys.executable]
    bare = seconds([*python, "-c", "pass"])
    print(f"{'bare interpreter':34} {bare * 1e3:7.0f} ms")
    used = seconds([*python, "-c", "import bursar"])
    print(f"{'import bursar':34} {used * 1e3:7.0f} ms   {1e3 * (used - bare):+.0f} ms, target <= +60")
    full = seconds([*python, "-c", "import bursar; bursar.load('llama-3-8b').params()"])
    print(f"{'load a model and count':34} {full * 1e3:7.0f} ms   {1e3 * (full - bare):+.0f} ms")
    bursar = [*python, "-m", "bursar"]
    for verb in ("params", "flops", "kv"):
        taken = seconds([*bursar, verb, "llama-3-8b"])
        print(f"{f'bursar {verb} llama-3-8b':34} {taken * 1e3:7.0f} ms   target <= 250")
    for asked in EXPLAINED:
        print(f"{f'bursar explain {asked}':34} {1e3 * seconds([*bursar, 'explain', *asked.split()], 5):7.0f} ms   target <= 1000")
    for name, arguments in (("llama-3-70b", PLAN), ("deepseek-v3", DEEPSEEK)):
        print(f"{f'bursar plan {name}':34} {1e3 * seconds([*bursar, 'plan', name, *arguments], 5):7.0f} ms   target <= 2000")


if __name__ == "__main__":
    main()
