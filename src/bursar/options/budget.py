"""Options of what is computed from numbers alone: a run's budget, rooflines, states."""

from __future__ import annotations

from bursar.options.option import Option, changes, count, positive, share

ROWS: tuple[Option, ...] = (
    Option("mfu", share, None, (), "model FLOPs utilization, above 0 and up to 1", "模型 FLOP 利用率（MFU），大于 0，至多 1"),
    Option("seconds", positive, None, (), "seconds that it takes", "所用秒数"),
    Option("device_hours", positive, None, (), "hours of all devices together", "所有设备的小时数之和"),
    Option("tokens_per_param", positive, None, (), "tokens for each parameter", "每个参数对应的词元数"),
    Option(
        "peak", positive, None, (), "peak of a device in FLOP/s, instead of the catalog's", "设备峰值（FLOP/s），代替目录中的值"
    ),
    Option("bandwidth", positive, None, (), "memory bandwidth in B/s, instead of the catalog's", "显存带宽（B/s），代替目录中的值"),
    Option("bytes", positive, None, (), "bytes that are moved", "搬运的字节数"),
    Option(
        "capacity", count, None, (), "bytes of a device's memory (80G = 80e9), instead of the catalog's",
        "设备显存字节数（80G = 80e9），代替目录中的值",
    ),
    Option(
        "set", changes, (), (), "keys of the config.json with other values: vocab_size=51200,tie_word_embeddings=false",
        "改写 config.json 中的键值：vocab_size=51200,tie_word_embeddings=false",
    ),
    Option("only", str, None, (), "claims with these ids: N3, N4.01, S1", "只重放这些编号：N3、N4.01、S1"),
    Option("claims", str, None, (), "a TOML file of your own claims", "自备主张的 TOML 文件"),
)  # fmt: skip
