"""Proves that a checkpoint is read from its headers alone, reconciled with the config tensor by tensor, and that a corrupt or
truncated one is refused in one line that names what is wrong. Files are written here byte by byte."""

from __future__ import annotations

import json
import math
import struct
import sys
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import bursar
from bursar import checkpoints
from bursar.checkpoints import GGML, Checkpoint, Tensor, reconciling
from bursar.cli import main
from bursar.errors import BursarError, ConfigError

SIZES: dict[str, Any] = {
    "vocab_size": 11, "hidden_size": 12, "intermediate_size": 7, "num_hidden_layers": 2, "num_attention_heads": 3,
    "num_key_value_heads": 1, "hidden_act": "silu", "max_position_embeddings": 64, "tie_word_embeddings": False,
}  # fmt: skip
LLAMA = {"model_type": "llama", **SIZES}
SHAPES = {
    "input_layernorm": (12,), "post_attention_layernorm": (12,), "self_attn.q_proj": (12, 12), "self_attn.k_proj": (4, 12),
    "self_attn.v_proj": (4, 12), "self_attn.o_proj": (12, 12), "mlp.gate_proj": (7, 12), "mlp.up_proj": (7, 12),
    "mlp.down_proj": (12, 7),
}  # fmt: skip
ENDS = {"model.embed_tokens.weight": (11, 12), "model.norm.weight": (12,), "lm_head.weight": (11, 12)}
TENSORS = {**ENDS, **{f"model.layers.{i}.{name}.weight": shape for i in range(2) for name, shape in SHAPES.items()}}
GGUF = {
    "token_embd.weight": (11, 12), "output_norm.weight": (12,), "output.weight": (11, 12),
    **{
        f"blk.{i}.{name}.weight": shape
        for i in range(2)
        for name, shape in zip(
            ("attn_norm", "ffn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"),
            SHAPES.values(), strict=True,
        )
    },
}  # fmt: skip
Shapes = dict[str, tuple[int, ...]]


