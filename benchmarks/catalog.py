"""Every model of the catalog as a Markdown table: parameters, KV cache, FLOPs, and whether transformers says the same.

Run: python benchmarks/catalog.py > docs/models.md. The last two columns need torch and transformers and are left out without them.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import ModuleType

from bursar import catalog
from bursar.errors import BursarError
from bursar.model import Model, load

LENGTH = 4096
SHORT = 128  # of the comparison: scans without a fused kernel are loops over tokens
HEAD = f"""# Models

Made by `python benchmarks/catalog.py > docs/models.md`; do not edit by hand.

Total and active parameters are exact. KV: bytes that one more token adds to the cache, BF16. FLOPs: of a forward pass over
{LENGTH:,} tokens (or as many as learned positions allow, in brackets), per token; one multiply-add is 2 FLOP, full mask. The last
two columns compare parameters, and forward FLOPs of {SHORT} tokens, with transformers' class and FlopCounterMode on the meta
device: `=` equal to the last digit, `=*` equal after what `src/bursar/measure/causes` names and computes, − not
compared.
"""


def reference() -> ModuleType | None:
    """The oracle, if its libraries are here."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError:
        return None
    import tests.oracle.conftest  # noqa: F401  # transformers stays off the network
    import tests.oracle.reference as found

    return found


def seen(model: Model) -> int:
    """The length that FLOPs are counted at."""
    limit = model.architecture.max_length
    return LENGTH if limit is None else min(LENGTH, int(limit))


def compared(oracle: ModuleType, model: Model) -> tuple[str, str]:
    """What transformers says of parameters and of FLOPs."""
    values = model.published.values
    try:
        built = oracle.build(values)
    except Exception as error:
        print(f"{model.name}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
        return "−", "−"
    named = sum(oracle.causes.biases(built).values())
    difference = model.params() - oracle.parameters(built) - named
    parameters = f"{difference:+,}" if difference else "=*" if named else "="
    try:
        counted = oracle.count_forward(built, SHORT, 1, values).forward
    except Exception as error:
        print(f"{model.name}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
        return parameters, "−"
    helped = any(work.forward for work in oracle.causes.works(built, SHORT, 1, cached=True))
    beside = model.flops(SHORT).forward - counted
    return parameters, f"{beside:+,}" if beside else "=*" if helped else "="


def row(name: str, oracle: ModuleType | None) -> list[str]:
    model = load(name)
    found, length = model.parameters(), seen(model)
    try:
        flops = f"{model.flops(length).forward / length:,.0f}" + (f" ({length:,})" if length != LENGTH else "")
        cache = f"{model.kv(length).bytes_per_token:,}"
    except BursarError as error:
        flops, cache = str(error), ""
    figures = model.published.figures
    headline = figures["total"] + (f", {figures['active']} active" if "active" in figures else "")
    cells = [name, model.architecture.family, f"{found.total:,}", f"{found.active:,}", headline, cache, flops]
    return cells + (list(compared(oracle, model)) if oracle else [])


def main() -> None:
    warnings.simplefilter("ignore")
    oracle = reference()
    columns = ["model", "family", "total", "active", "publisher says", "KV B/token", f"FLOP/token at {LENGTH:,}"]
    columns += ["parameters", "FLOPs"] if oracle else []
    print(HEAD)
    print("| " + " | ".join(columns) + " |")
    print("|---|---|" + "---:|" * (len(columns) - 2))
    for name in catalog.names():
        print("| " + " | ".join(cell.replace("|", "/") for cell in row(name, oracle)) + " |", flush=True)


if __name__ == "__main__":
    main()
