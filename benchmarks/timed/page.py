"""The page of published step times: `python benchmarks/published_runs.py FOLDER --markdown > docs/published-times.md`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bursar.machines.devices import band

from . import Unread
from .statistics import Errors, Timed, after_three, errors, left_out_once

UNRATED = ("gpt_oss", "nemotron_h")  # families with kernels whose rates no source gives

HEAD = """# Published step times, replayed

`python benchmarks/published_runs.py FOLDER` replays every row of a folder of published runs whose model, plan and device are known,
one reader for each source in `benchmarks/timed/`. An error is predicted over measured less one; a bias is the mean of the errors,
signs and all; a time is in band if it lies between {fastest:g} and {slowest:g} times the predicted one, as `bursar time` prints.

- as predicted: at the rates of `data/rates.toml`. None of them was fitted to NVIDIA's Megatron sets; which rules are kept was
  judged by them (below). The host's time of a launch is fitted to megatron-ci and nanotron.
- one multiplier: from the other jobs of the source on the same device; dense models and mixtures of experts apart.
- three multipliers: of compute, attention and communication, from a third of the rows; their error on the rest.

| source | rows | mean error | bias | worst | in band | one multiplier | in band | three | in band |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""

MOE = "mixtures of experts 108"
# rule, its source, rows that it was not made for, and their mean error and bias without it and with it, all others in place
RULES = (
    ("a run's conditions as its recipe has them: dispatcher, graphs, overlap, layers of a stage, head of a second token",
     "Megatron-Bridge's recipes", "all 253, before the rules below", "10.6%, -3.7%", "10.4%, -3.2%"),
    ("8-bit products on Blackwell run 1.967 times as fast as 16-bit ones, with scales of blocks 0.89 of that",
     "MAMF, Transformer Engine's GEMM profile", "dense 145", "7.2%, -2.9%", "6.8%, -4.1%"),
    ("", "", MOE, "12.0%, -2.2%", "11.8%, -2.5%"),
    ("attention on Blackwell and Blackwell Ultra by measurements of theirs", "cuDNN's benchmark results on GB200 and GB300",
     "dense 145", "7.0%, -3.2%", "6.8%, -4.1%"),
    ("", "", MOE, "12.6%, -0.2%", "11.8%, -2.5%"),
    ("", "", "simumax 24, of an older cuDNN", "12.6%, -12.6%", "14.0%, -14.0%"),
    ("an all-to-all within NVLink has a rate of its own, below that of gathers", "aiconfigurator, HybridEP's README, SimuMax",
     MOE, "12.1%, -4.3%", "11.8%, -2.5%"),
    ("", "", "simumax 24", "14.3%, -14.3%", "14.0%, -14.0%"),
    ("backward, a permutation moves as much as forward", "Megatron-Core's unpermute", MOE, "11.8%, -3.7%", "11.8%, -2.5%"),
    ("biases of experts are added expert by expert, in FP32", "Megatron-Core, TEGroupedMLP._apply_bias", "GPT-OSS 18",
     "26.7%, -26.7%", "19.5%, -19.4%"),
    ("copies are padded to the blocks of narrow products, where no dispatcher does it", "Megatron-Core, quantization_padding",
     MOE, "12.0%, -2.8%", "11.8%, -2.5%"),
    ("recurrences in chunks (Mamba-2) have a rate of their own", "TileLang's benchmark on H800", "Nemotron 3 Nano 5",
     "31.2%, -31.2%", "29.7%, -29.7%"),
    ("the host takes 120 us for an operator of a framework; 84 for one of a textbook's transformer",
     "fitted to nanotron and megatron-ci; vTrain", "simumax 24", "14.7%, -14.7%", "14.0%, -14.0%"),
)  # fmt: skip

LEFT_OUT = """
Left out, though each has a reason:

- products of experts that hide the traffic of their inputs: nearer to SimuMax's 22 measured shapes (7.4 % off, not 9.2 %), further
  from runs (mixtures of experts 13.7 %, not 11.8 %);
- an expert's products launched one by one without graphs: right for Qwen3-235B on B200, too long elsewhere (one multiplier 8.3 %);
- all-to-alls that hide only 40 % of what they could, as two runs of Qwen3-235B say: right for these, not for others;
- an input cast to 8 bits once for the products that share it: what Transformer Engine does, and no row is nearer.
"""

