"""What the `eager` and `sdpa` kernels describe, family by family, and where a trace on a CPU differs from them, as Markdown.

Run: python -m benchmarks.saved_bytes > docs/saved-bytes.md
"""

from __future__ import annotations

from bursar.families import names
from bursar.kernels import MODULES
from bursar.measure.causes.held import SAVED
from bursar.measure.cuda import KERNELS
from bursar.report.words import say

HEAD = """# Saved bytes

Made by `python -m benchmarks.saved_bytes > docs/saved-bytes.md`; do not edit by hand.

`--kernels eager` and `sdpa` say what transformers' modules keep for the backward pass on a CUDA device. They equal, to the
byte, what `torch.autograd.graph.saved_tensors_hooks` sees of the whole model with its loss
(`tests/oracle/test_saved_bytes*.py`): every small config of every family below, both profiles, FP32 and BF16, several
lengths and batches. The trace runs on a CPU; where a CPU kernel keeps something else than CUDA's, the profile follows CUDA,
and the difference is a row here.

Under `torch.autocast` (`--precision bf16-autocast`, `fp16-autocast`: FP32 weights) the same holds for every family below
(`tests/oracle/test_autocast*.py`), under recomputation of every kind and, for the families that are traced with frozen
weights, beside PEFT's adapters. The CPU's dispatch is given CUDA's lists of operators for the trace. Products keep narrow
copies of the FP32 tensors that they read, each its own, and one of their weight; a grouped product of experts is in no list of
autocast's and runs in FP32. Copies of weights are cached until the context of the forward pass ends: under a checkpoint, which
keeps none, they still count until the loss.
"""


def main() -> None:
    print(HEAD)
    print("## Families\n\nTraced: " + ", ".join(f"`{name}`" for name in sorted(MODULES)) + ".\n")
    others = sorted(set(names()) - set(MODULES))
    print(
        "Refused by name, because transformers has no class of them or it was not traced: "
        + ", ".join(f"`{n}`" for n in others)
        + ".\n"
    )
    print("## Where kernels differ\n")
    print("Letters: b sequences, s tokens, a query heads, d width of a head, w bytes of the working dtype, n elements.\n")
    print("| kernel | tensor | CPU keeps | CUDA keeps | why | in the profile |\n|---|---|---|---|---|---|")
    for kernel, rows in KERNELS.items():
        for row in rows:
            print(f"| `{kernel}` | {row.tensor} | {row.cpu} | {row.cuda} | {row.reason} | {'CUDA' if row.modelled else 'CPU'} |")
    print("\n## Where a family differs\n\n| family | tensor | why |\n|---|---|---|")
    for family, found in SAVED.items():
        for each in found:
            print(f"| `{family}` | {each.tensor} | {say(each.reason, 'en')} |")


if __name__ == "__main__":
    main()
