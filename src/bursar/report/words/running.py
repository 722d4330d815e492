"""Words of a run beside its steps, of clusters, and of the roofline of a layer."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "goodput_line": Words(
        "Goodput {share}: {expected} failures, one in {mtbf}; a checkpoint of {size} in {write}, after every {interval} of work; "
        "{restart} to restart. {checkpoints} goes to checkpoints, {failures} to failures: {days:,.1f} days{cost} from start to "
        "end.",
        "有效训练时间占 {share}：预计故障 {expected} 次，平均每 {mtbf} 一次；检查点 {size}，写入需 {write}，每训练 {interval} "
        "写一次；重启需 {restart}。检查点占 {checkpoints}，故障占 {failures}：自始至终共 {days:,.1f} 天{cost}。",
    ),
    "goodput_cost": Words(", {usd}", "，{usd}"),
    "energy_line": Words(
        "Energy {energy} MWh, {co2} t of CO₂: {watts:,.0f} W for a device with its share of the node, PUE {pue:g}, "
        "{grid:g} kg of CO₂ per kWh.",
        "能耗 {energy} MWh，排放 {co2} 吨 CO₂：每设备连同其所占节点份额 {watts:,.0f} W，PUE {pue:g}，每千瓦时 {grid:g} 千克 CO₂。",
    ),
    "energy_unknown": Words("Energy: the power of {device} is not known.", "能耗：{device} 的功率未知。"),
    "convention_line": Words(
        "By {name}: {flops}FLOP per step, MFU {mfu}, HFU {hfu} ({source}).",
        "按 {name}：每步 {flops}FLOP，MFU {mfu}，HFU {hfu}（{source}）。",
    ),
    "cluster": Words("cluster", "集群"),
    "cluster_node": Words("node", "节点"),
    "cluster_domain": Words("link domain", "互连域"),
    "cluster_network": Words("network per device, one way", "每设备网络带宽（单向）"),
    "cluster_kind": Words("network", "网络"),
    "cluster_size": Words("devices", "设备数"),
    "cluster_pod": Words(
        "{name}: pods of {pod:,.0f} devices, {over:g} times oversubscribed beyond",
        "{name}：每个 pod {pod:,.0f} 台设备，pod 之间的网络收敛比为 {over:g}:1",
    ),
    "roofline_layer": Words(
        "{model}, layer ({kind}), forward pass on {device}", "{model}，一层（{kind}），在 {device} 上的前向传播"
    ),
    "roofline_operator": Words("operator", "算子"),
    "roofline_intensity": Words("FLOP/byte", "FLOP/字节"),
    "roofline_achieved": Words("achieved", "实际"),
    "roofline_share": Words("of the ceiling", "占上限"),
    "roofline_bound_by": Words("bound by", "受限于"),
    "roofline_products": Words("products", "计算"),
    "roofline_traffic": Words("memory", "访存"),
    "roofline_ceiling_line": Words("ceiling of the device", "设备上限"),
}
