"""Words of inverse questions and of the adviser."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "find_cluster": Words("{model} on {device}: {devices} devices", "{model}，{device}：{devices} 张设备"),
    "find_context": Words("{model} on {devices} {device}: {seq} tokens", "{model}，{devices} 张 {device}：{seq} 个词元"),
    "find_batch": Words(
        "{model} on {device}: micro-batches of {micro_batch} sequences of {seq} tokens",
        "{model}，{device}：微批量 {micro_batch} 条序列，每条 {seq} 个词元",
    ),
    "find_model": Words("{devices} {device}: {model}", "{devices} 张 {device}：{model}"),
    "find_nothing": Words("nothing that was tried fits", "所试各项均不可行"),
    "find_tried": Words("tried: {tried}", "已试：{tried}"),
    "find_run": Words("{days:.1f} days ({low:.1f} to {high:.1f}), {cost}", "{days:.1f} 天（{low:.1f} 至 {high:.1f}），{cost}"),
    "find_plan": Words("{plan}: step {step}, MFU {mfu}, peak {peak}", "{plan}：每步 {step}，MFU {mfu}，峰值 {peak}"),
    "find_offers": Words("{model}, {tokens} tokens within {days:g} days", "{model}，{days:g} 天内训练 {tokens} 个词元"),
    "devices_count": Words("devices", "设备数"),
    "mfu_column": Words("MFU", "MFU"),
    "find_no_price": Words("no price", "无价格"),
    "advise_title": Words("{model} on {device}: step {step}, peak {peak}", "{model}，{device}：每步 {step}，峰值 {peak}"),
    "advise_limit": Words("waits for", "受限于"),
    "advise_part": Words("mostly", "主要为"),
    "advise_remedy": Words("change", "改变"),
    "advise_saves": Words("saves", "节省"),
    "advise_shortens": Words("shortens", "缩短"),
    "advise_none": Words("no single change makes the step shorter", "没有任何单项改变能缩短一步用时"),
    "advise_too_large": Words("these would help, and do not fit", "以下改变有帮助，但放不下"),
    "advise_to_fit": Words("the job does not fit; these make it fit", "该任务放不下；以下改变可使其放下"),
    "limit_compute": Words("compute", "计算"),
    "limit_recomputation": Words("recomputation", "重计算"),
    "limit_communication": Words("communication", "通信"),
    "limit_bubble": Words("pipeline bubble", "流水线气泡"),
    "limit_optimizer": Words("optimizer step", "优化器更新"),
    "limit_host": Words("the host", "主机"),
    "limit_launching": Words("kernel launches", "核函数启动"),
}