CAUSES = """
## What is known of the worst

- GPT-OSS: attention with learned sinks has a kernel whose rate no source gives. One plan of it (GB300, MXFP8) took 2.47, 4.04 and
  2.48 s in releases 26.06, 26.06.01 and 26.08; on B200 release 25.11 took about 1.4 times what the next ones did.
- Nemotron 3 Nano: the scan's rate is of one kernel tuned for its shape; its convolutions, gates and norms between small products
  are taken at memory's rate. What else takes a third of the step is not found.
- Grok-1 on GB200 and dense models on B200: products run faster than the 0.49 of the peak that was measured on one B200 node at its
  1,000 W.
- Mixtures of experts on boxes of eight (DeepSeek-V3 on B200 and B300 -8 to -20 %, the same on racks of 72 -1 to +14 %): a rank's
  experts are launched one by one, and the host may be what they wait for.
- Qwen3-235B under FSDP on H100 (moe-zoo): gathers of weights and all-to-alls are taken one after the other, and overlap.
- TPUs have no measured rates here and take the default ones: products run faster than those.
- megatron-ci runs models of a few layers in deterministic mode, which the host holds up. megatron-papers includes ZeRO-3 of
  DeepSpeed on an older network. nanotron's slow rows have tensor parallelism beside pipelines or over nodes, and runs of equal
  degrees are up to a hundred times apart.

## What one multiplier and three can reach

Aims are 5 % after one multiplier and 4 % after three. Dense models are at {dense}. A multiplier cannot know the release: {repeats}
rows whose job was run in other releases differ from these by {mean:.1%} in the mean and by {tenth:.1%} or more in one of ten.
What is left beyond that lies between models, not in how multipliers are chosen. After one multiplier the {rows} rows are {one:.1%}
off; with the median, with jobs counted once, with a prior, by precision, by launch or by family of models, 6.9 to 8.0 %. After
three, with products, memory, permutations and all-to-alls grouped otherwise, 5.6 to 6.4 %, when it was tried. Without GPT-OSS and
Nemotron, whose kernels have no rate, one multiplier leaves {others_one:.1%} and three leave {others_three:.1%}.
"""


def page(groups: Sequence[tuple[str, list[Timed]]], worst: list[Timed], repeats: Sequence[float], unread: list[Unread]) -> str:
    """The whole page."""
    fastest, slowest = band("uncalibrated")
    lines = [HEAD.format(fastest=fastest.si, slowest=slowest.si), *[_row(name, rows) for name, rows in groups]]
    lines += [
        "",
        "## What each rule is for",
        "",
        "Mean error and bias of rows from which no constant of a rule comes, without the rule and with it, all others in place.",
        "",
    ]
    lines += ["| rule | from | rows | without | with |", "| --- | --- | --- | --- | --- |"]
    lines += [*[f"| {' | '.join(rule)} |" for rule in RULES], LEFT_OUT]
    lines.append(CAUSES.strip("\n").format(**_reached(groups, repeats)))
    lines += ["", "## The worst of NVIDIA's Megatron sets, those of one model and device once", ""]
    lines += ["| run | measured, s | predicted, s | error |", "| --- | --- | --- | --- |"]
    lines += [f"| {row.row.name} | {row.row.measured:.3f} | {row.predicted:.3f} | {row.error:+.1%} |" for row in worst]
    lines += ["", f"## What is left out: {len(unread)} rows", "", "| source | rows | reason |", "| --- | --- | --- |"]
    counted = Counter((left.source, left.reason) for left in unread)
    lines += [f"| {name} | {count} | {reason} |" for (name, reason), count in sorted(counted.items())]
    return "\n".join(lines)


def _reached(groups: Sequence[tuple[str, list[Timed]]], repeats: Sequence[float]) -> dict[str, object]:
    """What is left after multipliers in NVIDIA's Megatron sets, and between releases."""
    every, dense = [dict(groups)[name] for name in ("NVIDIA's Megatron sets", "… dense models")]
    others = [row for row in every if row.row.job.architecture.family not in UNRATED]
    one, three = left_out_once, after_three
    apart = sorted(abs(1 / ratio - 1) for ratio in repeats)
    return {
        "dense": " and ".join([f"{_mean(after(dense)):.1%}" for after in (one, three)]), "repeats": len(apart), "rows": len(every),
        "mean": sum(apart) / len(apart), "tenth": apart[len(apart) * 9 // 10], "one": _mean(one(every)),
        "others_one": _mean(one(others)), "others_three": _mean(three(others)),
    }  # fmt: skip


def _mean(ratios: Sequence[float]) -> float:
    return errors(ratios, "run").mean


def _row(name: str, rows: list[Timed]) -> str:
    plain = errors([row.ratio for row in rows], "uncalibrated")
    cells = [name, str(plain.rows), f"{plain.mean:.1%}", f"{plain.bias:+.1%}", f"{plain.worst:+.1%}", f"{plain.inside:.0%}"]
    for ratios in (left_out_once(rows), after_three(rows)):
        cells += _after(errors(ratios, "run") if ratios else None)
    return f"| {' | '.join(cells)} |"


def _after(found: Errors | None) -> list[str]:
    return [f"{found.mean:.1%}", f"{found.inside:.0%}"] if found else ["", ""]
