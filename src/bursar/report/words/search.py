"""Words of what a search would find if a fact of its job were another."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "sensitivity": Words("what one change would bring, searched again", "改变一项后重新搜索的结果"),
    "sensitivity_faster": Words("tokens/s", "词元/秒"),
    "sensitivity_none": Words("no plan fits", "没有可行方案"),
    "sensitivity_memory": Words("1 GB more memory per device", "每设备多 1 GB 显存"),
    "sensitivity_network": Words("a network twice as fast", "网络快一倍"),
    "sensitivity_link": Words("links of a domain twice as fast", "域内链路快一倍"),
    "sensitivity_batch": Words("twice the global batch", "全局批量翻倍"),
    "would_fit_offloaded": Words(
        "on these devices it fits with {offload} on the host: {layout}, {step} per step",
        "在这些设备上，将 {offload} 放到主机即可：{layout}，每步 {step}",
    ),
}
