"""Words of what ranks of a distributed step did and hold."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "distributed_title": Words(
        "{model}, {layers} layers, {world} ranks ({backend}): predicted and measured in one training step",
        "{model}，{layers} 层，{world} 个进程（{backend}）：一个训练步的预测值与实测值",
    ),
    "distributed_rank": Words("ranks {ranks}", "进程 {ranks}"),
    "distributed_dimension": Words("dimension", "维度"),
    "distributed_collective": Words("collective", "集合通信"),
    "distributed_count": Words("calls", "次数"),
    "distributed_bytes": Words("bytes", "字节"),
    "distributed_measured": Words("measured", "实测"),
    "distributed_part": Words("held", "持有"),
    "distributed_equal": Words("all numbers of all ranks are equal", "所有进程的数值全部一致"),
    "distributed_unequal": Words("some numbers differ", "存在不一致的数值"),
    "distributed_unknown": Words("not counted: {names}", "未计入：{names}"),
    "distributed_torch": Words(
        "a distributed run needs PyTorch and transformers ({missing} is missing); valid: pip install 'bursar[torch]'",
        "分布式运行需要 PyTorch 与 transformers（缺少 {missing}）；请 pip install 'bursar[torch]'",
    ),
    "distributed_cause_loss": Words(
        "in this: the loss of logits cut by vocabulary joins three FP32 numbers a token, the maximum, the sum of exponentials and "
        "the label's score",
        "其中：按词表切分的 logits 求损失时，每个词元合并三个 FP32 数，即最大值、指数和与标签得分",
    ),
    "distributed_cause_norms": Words(
        "in this: gradients of norms are added up, as every rank has those of its own tokens alone",
        "其中：归一化层的梯度需要求和，因为各进程只有自己那部分词元的梯度",
    ),
    "distributed_cause_root": Words(
        "less than ZeRO-3 says: FSDP2's root unit (embedding, last norm, head) stays whole until its backward pass",
        "比 ZeRO-3 少：FSDP2 的根单元（嵌入、末尾归一化与输出层）在反向传播前保持完整，不再重新收集",
    ),
    "distributed_cause_replicas": Words(
        "in this: replicas add up their shards of gradients, for every micro-batch",
        "其中：各副本对梯度分片求和，每个微批量一次",
    ),
    "distributed_cause_embedding": Words(
        "in this: DTensor leaves the gradient of the embedding whole on every rank, (t − 1)/t of its table more than a cut one",
        "其中：DTensor 使嵌入的梯度在每个进程上保持完整，比切分的梯度多出整张表的 (t − 1)/t",
    ),
}
