"""Random small configs of every family, with keys left out, null or renamed: our parameters and forward FLOPs beside transformers'
and FlopCounterMode's.

Run: python benchmarks/random_configs.py [configs, 2000 if not given] [families, all if not given]. Needs torch and transformers.
The exit status is 1 where anything differs; its config is printed.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from random import Random

from bursar import load
from bursar.dims import ceil_div

COUNT = 2_000


def main() -> int:
    sys.path.insert(0, str(Path(__file__).parent.parent))
    warnings.simplefilter("ignore")
    import_module("tests.oracle.conftest")  # transformers stays off the network
    reference, makers = import_module("tests.oracle.reference"), import_module("tests.oracle.test_random").MAKERS
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    generators = {name: makers[name] for name in sys.argv[2:] or makers}
    each = ceil_div(count, len(generators))
    compared = differing = 0
    start = time.perf_counter()
    for family in generators:
        for number in range(each):
            pick = Random(f"{family} {number}")
            values = {"model_type": family, **generators[family](pick)}
            seq, batch = pick.randint(1, 20), pick.randint(1, 4)
            try:
                model, ours = reference.build(values), load(values)
                truth = reference.parameters(model) + sum(reference.causes.biases(model).values())
                pairs = {
                    "parameters": (ours.params(), truth),
                    "forward FLOPs": (
                        ours.flops(seq, batch, mask="full").forward, reference.count_forward(model, seq, batch, values).forward,
                    ),
                }  # fmt: skip
                wrong = [f"{what}: ours {a:,}, transformers {b:,}" for what, (a, b) in pairs.items() if a != b]
            except Exception as error:  # a side that cannot read a config of the generator is a difference too
                wrong = [f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"]
            compared += 1
            differing += bool(wrong)
            for line in wrong:
                print(f"{family} {number}, {batch} × {seq}: {line}\n  {json.dumps(values)}", flush=True)
    print(f"{compared:,} configs of {len(generators)} families in {time.perf_counter() - start:.0f} s: {differing:,} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
