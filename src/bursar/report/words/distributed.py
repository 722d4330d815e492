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
    "distributed_cause_parts": Words(
        "in this: gradients of weights that every rank has whole, norms and routers, are added up, as each rank has those of its "
        "own tokens or heads alone",
        "其中：各进程都完整持有的权重（归一化层、路由器）的梯度需要求和，因为各进程只有自己那部分词元或注意力头的梯度",
    ),
    "distributed_cause_pipeline": Words(
        "less than for every micro-batch: a pipeline gathers weights and scatters gradients once a step",
        "少于逐个微批量通信：流水线每步只收集一次权重、散布一次梯度",
    ),
    "distributed_cause_bucket": Words(
        "in this: DistributedDataParallel adds up whole gradients where ZeRO-1 scatters them",
        "其中：ZeRO-1 散布梯度之处，DistributedDataParallel 对完整梯度求和",
    ),
    "distributed_cause_owners": Words(
        "in this: ZeroRedundancyOptimizer deals out whole parameters, the largest first; every rank broadcasts those it updates",
        "其中：ZeroRedundancyOptimizer 按从大到小把完整参数分给各进程，各进程广播自己更新的部分",
    ),
    "distributed_cause_buffers": Words(
        "less than counted: a router's correction is a buffer, without gradient and state",
        "少于计数：路由器的修正项是缓冲区，没有梯度与优化器状态",
    ),
    "distributed_cause_uneven": Words(
        "less than counted: parameters do not come out even, and states of this rank's chunks are not padded",
        "少于计数：参数不能均分，本进程分块的优化器状态不作填充",
    ),
    "distributed_cause_fused": Words(
        "matrices that transformers fuses are padded as one",
        "transformers 合并的矩阵作为一个整体填充",
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
    "record_count": Words("calls in a step of each of these ranks", "这些进程各自一步内的通信次数"),
    "record_bytes": Words("bytes joined in a step of each of these ranks", "这些进程各自一步内合并的字节数"),
    "record_weights": Words("bytes of weights of each of these ranks", "这些进程各自的权重字节数"),
    "record_gradients": Words("bytes of gradients of each of these ranks", "这些进程各自的梯度字节数"),
    "record_optimizer_state": Words("bytes of optimizer states of each of these ranks", "这些进程各自的优化器状态字节数"),
}
