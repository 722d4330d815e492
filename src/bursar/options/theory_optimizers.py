"""Options of update rules, and how weights and gradients are read from text."""

from __future__ import annotations

import json
import math
from typing import Any, TypeAlias

from bursar.options.init import real
from bursar.options.option import Option, degree, positive, probability, rank
from bursar.options.theory_formats import magnitude, names, sides

Tensor: TypeAlias = float | list[Any]  # a number, or lists of them, as deep as the tensor has axes
MOST_TEXT, MOST_NUMBERS, MOST_PARTS = 20_000, 4096, 1000
TENSOR = "a number, numbers with commas between them (3,4), or JSON ([[1,2],[3,4]])"


def tensor(text: str | float | list[Any]) -> Tensor:
    """A weight or a gradient."""
    if isinstance(text, str):
        if len(text) > MOST_TEXT:
            raise ValueError(f"{TENSOR}; at most {MOST_TEXT:,} characters")
        try:
            found: Tensor = json.loads(text) if text.lstrip().startswith("[") else [float(part) for part in text.split(",")]
        except (ValueError, RecursionError):
            raise ValueError(TENSOR) from None
        found = found[0] if isinstance(found, list) and len(found) == 1 and not text.lstrip().startswith("[") else found
    else:
        found = text
    if not 1 <= _count(found, 0) <= MOST_NUMBERS:
        raise ValueError(f"{TENSOR}; 1 to {MOST_NUMBERS:,} finite numbers up to 1e30")
    return found


def _count(found: Any, depth: int) -> int:
    """How many numbers; rows of different lengths, other things and deep nests are none."""
    if isinstance(found, list) and found and depth < 4:
        counts = {_count(part, depth + 1) for part in found}
        kinds = {len(part) if isinstance(part, list) else -1 for part in found}
        return len(found) * counts.pop() if len(counts) == len(kinds) == 1 else -MOST_NUMBERS
    fits = isinstance(found, (int, float)) and not isinstance(found, bool) and math.isfinite(found) and abs(found) <= 1e30
    return 1 if fits else -MOST_NUMBERS


def tensors(text: str | float | list[Any]) -> tuple[Tensor, ...]:
    """One or several, with colons between them."""
    parts = text.split(":") if isinstance(text, str) else [text]
    if len(parts) > MOST_PARTS:
        raise ValueError(f"at most {MOST_PARTS:,}, with colons between them")
    return tuple([tensor(part) for part in parts])


def decay(text: str | float) -> float:
    value = real(text)
    if not -10 <= value < 1:
        raise ValueError("a number from 0 to below 1; for Adafactor from -10")
    return value


READS = (decay, tensor, tensors)  # what reads numbers and names

ROWS: tuple[Option, ...] = (
    Option("theta", tensor, 1.0, (), "the weight: 1, 3,4 or [[1,2],[3,4]]", "权重：1、3,4 或 [[1,2],[3,4]]"),
    Option(
        "gradient", tensors, None, (), "its gradient, several with colons between them: 0.5:-0.5",
        "梯度；多个时以冒号分隔：0.5:-0.5",
    ),
    Option("lr", positive, None, (), "learning rate η; default: the rule's", "学习率 η，默认取该规则的"),
    Option("beta1", probability, None, (), "decay of the first moment", "一阶矩的衰减系数"),
    Option("beta2", probability, None, (), "decay of the second moment", "二阶矩的衰减系数"),
    Option("eps", real, None, (), "ε that keeps a denominator from zero", "防止分母为零的 ε"),
    Option("eps_inside", None, None, (), "ε is under the root, not beside it", "ε 放在根号内而非根号外"),
    Option("bias_correction", None, None, (), "moments are divided by 1 − βᵗ", "是否对矩作 1 − βᵗ 偏差修正"),
    Option("weight_decay", real, None, (), "weight decay λ", "权重衰减 λ"),
    Option("momentum", probability, None, (), "share γ of the velocity that is kept", "动量系数 γ"),
    Option(
        "momentum_form", str, None, (), "classical (v = γv + g) or average (v = γv + (1−γ)g)",
        "classical（v = γv + g）或 average（v = γv + (1−γ)g）",
    ),
    Option("decay", decay, None, (), "decay ρ of squares; for Adafactor its exponent", "平方梯度的衰减 ρ；Adafactor 为指数"),
    Option("trust", positive, None, (), "trust coefficient of LARS", "LARS 的信任系数"),
    Option("gamma", positive, None, (), "Sophia's factor on the Hessian", "Sophia 中海森矩阵的系数"),
    Option("every", degree, None, (), "steps between new roots or eigenvectors", "每隔多少步更新逆根或特征向量"),
    Option("torch", None, False, (), "the same steps by torch.optim, and the difference", "用 torch.optim 走同样的步并比较差异"),
    Option("counts", sides, None, (), "samples of every micro-batch: 8,8,4", "各微批量的样本数：8,8,4"),
    Option(
        "problem", str, "rosenbrock", (), "rosenbrock, quadratic, diagonal or matrix", "rosenbrock、quadratic、diagonal 或 matrix"
    ),
    Option("optimizers", names, None, (), "optimizers with commas between them, or all", "优化器，以逗号分隔；all 表示全部"),
    Option("updates", degree, 1000, (), "updates of the whole run", "整个训练的更新次数"),
    Option("warmup", rank, 0, (), "updates of the warm-up, from 0 to the peak", "预热的更新次数，从 0 升至峰值"),
    Option("decay_updates", rank, None, (), "updates of WSD's decay; default: a tenth", "WSD 末段衰减的更新次数，默认十分之一"),
    Option("floor", probability, 0.0, (), "share of the peak that the rate falls to", "学习率下降到峰值的比例"),
    Option("noise", magnitude, None, (), "standard deviation of noise on the gradients", "梯度噪声的标准差"),
)  # fmt: skip
