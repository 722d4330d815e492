"""Words of what a search would find if a fact of its job were another."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "counts": Words("devices", "设备数"),
    "count_too_large": Words("no plan fits: the leanest needs {need} GiB", "没有可行方案：最省的也需要 {need} GiB"),
    "front": Words("the front: no plan is faster with less memory", "前沿：没有更快且更省显存的方案"),
    "front_counts": Words(
        "the front: no plan has more tokens/s with less memory and fewer device-hours",
        "前沿：没有词元/秒更高、且显存与设备小时更少的方案",
    ),
    "front_hours": Words("device-hours per step", "每步设备小时"),
    "hidden": Words("hidden", "隐藏"),
    "hidden_note": Words(
        "The first plan hides traffic of {share} of its step behind products; published runs with sharded weights are known to "
        "have hidden {most}. In runs of FSDP steps grew by about {growth} of what was taken to be hidden: a plan that hides less "
        "may be faster.",
        "第一个方案把相当于每步 {share} 的通信隐藏在矩阵乘法之后；已公布的权重分片训练所隐藏的至多为 {most}。在 FSDP 训练中，"
        "每步用时约增加了假定被隐藏部分的 {growth} 倍：隐藏较少的方案可能更快。",
    ),
    "launch_of": Words("{framework}, plan {place}: {layout}", "{framework}，方案 {place}：{layout}"),
    "launch_refused": Words("plan {place} is not written: {reason}", "方案 {place} 无法写出：{reason}"),
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
