"""Words of answers from numbers alone: runs, rooflines, states."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "run_title": Words("A run", "一次训练"),
    "run_given": Words("given", "已知"),
    "run_follows": Words("follows", "推得"),
    "run_how": Words("how", "依据"),
    "run_impossible": Words(
        "MFU {mfu:.2f} is above 1: so many FLOPs do not fit in that time.",
        "MFU 为 {mfu:.2f}，大于 1：这段时间内做不完这么多 FLOP。",
    ),
    "run_devices": Words("{exact:,.2f} devices, rounded up", "{exact:,.2f} 台设备，向上取整"),
    "run_peak": Words("Peak: dense {dtype} of {device} ({source}).", "峰值：{device} 的 {dtype} 稠密峰值（{source}）。"),
    "run_source": Words("Sources: {text}", "出处：{text}"),
    "run_beside_run": Words(
        "{ratio} times the {flops} FLOP of {name} ({source}).", "为 {name} 的 {flops} FLOP 的 {ratio} 倍（{source}）。"
    ),
    "run_beside_threshold": Words(
        "{ratio} times the threshold {name}, {flops} FLOP{note} ({source}).",
        "为门槛 {name}（{flops} FLOP{note}）的 {ratio} 倍（{source}）。",
    ),
    "run_revoked": Words(", revoked on {date}", "，已于 {date} 撤销"),
    "run_params": Words("parameters", "参数量"),
    "run_tokens": Words("tokens", "词元数"),
    "run_tokens_per_param": Words("tokens per parameter", "每参数词元数"),
    "run_flops_per_token": Words("FLOPs per token", "每词元 FLOP"),
    "run_flops": Words("model FLOPs", "模型 FLOP"),
    "run_executed_flops": Words("executed FLOPs", "实际执行 FLOP"),
    "run_pf_days": Words("PF-days", "PF-day"),
    "run_devices_count": Words("devices", "设备数"),
    "run_peak_rate": Words("peak of a device, FLOP/s", "单设备峰值（FLOP/s）"),
    "run_mfu": Words("MFU", "MFU"),
    "run_hfu": Words("HFU", "HFU"),
    "run_seconds": Words("seconds", "秒数"),
    "run_days": Words("days", "天数"),
    "run_years": Words("years", "年数"),
    "run_device_seconds": Words("device-seconds", "设备秒"),
    "run_device_hours": Words("device-hours", "设备小时"),
    "run_device_years": Words("device-years", "设备年"),
    "run_tokens_per_s": Words("tokens/s", "词元/秒"),
    "run_tokens_per_s_per_device": Words("tokens/s per device", "每设备词元/秒"),
    "run_steps": Words("steps", "步数"),
    "run_batch_tokens": Words("tokens per step", "每步词元数"),
    "run_price": Words("US dollars per device-hour", "每设备小时美元"),
    "run_cost_usd": Words("US dollars", "美元"),
    "loss_alone": Words(
        "{law}: loss {loss:.5f} ({unit}) where {what} {value} alone limit it.",
        "{law}：仅受{what} {value} 限制时，损失为 {loss:.5f}（{unit}）。",
    ),
    "enough_tokens": Words(
        "Tokens from which on overfitting stays below the noise: {tokens}.",
        "过拟合小于噪声所需的词元数：{tokens}。",
    ),
    "power_line": Words(
        "y = ({scale:.4e} / x)^{exponent:.6f}; ln y is within {residual:.2g} of it at every one of {points} points.",
        "y = ({scale:.4e} / x)^{exponent:.6f}；共 {points} 个点，ln y 与之相差均不超过 {residual:.2g}。",
    ),
    "roofline_line": Words(
        "Ridge point: {ridge:,.3f} FLOP/byte = {peak_flop_per_s:.4g} FLOP/s ÷ {bandwidth_b_per_s:.4g} B/s.",
        "脊点：{ridge:,.3f} FLOP/字节 = {peak_flop_per_s:.4g} FLOP/s ÷ {bandwidth_b_per_s:.4g} B/s。",
    ),
    "roofline_ceiling": Words(
        "Intensity {intensity:,.6g} FLOP/byte: at most {ceiling} of the peak.",
        "算术强度 {intensity:,.6g} FLOP/字节：至多达到峰值的 {ceiling}。",
    ),
    "roofline_compute": Words("bound by products", "受计算限制"),
    "roofline_memory": Words("bound by memory", "受访存限制"),
    "roofline_least": Words(
        "At least {least}, {bound}: products {compute}, memory {memory}.", "至少 {least}，{bound}：计算 {compute}，访存 {memory}。"
    ),
    "roofline_used": Words("In {seconds}: {share} of the peak.", "用时 {seconds}：达到峰值的 {share}。"),
    "roofline_moved": Words("In {seconds}: {share} of the bandwidth.", "用时 {seconds}：达到带宽的 {share}。"),
    "states_title": Words("{params:,} parameters, {precision}, {optimizer}", "{params:,} 个参数，{precision}，{optimizer}"),
    "states_sharded": Words("one of {dp:,} ranks, ZeRO {zero}", "{dp:,} 个 rank 中的一个，ZeRO {zero}"),
    "states_per_param": Words("bytes per parameter", "每参数字节数"),
    "states_devices": Words(
        "Devices of {capacity} that hold as much, activations apart: {devices:,}. "
        "With these options one rank's share of {largest:,} parameters fits.",
        "不计激活值，需 {capacity} 的设备 {devices:,} 台；在这些选项下，单个 rank 可容纳 {largest:,} 个参数的份额。",
    ),
    "audit_line": Words(
        "{bytes} for {params:,} parameters is {per_param:,.4g} bytes each.",
        "{params:,} 个参数共 {bytes}，每个 {per_param:,.4g} 字节。",
    ),
    "audit_none": Words("No usual assumption comes within 5 %.", "没有哪一种常见假设与之相差在 5 % 以内。"),
    "audit_difference": Words("stated over this", "所述相对此值"),
    "audit_rule": Words("{rule}: {terms}", "{rule}：{terms}"),
    "audit_weights_16": Words("16-bit weights alone", "仅 16 位权重"),
    "audit_weights_32": Words("FP32 weights alone", "仅 FP32 权重"),
    "audit_gradients_16": Words("16-bit weights and gradients, no optimizer", "16 位权重与梯度，不计优化器"),
    "audit_no_master": Words("16-bit training without master weights", "16 位训练，无主权重"),
    "audit_no_master_wide": Words("16-bit training without master weights, FP32 gradients", "16 位训练，无主权重，梯度为 FP32"),
    "audit_mixed": Words("mixed precision with AdamW", "混合精度，AdamW"),
    "audit_single": Words("FP32 with AdamW", "FP32，AdamW"),
    "audit_mixed_wide": Words("mixed precision with FP32 gradients", "混合精度，梯度为 FP32"),
    "audit_mixed_activations": Words(
        "mixed precision, activations guessed as 2 bytes each", "混合精度，并把激活值猜作每参数 2 字节"
    ),
    "audit_second_copy": Words("FP32 with a needless second copy", "FP32，多算一份不需要的副本"),
    "audit_second_copy_activations": Words(
        "FP32 with a needless second copy, activations guessed as 4 bytes each", "FP32，多算一份副本，并把激活值猜作每参数 4 字节"
    ),
    "audit_term_weights": Words("weights", "权重"),
    "audit_term_gradients": Words("gradients", "梯度"),
    "audit_term_master_weights": Words("master", "主权重"),
    "audit_term_optimizer_state": Words("moments", "动量"),
    "audit_term_second_copy": Words("copy", "副本"),
    "audit_term_activations": Words("activations", "激活值"),
    "states_row_weights": Words("weights", "权重"),
    "states_row_gradients": Words("gradients", "梯度"),
    "states_row_master_weights": Words("FP32 master weights", "FP32 主权重"),
    "states_row_optimizer_state": Words("optimizer states", "优化器状态"),
}
