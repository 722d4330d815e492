"""torch.autocast as a CUDA device runs it, on the CPU.

The lists of operators differ by device: CUDA runs LayerNorm, softmax, sums, powers and more in FP32, which the CPU leaves in the
format that it is given. Inside `autocast` the CPU's dispatch has CUDA's FP32 lists too; its list of products (linear, matmul, bmm,
addmm, scaled_dot_product_attention) is that of CUDA already. PyTorch's registry says which operators each device casts, with or
without such a device: one that only one of the two casts, and that is not put right here, raises when it is called.
Source: aten/src/ATen/autocast_mode.h, AT_FORALL_FP32 and AT_FORALL_FP32_SET_OPT_DTYPE.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")

# operators that cast what they are given to FP32
FP32 = (
    "acos", "asin", "cosh", "erfinv", "exp", "expm1", "log", "log10", "log2", "log1p", "reciprocal", "rsqrt", "sinh", "tan",
    "pow.Tensor_Scalar", "pow.Tensor_Tensor", "pow.Scalar", "softplus", "layer_norm", "native_layer_norm", "group_norm",
    "linalg_vector_norm",
)  # fmt: skip
# operators that are told to make FP32, unless they were told a dtype
MAKES_FP32 = ("softmax.int", "log_softmax.int", "cumsum", "cumprod", "prod", "sum", "sum.dim_IntList")

NARROW = ("einsum",)  # operators of a list that cast it to the narrow format

# cast by one device alone, to the same effect: what is put together is promoted without a rule, the CPU's loss is given FP32
# logits, a padded convolution one without, and complex numbers are made of FP32
SAME = ("cat", "stack", "cross_entropy_loss", "conv2d.padding", "polar", "view_as_complex")


@lru_cache(maxsize=1)
def differing() -> frozenset[str]:
    """The operators that one of the two devices casts and the other does not."""
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    names = [name for name in torch._C._dispatch_get_all_op_names() if name.startswith("aten::")]
    return frozenset(name.removeprefix("aten::") for name in names if has(name, "AutocastCUDA") != has(name, "AutocastCPU"))


def _operator(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload or "default")


def _wide(value: Any) -> Any:
    narrow = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.float() if narrow else value


def _without_autocast() -> Any:
    return torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU))


def _cast(name: str) -> Callable[..., Any]:
    operator = _operator(name)

    def run(*given: Any, **named: Any) -> Any:
        with _without_autocast():
            return operator(*map(_wide, given), **{key: _wide(value) for key, value in named.items()})

    return run


def _made_wide(name: str) -> Callable[..., Any]:
    operator = _operator(name)
    place = [argument.name for argument in operator._schema.arguments].index("dtype")

    def run(*given: Any, **named: Any) -> Any:
        told = given[place] if len(given) > place else named.get("dtype")
        with _without_autocast():
            if told is None and given[0].is_floating_point():
                return operator(*given[:place], **{**named, "dtype": torch.float32})
            return operator(*given, **named)

    return run


def _narrow(name: str) -> Callable[..., Any]:
    operator = _operator(name)

    def run(equation: str, operands: list[Any], **named: Any) -> Any:
        dtype = torch.get_autocast_dtype("cpu")
        with _without_autocast():
            return operator(equation, [operand.to(dtype) for operand in operands], **named)

    return run


def _unknown(name: str) -> Callable[..., Any]:
    def run(*given: Any, **named: Any) -> Any:
        raise NotImplementedError(f"autocast of {name} differs between CUDA and the CPU")

    return run


UNKNOWN = sorted(differing().difference(FP32, MAKES_FP32, NARROW, SAME))


@contextmanager
def autocast(dtype: Any) -> Iterator[None]:
    """A context that runs as `torch.autocast("cuda", dtype)` would."""
    lists = torch.library.Library("aten", "IMPL")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the CPU's list has a few of these operators
            for name in FP32:
                lists.impl(name, _cast(name), "AutocastCPU")
            for name in MAKES_FP32:
                lists.impl(name, _made_wide(name), "AutocastCPU")
            for name in NARROW:
                lists.impl(name, _narrow(name), "AutocastCPU")
            for name in UNKNOWN:
                lists.impl(name, _unknown(name), "AutocastCPU")
        with torch.autocast("cpu", dtype=dtype):
            yield
    finally:
        lists._destroy()
