"""PyTorch operators that multiply no matrices: they move, compare, sum or map elements, which model FLOPs leave out.

What is neither here nor in `products` is reported by name, because it may hide a product. An operator that PyTorch tags as
element-wise, or that only views its input, needs no row.
"""

from __future__ import annotations

from typing import Any

import torch

MOVES = """
_assert_async _copy_from _copy_from_and_resize _fused_dropout _has_compatible_shallow_copy_type _local_scalar_dense _pin_memory
_reshape_alias _reshape_copy _resize_output_ _to_copy _unsafe_index _unsafe_index_put _unsafe_masked_index
_unsafe_masked_index_put_accumulate _unsafe_view affine_grid_generator alias arange as_strided_scatter bernoulli bincount
block_diag bucketize cat channel_shuffle clone col2im complex constant_pad_nd copy copy_ count_nonzero diag_embed
diagonal_backward diagonal_copy diagonal_scatter dropout embedding embedding_dense_backward embedding_renorm_ empty empty_like
empty_permuted empty_strided equal exponential_ eye fill fill_ flip full full_like gather geometric_ histc im2col index index_add
index_add_ index_copy index_copy_ index_fill index_fill_ index_put index_put_ index_select isin item lift lift_fresh
lift_fresh_copy linspace logspace masked_scatter masked_scatter_ masked_scatter_backward masked_select mode multinomial
native_dropout native_dropout_backward new_empty new_empty_strided new_full new_ones new_zeros nonzero nonzero_static normal
normal_ ones ones_like one_hot pad pixel_shuffle pixel_unshuffle put rand rand_like randint randint_like randn randn_like random_
randperm reflection_pad1d reflection_pad1d_backward reflection_pad2d reflection_pad2d_backward repeat repeat_interleave
replication_pad1d replication_pad1d_backward replication_pad2d replication_pad2d_backward resize_ resize_as_ roll rot90
scalar_tensor scatter scatter_ scatter_add scatter_add_ scatter_reduce scatter_reduce_ searchsorted select_backward select_scatter
set_ slice_backward slice_scatter sort split_with_sizes_copy stack take topk trace tril tril_ tril_indices triu triu_ triu_indices
unfold_backward uniform uniform_ unique_consecutive unique_dim _unique2 where zero_ zeros zeros_like
"""
SUMS = """
_adaptive_avg_pool2d _adaptive_avg_pool2d_backward _adaptive_avg_pool3d _adaptive_avg_pool3d_backward _foreach_norm _log_softmax
_log_softmax_backward_data _safe_softmax _softmax _softmax_backward_data _weight_norm_interface _weight_norm_interface_backward
adaptive_max_pool2d adaptive_max_pool2d_backward all amax amin aminmax any argmax argmin argsort avg_pool1d avg_pool2d
avg_pool2d_backward avg_pool3d avg_pool3d_backward batch_norm_backward_elemt binary_cross_entropy binary_cross_entropy_backward
binary_cross_entropy_with_logits cudnn_batch_norm cudnn_batch_norm_backward cummax cummin cumprod cumsum grid_sampler_2d
grid_sampler_2d_backward huber_loss huber_loss_backward kthvalue l1_loss linalg_vector_norm logcumsumexp logsumexp max
max_pool2d_with_indices max_pool2d_with_indices_backward max_pool3d_with_indices max_pool3d_with_indices_backward mean median min
mse_loss mse_loss_backward native_batch_norm native_batch_norm_backward _native_batch_norm_legit
_native_batch_norm_legit_no_training _batch_norm_with_update _batch_norm_no_update batch_norm_backward native_group_norm
native_group_norm_backward native_layer_norm native_layer_norm_backward nll_loss2d_backward nll_loss2d_forward nll_loss_backward
nll_loss_forward norm prod rms_norm _fused_rms_norm _fused_rms_norm_backward smooth_l1_loss smooth_l1_loss_backward std std_mean
sum upsample_bicubic2d upsample_bicubic2d_backward upsample_bilinear2d upsample_bilinear2d_backward upsample_linear1d
upsample_linear1d_backward upsample_nearest1d upsample_nearest1d_backward upsample_nearest2d upsample_nearest2d_backward
upsample_nearest3d upsample_nearest3d_backward var var_mean
"""
MAPS = """
_conj _fused_adam_ _fused_adamw_ _fused_sgd_ _prelu_kernel _prelu_kernel_backward _thnn_fused_gru_cell
_thnn_fused_gru_cell_backward _thnn_fused_lstm_cell _thnn_fused_lstm_cell_backward_impl clamp clamp_ elu elu_backward gelu
gelu_backward glu glu_backward hardsigmoid hardsigmoid_backward hardswish hardswish_backward hardtanh hardtanh_backward leaky_relu
leaky_relu_backward log_sigmoid_backward log_sigmoid_forward mish mish_backward polar rrelu_with_noise rsub sigmoid_backward silu
silu_backward softplus softplus_backward softshrink softshrink_backward tanh_backward threshold threshold_backward view_as_complex
view_as_real
"""
WITHOUT_PRODUCTS = frozenset((MOVES + SUMS + MAPS).split())
NAMESPACES = ("aten", "prims", "prim", "c10d_functional", "_c10d_functional", "c10d", "_c10d_functional_autograd", "profiler")


def without_products(operator: Any) -> bool:
    """Whether an operator (an overload) is known to multiply no matrices."""
    namespace, name = operator.namespace, operator._opname
    if namespace not in NAMESPACES:
        return False
    if namespace != "aten" or name in WITHOUT_PRODUCTS or name.startswith("_foreach_"):
        return True
    return torch.Tag.pointwise in operator.tags or operator.is_view or name.removesuffix("_copy") != name
