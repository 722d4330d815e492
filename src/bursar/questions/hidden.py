"""Traffic that a plan is taken to hide behind products, beside what published runs are known to have hidden."""

from __future__ import annotations

from dataclasses import replace

from bursar.dims import Dim
from bursar.facts import Fact, table
from bursar.training import Training

TRAFFIC = ("data_parallel", "tensor_parallel", "expert_parallel")  # what runs beside products where a plan says so


def facts() -> dict[str, Fact]:
    """The largest share of a step that a published run hid, and by how much of it steps grew where more was."""
    found: dict[str, Fact] = table("hidden.toml")["published"]
    return found


def share(training: Training) -> Dim:
    """Seconds of traffic beside products over those of the step: what the step would be longer by if nothing overlapped."""
    bare = replace(training, plan=replace(training.plan, overlap=())).seconds._asdict()
    seconds = training.seconds._asdict()
    return sum([max(0.0, bare[part] - seconds[part]) for part in TRAFFIC]) / training.seconds.step
