"""How fast a plan is evaluated: memory and step time with ints, and many plans at once as arrays, beside what peers take.

Times are those of the process, the least of several rounds: what else a machine does lengthens some of them, and shortens none.
Peers' figures were measured once on a machine of the same size (2 cores), one process each; ratios are safer than absolute
values. Run: python benchmarks/evaluation.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

import bursar
from bursar import rules
from bursar.plan import Plan
from bursar.planner import BASE, Space, best_of, score
from bursar.training import Training

PEERS_MS = {"Calculon (no GQA, no SwiGLU)": 1.6, "SimuMax 1.2": 53.0, "llm-analysis (git)": 0.24, "mlsysim": 1.8}
PEER_SEARCH = {"Calculon, per second": 200, "SimuMax, per second": 10}
ROWS = 8_000  # a block of arrays that stays in the cache
SPACES = (("llama-3-70b", "h100-sxm", 64), ("deepseek-v3", "h800", 2048))


def best_ms(run: Callable[[], object], repeats: int, rounds: int = 7) -> float:
    """The least, over rounds, of the mean milliseconds of a call. Some results are held, as a search holds its own: without any,
    the C library hands the memory of all arrays back after every call, and fetches it anew."""
    held = [run() for _ in range(3)]
    means = []
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(repeats):
            run()
        means.append((time.process_time() - start) / repeats * 1e3)
    del held
    return min(means)


def ints() -> None:
    model, device = bursar.load("llama-3-70b"), bursar.device("h100-sxm")
    plan = Plan(tensor=8, sequence=True, pipeline=4, data=2, zero=1, grad_dtype="fp32")

    def warm() -> object:
        training = Training(model, plan, device, length=8192, global_batch=512)
        return training.memory(), training.time()

    def rebuilt() -> object:
        from bursar import plan as plans

        plans._stages_cached.cache_clear()
        plans._part_once.cache_clear()
        return warm()

    ours = best_ms(warm, 200)
    print("one memory + time evaluation, Llama-3-70B, 64 devices, tp8 pp4 dp2, s 8192 (ints)")
    print(f"  {'bursar, warm':32} {ours:8.3f} ms   target <= 0.3")
    print(f"  {'bursar, tree rewritten each time':32} {best_ms(rebuilt, 50):8.3f} ms")
    for name, peer in PEERS_MS.items():
        print(f"  {name:32} {peer:8.3f} ms   x {peer / ours:,.0f}")


def arrays(name: str, device: str, ranks: int, expert: bool) -> None:
    """Plans of one structure in any order, every degree a column."""
    architecture = bursar.load(name).architecture
    machine = bursar.device(device)
    rng = np.random.default_rng(0)

    def powers(*values: float) -> np.ndarray:
        return rng.choice(values, ROWS)

    tensor = powers(1, 2, 4, 8)
    degrees = {
        "tensor": tensor,
        "data": ranks / tensor,
        "micro_batch": powers(1, 2, 4),
        "expert": powers(1, 2, 4, 8) if expert else np.ones(ROWS),
        "expert_tensor": np.ones(ROWS) if expert else tensor,
    }

    def run() -> object:
        plan = Plan(sequence=True, pipeline=4, zero=1, **degrees)
        training = Training(architecture, plan, machine, length=8192, global_batch=512, checked=False)
        return rules.mask(architecture, plan, rules.Job(8192, 512)), training.peak(), training.seconds.step

    print(f"  {name:12} {ROWS:9,} in any order {ROWS / best_ms(run, 5) * 1e3:12,.0f} plans/s")


def rate(name: str, device: str, devices: int) -> None:
    """Every plan of a space that keeps the rules, each different from all others; what its architecture is wired like is known."""
    space = Space(bursar.load(name).architecture, bursar.device(device), devices, 8192, 512, BASE)
    plans, milliseconds = score(space).peak.size, best_ms(lambda: score(space), 1)
    rate = plans / milliseconds * 1e3
    print(f"  {name:12} {plans:9,} of a space {rate:14,.0f} plans/s   Calculon's search x {rate / 200:,.0f}")


def search(name: str, device: str, devices: int) -> None:
    model, machine = bursar.load(name), bursar.device(device)
    space = Space(model.architecture, machine, devices, 8192, 512, BASE)
    start, used = time.perf_counter(), time.process_time()
    found = best_of(space)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    print(f"  {name:12} {devices:5} x {device:9} {found.searched:8,} plans in {seconds:.3f} s ({used:.3f} s of a core), ", end="")
    print(f"{found.feasible:,} fit   target <= 1 s")


def main() -> None:
    print("complete search, first call")
    for space in SPACES:
        search(*space)
    print("full plans (rules, memory, time) per second on one core (float64 arrays)   target >= 1,000,000")
    for space in SPACES:
        rate(*space)
    arrays("llama-3-70b", "h100-sxm", 16, expert=False)
    arrays("deepseek-v3", "h800", 128, expert=True)
    for peer, plans in PEER_SEARCH.items():
        print(f"  {peer:32} {plans:14,}")
    ints()


if __name__ == "__main__":
    main()
