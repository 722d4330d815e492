"""Proves that what is predicted is what transformers' modules have, for every small config of every family that it builds: to the
last parameter, FLOP, saved byte and element of the cache, or with causes whose arithmetic makes up the whole difference; and that a
difference without a cause fails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bursar import families
from bursar.cli import main
from bursar.errors import PlanError
from bursar.kernels import MODULES
from bursar.measure.verify import Cause, Counts, Verified, verify
from bursar.model import Model, load
from bursar.report.words import WORDS
from tests.oracle.small import SMALL

transformers = pytest.importorskip("transformers", minversion="5.0", reason="what is verified is transformers 5")

SEQ, BATCH = 9, 2  # longer than the windows, chunks and kernels of most small configs, and no whole number of chunks
ABSENT = ("gopher", "grok_1", "grok_2")  # transformers has no class
# a difference that has a cause, by the families that have it; every other family is equal
SCANS = {"falcon_mamba", "jamba", "kimi_linear", "mamba", "mamba2", "nemotron_h", "qwen3_next", "recurrent_gemma", "rwkv", "zamba2"}
EXPLAINED: Mapping[str, set[str]] = {
    "params": {
        "deepseek_v3", "deepseek_v32", "glm4_moe", "glm_moe_dsa", "kimi_k2", "kimi_linear", "kolibri1", "minimax_m2", "nemotron_h",
    },
    "forward_flops": {*SCANS, "llama4", "llama4_text"},
    "backward_flops": {*SCANS, "llama4", "llama4_text", "minimax"},
    "saved_bytes": {"minimax"},
    "kv_elements": set(families.names()),
}  # fmt: skip
# a grouped product takes rows of a multiple of 16 bytes: the family's first config has not, and this one has
ALIGNED = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2}


def family(values: Mapping[str, Any]) -> str:
    return families.file_of(values["model_type"])


# the first config of every family that transformers builds
NAMES: dict[str, str] = {}
for config, given in SMALL.items():
    if family(given) not in ABSENT:
        NAMES.setdefault(family(given), config)


@pytest.mark.parametrize("name", NAMES)
def test_every_family(name: str) -> None:
    found = verify(load(SMALL[NAMES[name]]), SEQ, BATCH)
    assert found.unexplained == {}, (found.difference, found.causes)
    assert not found.unknown
    assert all(cause.reason in WORDS for cause in found.causes)
    assert set(found.missing.values()) <= set(WORDS)
    assert ("saved_bytes" in found.missing) == (name not in MODULES)
    for quantity, those in EXPLAINED.items():
        assert not found.difference[quantity] or name in those, quantity


def test_grouped_products_of_widths_that_pytorch_takes() -> None:
    found = verify(load({**SMALL["mixtral"], **ALIGNED}), SEQ, BATCH)
    assert set(found.difference.values()) == {0} and not found.unknown


@pytest.mark.parametrize(("window", "reason"), [(4, "cause_window"), (1, "cause_window_of_one")])
def test_a_full_window(window: int, reason: str) -> None:
    """2 sequences, one head of 14 for keys and values, 3 layers: one token less than the window is kept, of a window of one all."""
    found = verify(load({**SMALL["mistral-window"], "sliding_window": window}), SEQ, BATCH)
    difference = BATCH * 2 * 14 * 3 * (1 if window > 1 else 1 - SEQ)
    assert found.causes == (Cause("kv_elements", difference, reason),) and found.unexplained == {}


@pytest.mark.parametrize("head", ["BertForPreTraining", "BertModel"])
def test_the_head_that_the_config_names(head: str) -> None:
    found = verify(load({**SMALL["bert"], "architectures": [head]}), SEQ, BATCH)
    assert set(found.difference.values()) == {0}


def test_the_auxiliary_loss_of_routers_stays_out() -> None:
    found = verify(load({**SMALL["mixtral"], "output_router_logits": True}), SEQ, BATCH)
    assert set(found.difference.values()) == {0}


def test_every_family_has_a_config() -> None:
    assert set(NAMES) == set(families.names()) - set(ABSENT)


def test_a_difference_without_a_cause_is_named() -> None:
    """30 more parameters than measured, of which a cause accounts for 20; what one side lacks is no difference."""
    ours, theirs = Counts(130, 7, 14, None, 5), Counts(100, 7, 14, 9, None)
    found = Verified(ours, theirs, (Cause("params", 20, "cause_biases"),), {}, {})
    assert found.difference == {"params": 30, "forward_flops": 0, "backward_flops": 0, "saved_bytes": None, "kv_elements": None}
    assert found.unexplained == {"params": 10}
    whole = Verified(ours, theirs, (Cause("params", 20, "cause_biases"), Cause("params", 10, "cause_biases")), {}, {})
    assert whole.unexplained == {}


def test_the_command_answers_both_sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SMALL["falcon"]), encoding="utf-8")
    assert main(["verify", str(tmp_path / "config.json"), "--seq", "9", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["predicted"]["params"] == found["measured"]["params"]
    assert found["unexplained"] == {} and found["exit_status"] == 0
    for lang, verdict in (("en", "Equal in everything"), ("zh", "全部相等")):
        assert main(["verify", str(tmp_path / "config.json"), "--seq", "9", "--lang", lang]) == 0
        assert verdict in capsys.readouterr().out


def test_what_is_unexplained_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A prediction that is one parameter off has the exit status of a failed check."""
    (tmp_path / "config.json").write_text(json.dumps(SMALL["llama"]), encoding="utf-8")
    right = Model.params
    monkeypatch.setattr(Model, "params", lambda model, **named: right(model, **named) + 1)
    assert main(["verify", str(tmp_path / "config.json"), "--seq", "9"]) == 2
    assert "+1" in capsys.readouterr().out


@pytest.mark.parametrize("kernels", ["textbook", "eager,norm=fused"])
def test_kernels_that_transformers_does_not_have_are_refused(kernels: str) -> None:
    with pytest.raises(PlanError, match="transformers"):
        verify(load(SMALL["llama"]), SEQ, BATCH, kernels)


# what a user may ask for that cannot be compared, and what is said
REFUSED = [
    (["grok-1"], "has no model grok"),
    (["gpt2", "--kernels", "fused"], "valid: eager, sdpa"),
    (["gpt2", "--seq", "4k"], "1024 learned positions"),
    (["no-such-model"], "unknown model"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_what_cannot_be_compared_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *words]) == 2
    assert said in capsys.readouterr().err


def test_what_transformers_cannot_run_is_refused_in_its_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rotary embedding of a kind that transformers has not, which costs us nothing."""
    values = {**SMALL["llama"], "rope_scaling": {"type": "no-such", "factor": 2.0}}
    (tmp_path / "config.json").write_text(json.dumps(values), encoding="utf-8")
    assert main(["verify", str(tmp_path), "--json"]) == 2
    found = capsys.readouterr()
    assert "cannot run a llama of this config: KeyError" in json.loads(found.out)["error"]
    assert len(found.err.splitlines()) == 1
