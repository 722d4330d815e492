"""Words of what a model has: parameters, FLOPs, caches."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "params_title": Words("{model}: {total:,} parameters", "{model}：{total:,} 个参数"),
    "flops_forward": Words("forward", "前向传播"),
    "flops_backward": Words("backward", "反向传播"),
    "flops_train": Words("train", "训练"),
    "mask_full": Words("full", "完整"),
    "mask_causal": Words("causal", "因果"),
    "flops_convention": Words(
        "1 multiply-add = 2 FLOP; matrix products only; attention core with a {mask} mask; logits and router counted, "
        "embedding look-up 0, recomputation not counted",
        "1 次乘加 = 2 FLOP；只计矩阵乘积；注意力核心按{mask}掩码计；计入 logits 与路由器，嵌入查表计 0，不计重计算",
    ),
    "flops_forward_per_token": Words("forward per token", "每词元前向传播"),
    "flops_train_per_token": Words("train per token", "每词元训练"),
    "kv_elements_per_token": Words("elements per token", "每词元元素数"),
    "kv_bytes_per_token": Words("bytes per token", "每词元字节数"),
    "kv_bytes": Words("bytes", "字节数"),
    "kv_state_bytes": Words("state bytes", "状态字节数"),
    "source_line": Words("source: {source}", "来源：{source}"),
    "published_line": Words("source: {source} (published: {figures})", "来源：{source}（发布方数字：{figures}）"),
    "note_line": Words("note: {note}", "注：{note}"),
    "rates_line": Words(
        "{tokens}tokens/s, {tflops:.1f} TFLOP/s per device, MFU {mfu}, HFU {hfu}",
        "{tokens}词元/秒，每设备 {tflops:.1f} TFLOP/s，MFU {mfu}，HFU {hfu}",
    ),
}
