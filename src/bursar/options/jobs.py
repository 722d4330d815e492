"""Options of a job: the workload, the plan, the cluster, the run."""

from __future__ import annotations

from bursar import adapters, recompute
from bursar.kernels import PROFILES
from bursar.optimizers import OPTIMIZERS, UPDATES
from bursar.options.option import Option, count, degree, layers, length, money, past, probability, rank
from bursar.parallel import context, data, expert, offload, overlap
from bursar.parallel.schedules import SCHEDULES
from bursar.plan import GATHERED, GRAD_BUFFERS, LAUNCHES
from bursar.precision import CACHES, GRADIENTS, RECIPES, STATES


def recomputation(text: str) -> str:
    recompute.check(str(text))
    return str(text)


def offloaded(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """What is offloaded: optimizer,parameters,activations."""
    return offload.read(text)


def overlapped(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """What runs beside compute: data,tensor,expert."""
    return overlap.read(text)


ROWS: tuple[Option, ...] = (
    Option(
        "seq", length, None, (), "tokens of a sequence (8k = 8192); default: the trained length up to 8192", "序列长度（8k = 8192）"
    ),
    Option(
        "past",
        past,
        0,
        (),
        "tokens in the cache before these; a decoding step is --seq 1 --past N",
        "缓存中已有的词元数；解码一步为 --seq 1 --past N",
    ),
    Option("batch", degree, 1, (), "sequences", "序列数"),
    Option("micro_batch", degree, 1, (), "sequences per device and pass", "每设备每次前向的序列数（微批量）"),
    Option("global_batch", degree, None, (), "sequences per step", "每步的序列数（全局批量）"),
    Option("global_batch_tokens", count, None, (), "tokens per step, rounded to whole sequences", "每步的词元数，取整到整条序列"),
    Option("tokens", count, None, (), "tokens of the whole run", "整个训练的词元数"),
    Option("precision", None, "bf16", tuple(RECIPES), "precision recipe", "精度方案"),
    Option("grad_dtype", None, None, GRADIENTS, "dtype of gradients; default: that of the weights", "梯度的数据类型"),
    Option("optimizer", None, "adamw", tuple(OPTIMIZERS), "optimizer", "优化器"),
    Option(
        "state_dtype",
        None,
        None,
        STATES,
        "dtype of optimizer states; default: the recipe's",
        "优化器状态的数据类型，默认由精度方案决定",
    ),
    Option(
        "optimizer_step",
        None,
        "fused",
        UPDATES,
        "how the optimizer steps: one kernel, torch.optim's foreach or for-loop, or gradients cast or flattened first",
        "优化器更新的实现：单个融合算子，或 torch.optim 的 foreach、for-loop",
    ),
    Option("kernels", None, "fused", tuple(PROFILES), "implementations: a profile, with ,slot=name for departures", "算子实现方案"),
    Option(
        "recompute",
        recomputation,
        "none",
        (),
        "activation recomputation: none, selective, full, full:N (N layers together), full:first=N (the first N of a stage), or "
        "modules of a layer, of core_attn,layernorm,mlp,moe_act,mla_up_proj,moe,shared_experts",
        "激活重计算：none、selective、full、full:N（N 层一组）、full:first=N（每级前 N 层），或层内模块列表",
    ),
    Option(
        "checkpointing", None, "reentrant", recompute.CHECKPOINTS, "whether a checkpoint stops early", "检查点是否提前结束重计算"
    ),
    Option("lora_rank", rank, 0, (), "rank of low-rank adapters; 0: none, all weights are trained", "低秩适配器的秩；0 表示不用"),
    Option(
        "lora_targets",
        str,
        None,
        (),
        "products with an adapter: q,k,v,out,gate,up,down or names of transformers, attn, mlp, all-linear; default: PEFT's choice",
        "带适配器的矩阵：q,k,v,out,gate,up,down 或 transformers 的名称、attn、mlp、all-linear；默认同 PEFT",
    ),
    Option("adapter", None, "lora", adapters.KINDS, "kind of adapter", "适配器种类"),
    Option("lora_dropout", probability, 0.0, (), "dropout of an adapter's input", "适配器输入的丢弃概率"),
    Option("weights", None, None, adapters.FORMATS, "number format of frozen matrices", "冻结矩阵的存储格式"),
    Option(
        "freeze_layers",
        rank,
        0,
        (),
        "layers, from the first, that are frozen together with the embedding",
        "冻结的前若干层（含嵌入）",
    ),
    Option("mask", None, "full", ("full", "causal"), "pairs of the attention core that are counted", "注意力核心的计数方式"),
    Option("dropout", probability, None, (), "replaces every dropout probability of the config", "替换配置中的丢弃概率"),
    Option("tp", degree, 1, (), "tensor-parallel size", "张量并行度"),
    Option("sp", None, False, (), "sequence parallelism beside tensor parallelism", "序列并行"),
    Option("cp", degree, 1, (), "context-parallel size: ranks that share the tokens of a sequence", "上下文并行度"),
    Option("cp_comm", None, "ring", tuple(context.COMMS), "how keys and values reach the queries", "上下文并行的通信方式"),
    Option("ep", degree, 1, (), "expert-parallel size", "专家并行度"),
    Option("etp", degree, None, (), "tensor-parallel size inside experts; default: tp", "专家内的张量并行度，默认同 tp"),
    Option(
        "expert_load", str, "uniform", (), "tokens of the busiest expert-parallel rank over the mean, or shares", "专家负载不均"
    ),
    Option("pp", degree, 1, (), "pipeline stages", "流水线级数"),
    Option(
        "schedule",
        None,
        None,
        tuple(SCHEDULES),
        "pipeline schedule; default: 1f1b, with vp interleaved",
        "流水线调度，默认 1f1b，有 vp 时 interleaved",
    ),
    Option("vp", degree, 1, (), "virtual stages of a rank in an interleaved pipeline", "交错流水线中每卡的虚拟级数"),
    Option("layout", layers, None, (), "layers of each stage, or of each virtual stage: 10,11,11,8", "各级或各虚拟级的层数"),
    Option("dp", degree, None, (), "data-parallel size; default: what the devices leave", "数据并行度，默认由设备数推出"),
    Option("zero", None, "0", ("0", "1", "2", "3"), "ZeRO stage", "ZeRO 阶段"),
    Option("shard_group", degree, None, (), "ranks that states are sharded over; default: cp·dp", "状态分片的卡数，默认 cp·dp"),
    Option("sharding", None, "flat", data.SHARDINGS, "flat: ZeRO, Megatron; per-parameter: FSDP2", "分片方式：FSDP2 为逐参数"),
    Option("reshard", None, True, (), "with zero 3, weights are sharded again after the forward pass", "前向后重新分片权重"),
    Option(
        "offload",
        offloaded,
        (),
        (),
        "what lives on the host: optimizer (states and masters, updated there), parameters (with zero 3), activations; or none",
        "放在主机上的内容：optimizer（优化器状态与主权重，在主机更新）、parameters（需 zero 3）、activations，或 none",
    ),
    Option(
        "overlap",
        overlapped,
        overlap.USUAL,
        (),
        "communication that runs beside compute: data, tensor (with --sp), expert; or none",
        "与计算重叠的通信：data、tensor（需序列并行）、expert，或 none",
    ),
    Option(
        "ep_comm",
        None,
        "all-to-all",
        expert.COMMS,
        "tokens sent to experts: every copy, or one for each domain and rank (DeepEP, HybridEP)",
        "发往专家的词元：逐份发送，或每个域、每张卡只发一份（DeepEP、HybridEP）",
    ),
    Option("launch", None, "eager", LAUNCHES, "operators launched one by one, or as CUDA graphs", "逐个启动算子，或使用 CUDA 图"),
    Option("device", str, None, (), "device of the catalog, or your own (a .toml)", "设备型号，或自己的 .toml 文件"),
    Option(
        "cluster",
        str,
        None,
        (),
        "cluster of the catalog, or a file of your own (.toml): device, node, links and network",
        "集群名，或自己的 .toml 文件：设备、节点、互连与网络",
    ),
    Option("devices", degree, None, (), "number of devices", "设备数"),
    Option("nodes", degree, None, (), "number of nodes of the device's usual size", "节点数"),
    Option("price", money, None, (), "US dollars per device-hour; default: a dated example", "每设备小时价格（美元）"),
    Option("kv_dtype", None, "bf16", CACHES, "dtype of the KV cache", "KV 缓存的数据类型"),
    Option("mtp", None, False, (), "with the multi-token-prediction modules of the config", "包含多词元预测模块"),
    Option("checkpoint", str, None, (), "safetensors or GGUF to reconcile with the config", "与配置核对的检查点（文件或目录）"),
    Option("as_family", str, None, (), "reads the config as that family, and says so", "按指定系列读取配置，并注明此假定"),
    Option(
        "grad_buffer",
        None,
        "allocated",
        GRAD_BUFFERS,
        "gradients: buffers from the start, made by the first backward pass, or by every one and added to buffers",
        "梯度：一开始就分配缓冲区，由第一次反向传播创建，或每次反向传播创建后加到缓冲区",
    ),
    Option(
        "gathered",
        None,
        "again",
        GATHERED,
        "inputs that --sp gathers: again in the backward pass, or kept",
        "序列并行聚合的输入：反向传播时重新聚合，或保留",
    ),
    Option("timeline", None, False, (), "the worst stage's step, moment by moment", "最差流水线级的一步，逐时刻"),
    Option("chart", str, None, (), "file for a picture of the answer (.svg or .png)", "图片文件（.svg 或 .png）"),
    Option(
        "what_if", None, False, (), "peak and step time with one option changed, for each", "逐项改变一个选项后的峰值与每步用时"
    ),
    Option(
        "fix",
        str,
        None,
        (),
        "values of a search's axes in place of the usual ones: tp=8,pp=2/4,recompute=core_attn+mlp/full",
        "搜索各维度的取值，取代默认值：tp=8,pp=2/4,recompute=core_attn+mlp/full",
    ),
    Option(
        "also",
        str,
        None,
        (),
        "values of a search's axes beside the usual ones: offload=optimizer,precision=fp8,recompute=full:2",
        "在默认取值之外再搜索：offload=optimizer,precision=fp8,recompute=full:2",
    ),
    Option(
        "sensitivity",
        None,
        False,
        (),
        "the best step with 1 GB more memory, a network or link twice as fast, twice the batch",
        "多 1 GB 显存、网络或链路快一倍、批量翻倍时的最优每步用时",
    ),
    Option("lang", None, "en", ("en", "zh"), "language of reports", "报告语言"),
)