def safetensors(tensors: Shapes, width: int = 2, dtype: str = "BF16", **changed: Any) -> bytes:
    """The bytes of a file; `changed` replaces entries of its header."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in tensors.items():
        start, end = end, end + width * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps({**header, **changed}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf(tensors: Shapes, kind: int = 1, *, version: int = 3, metadata: bytes = b"", pairs: int = 0, alignment: int = 32) -> bytes:
    _, block, size = GGML[kind]
    infos, end = b"", 0
    for name, shape in tensors.items():
        infos += string(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", side) for side in reversed(shape))
        infos += struct.pack("<IQ", kind, end)
        end += -(-math.prod(shape) // block * size // alignment) * alignment
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), pairs) + metadata + infos
    return head + bytes(-len(head) % alignment + end)


def written(path: Path, raw: bytes) -> str:
    path.write_bytes(raw)
    return str(path)


def answer(capsys: pytest.CaptureFixture[str], config: dict[str, Any], folder: Path, checkpoint: str, *more: str) -> dict[str, Any]:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert main(["params", str(folder / "config.json"), "--checkpoint", checkpoint, "--json", *more]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_safetensors_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, LLAMA, tmp_path, written(tmp_path / "model.safetensors", safetensors(TENSORS)))
    assert found["checkpoint"] == {"total": found["total"], "bytes": 2 * found["total"], "tensors": 21}  # 3 + 2 · 9
    assert found["reconciled"] == "tensors"
    assert found["missing"] == found["extra"] == found["shapes"] == []
    assert found["difference"] == 0


def test_shards_as_a_folder_and_through_their_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = list(TENSORS)
    halves = {f"model-0000{i}-of-00002.safetensors": names[i - 1 :: 2] for i in (1, 2)}
    for shard, held in halves.items():
        written(tmp_path / shard, safetensors({name: TENSORS[name] for name in held}))
    whole = answer(capsys, LLAMA, tmp_path, str(tmp_path))
    index = {"metadata": {}, "weight_map": {name: shard for shard, held in halves.items() for name in held}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    for place in (tmp_path, tmp_path / "model.safetensors.index.json"):
        assert answer(capsys, LLAMA, tmp_path, str(place)) == whole
    assert whole["difference"] == 0


def test_what_is_missing_beside_or_of_another_shape_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scale = "model.layers.0.self_attn.q_proj.weight_scale_inv"
    tensors = {**TENSORS, scale: (1, 1), "model.norm.weight": (13,)}
    del tensors["model.layers.1.mlp.up_proj.weight"]
    place = written(tmp_path / "model.safetensors", safetensors(tensors))
    found = answer(capsys, {**LLAMA, "tie_word_embeddings": True}, tmp_path, place)
    assert found["missing"] == ["model.layers.1.mlp.up_proj.weight"]
    assert found["extra"] == ["lm_head.weight", scale]  # a tied head that is stored as well is beside the config
    assert found["shapes"] == ["model.norm.weight: [13], not [12]"]
    assert found["difference"] == 11 * 12 + 1 + 1 - 7 * 12  # the head, the scale, a norm's width, less what is missing
    for lang, words in (("en", "missing 1"), ("zh", "缺少 1")):
        assert main(["params", str(tmp_path / "config.json"), "--checkpoint", place, "--lang", lang]) == 0
        assert words in capsys.readouterr().out


def test_experts_of_mixtral_and_deepseek(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moe = {name: shape for name, shape in TENSORS.items() if ".mlp." not in name}
    for i in range(2):
        block = f"model.layers.{i}.block_sparse_moe"
        moe[f"{block}.gate.weight"] = (5, 12)
        for e in range(5):
            moe |= {f"{block}.experts.{e}.w{n}.weight": shape for n, shape in ((1, (7, 12)), (2, (12, 7)), (3, (7, 12)))}
    config = {"model_type": "mixtral", **SIZES, "num_local_experts": 5, "num_experts_per_tok": 2, "sliding_window": None}
    found = answer(capsys, config, tmp_path, written(tmp_path / "moe.safetensors", safetensors(moe, 1, "F8_E4M3")))
    assert (found["missing"], found["extra"], found["shapes"], found["difference"]) == ([], [], [], 0)
    assert found["checkpoint"]["bytes"] == found["total"]


def test_deepseek_v3_has_its_published_names() -> None:
    """The tensors that the published index names, with the module of multi-token prediction under layer 61."""
    for mtp in (False, True):
        model = bursar.load("deepseek-v3", mtp=mtp)
        found = reconciling._expected(model.architecture, reconciling._tensors.SAFETENSORS["deepseek_v3"])
        assert found is not None
        assert sum(math.prod(shape) for shape in found.values()) == model.params()
        assert found["model.layers.3.mlp.gate.e_score_correction_bias"] == (256,)
        assert found["model.layers.60.mlp.experts.255.down_proj.weight"] == (7168, 2048)
        assert ("model.layers.61.eh_proj.weight" in found) is mtp


@pytest.mark.parametrize("name", ["llama-3-8b", "mistral-7b-v0.1", "qwen2-7b", "qwen3-8b", "mixtral-8x7b", "qwen3-30b-a3b", "gpt2"])
def test_the_names_of_a_family_cover_its_parameters(name: str) -> None:
    model = bursar.load(name)
    for names in (reconciling._tensors.SAFETENSORS, reconciling._tensors.GGUF):
        found = reconciling._expected(model.architecture, names[model.architecture.family])
        assert found is not None
        assert sum(math.prod(shape) for shape in found.values()) == model.params()


def test_a_family_without_names_is_compared_in_total() -> None:
    class Other:
        family = "other"

    found = checkpoints.reconcile(Other(), Checkpoint({"a": Tensor((3, 5), "F32", 60)}))  # type: ignore[arg-type]
    assert found.by == "totals"
    assert found.missing == found.extra == []


def test_a_gguf_file_with_metadata_and_blocks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokens = string("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 3) + string("a") + string("β") + string("")
    scores = string("tokenizer.ggml.scores") + struct.pack("<IIQ", 9, 6, 3) + bytes(12)
    nested = string("nested") + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 0, 2) + b"ab"
    aligned = string("general.alignment") + struct.pack("<II", 4, 64)
    raw = gguf(GGUF, metadata=tokens + scores + nested + aligned, pairs=4, alignment=64)
    found = answer(capsys, LLAMA, tmp_path, written(tmp_path / "model.gguf", raw))
    assert (found["missing"], found["extra"], found["shapes"], found["difference"]) == ([], [], [], 0)
    assert found["checkpoint"]["bytes"] == 2 * found["total"]
    quantized = checkpoints.read(written(tmp_path / "q.gguf", gguf({"w": (3, 256)}, 14, version=2)))
    assert quantized.tensors == {"w": Tensor((3, 256), "Q6_K", 3 * 210)}  # 4 + 2 bits in each of 256, 16 scales, one half


WHOLE = safetensors(TENSORS)
NORM = "model.norm.weight"


def entry(**changed: Any) -> bytes:
    return safetensors(TENSORS, **{NORM: {"dtype": "BF16", "shape": [12], "data_offsets": [264, 288], **changed}})


NESTS = string("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 9
ODD = string("general.alignment") + struct.pack("<II", 4, 33)
DEEP = b'{"a":' * 60_000
BROKEN: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.safetensors", b"", "too few"),
    "cut in its header": ("a.safetensors", WHOLE[:100], "a header of"),
    "cut in its data": ("a.safetensors", WHOLE[:-1], "the file at"),
    "more than its data": ("a.safetensors", WHOLE + b"\0", "the file at"),
    "a huge header": ("a.safetensors", struct.pack("<Q", 2**63) + b"{}", "above 100,000,000"),
    "no JSON": ("a.safetensors", struct.pack("<Q", 4) + b"{'a'", "JSON"),
    "not UTF-8": ("a.safetensors", struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc", "JSON"),
    "a list": ("a.safetensors", struct.pack("<Q", 2) + b"[]", "no object"),
    "nested deep": ("a.safetensors", struct.pack("<Q", len(DEEP)) + DEEP, "nested"),
    "a name twice": ("a.safetensors", struct.pack("<Q", 15) + b'{"a":{},"a":{}}', "twice"),
    "an entry of another kind": ("a.safetensors", safetensors(TENSORS, **{NORM: 5}), NORM),
    "unknown dtype": ("a.safetensors", entry(dtype="F7"), "dtype 'F7'"),
    "a dtype of another kind": ("a.safetensors", entry(dtype=["F16"]), "dtype"),
    "negative shape": ("a.safetensors", entry(shape=[-12]), "shape [-12]"),
    "truth in a shape": ("a.safetensors", entry(shape=[True]), "shape [True]"),
    "another shape": ("a.safetensors", entry(shape=[13]), "24 bytes"),
    "offsets that overlap": ("a.safetensors", entry(data_offsets=[262, 286]), "starts at"),
    "offsets turned round": ("a.safetensors", entry(data_offsets=[288, 264]), "offsets [288, 264]"),
    "offsets that are text": ("a.safetensors", entry(data_offsets=["0", "24"]), "offsets"),
    "offsets beyond the file": ("a.safetensors", entry(data_offsets=[10**9, 10**9 + 24]), "starts at"),
    "a pickle": ("pytorch_model.bin", b"\x80\x02", "no checkpoint"),
    "no magic": ("a.gguf", b"GGML" + bytes(60), "GGUF"),
    "an empty gguf": ("a.gguf", b"", "past byte 0"),
    "version 1": ("a.gguf", gguf(GGUF, version=1), "version 1"),
    "big-endian": ("a.gguf", gguf(GGUF, version=3 << 24), "big-endian"),
    "counts beyond the file": ("a.gguf", b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "tensors and"),
    "metadata beyond the file": ("a.gguf", gguf(GGUF, pairs=5), "cannot read"),
    "metadata of unknown type": ("a.gguf", gguf({}, metadata=string("k") + struct.pack("<I", 99), pairs=1), "type 99"),
    "a long array": ("a.gguf", gguf({}, metadata=string("k") + struct.pack("<IIQ", 9, 8, 2**50), pairs=1), "array of"),
    "a long string": ("a.gguf", gguf({}, metadata=string("k") + struct.pack("<IQ", 8, 2**62), pairs=1), "past byte"),
    "arrays in arrays": ("a.gguf", gguf({}, metadata=NESTS, pairs=1), "type 9"),
    "an odd alignment": ("a.gguf", gguf({}, metadata=ODD, pairs=1), "alignment of 33"),
    "a cut gguf": ("a.gguf", gguf(GGUF)[:-64], "the file at"),
    "cut in its tensor list": ("a.gguf", gguf(GGUF)[:200], "past byte 200"),
    "blocks that do not fit": ("a.gguf", gguf({"w": (3, 31)}, 8), "blocks of 32"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_in_one_line(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, raw, words = BROKEN[case]
    place = written(tmp_path / name, raw)
    with pytest.raises(ConfigError) as refusal:
        checkpoints.read(place)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert main(["params", "llama-3-8b", "--checkpoint", place]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert len(err) < 500


INDEXES: dict[str, tuple[Any, str]] = {
    "no map": ({}, "weight_map"),
    "a path": ({"weight_map": {"a": "../a.safetensors"}}, "no shard's name"),
    "an absolute path": ({"weight_map": {"a": "/etc/a.safetensors"}}, "no shard's name"),
    "no text": ({"weight_map": {"a": 3}}, "no shard's name"),
    "a shard that is not there": ({"weight_map": {"a": "b.safetensors"}}, "not there"),
    "a tensor that is in no shard": ({"weight_map": {"a": "model.safetensors"}}, "in no shard"),
}


@pytest.mark.parametrize("case", INDEXES)
def test_a_broken_index_is_refused(case: str, tmp_path: Path) -> None:
    index, words = INDEXES[case]
    written(tmp_path / "model.safetensors", safetensors({"w": (2,)}))
    (tmp_path / checkpoints.INDEX).write_text(json.dumps(index), encoding="utf-8")
    for place in (tmp_path, tmp_path / checkpoints.INDEX):
        with pytest.raises(ConfigError, match=words):
            checkpoints.read(str(place))


def test_places_without_a_checkpoint(tmp_path: Path) -> None:
    for place in (str(tmp_path), str(tmp_path / "none"), "\0", "x" * 5000):
        with pytest.raises(ConfigError, match=r"checkpoint|safetensors"):
            checkpoints.read(place)
    for name in ("a.gguf", "b.gguf"):
        written(tmp_path / name, gguf({"w": (2,)}))
    with pytest.raises(ConfigError, match="several"):
        checkpoints.read(str(tmp_path))
    written(tmp_path / "m-00001-of-00002.gguf", gguf({"w": (2,)}))
    with pytest.raises(ConfigError, match="part"):
        checkpoints.read(str(tmp_path / "m-00001-of-00002.gguf"))
    written(tmp_path / "m-00002-of-00002.gguf", gguf({"v": (2,)}))
    assert set(checkpoints.read(str(tmp_path / "m-00001-of-00002.gguf")).tensors) == {"w", "v"}


@pytest.mark.parametrize(("name", "raw"), [("a.safetensors", WHOLE), ("a.gguf", gguf(GGUF))])
def test_flipped_bytes_are_read_or_refused(name: str, raw: bytes, tmp_path: Path) -> None:
    pick = Random(name)
    for _ in range(500):
        changed = bytearray(raw)
        for _ in range(pick.randint(1, 4)):
            changed[pick.randrange(1500)] = pick.randrange(256)
        place = written(tmp_path / name, bytes(changed[: pick.choice([len(raw), pick.randrange(len(raw))])]))
        try:
            found = checkpoints.read(place)
        except BursarError as refusal:
            assert "\n" not in str(refusal)
        else:
            assert found.bytes <= len(raw)


def test_a_hub_checkpoint_is_read_by_its_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's answer, in the form of huggingface_hub 1 and 2, becomes the tensors of a checkpoint."""
    info = SimpleNamespace(shape=[3, 4], dtype="BF16", data_offsets=(8, 32))
    answer = SimpleNamespace(files_metadata={"model.safetensors": SimpleNamespace(tensors={"model.norm.weight": info})})
    client = ModuleType("huggingface_hub")
    client.get_safetensors_metadata = lambda model: answer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    found = checkpoints.read("org/name")
    assert (found.total, found.bytes, list(found.tensors)) == (3 * 4, 32 - 8, ["model.norm.weight"])


def test_a_hub_that_cannot_be_reached_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(model: str) -> None:
        raise OSError("no route\nto host")

    client = ModuleType("huggingface_hub")
    client.get_safetensors_metadata = unreachable  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    with pytest.raises(ConfigError, match="cannot read the headers of org/name: no route"):
        checkpoints.read("org/name")
