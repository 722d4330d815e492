"""PyTorch operators that multiply no matrices: they move, compare, sum or map elements, which model FLOPs leave out.

What is neither here nor in `products` is reported by name, because it may hide a product. An operator that PyTorch tags as
element-wise, or that only views its input, needs no row.
"""

from __future__ import annotations

from typing import Any

import torch

MOVES = """
affine_grid_generator alias arange as_strided_scatter _assert_async bernoulli bernoulli_ bincount block_diag bucketize cat cauchy_
channel_shuffle clone col2im complex constant_pad_nd copy copy_ _copy_from _copy_from_and_resize count_nonzero _cummax_helper
diag_embed diagonal_backward diagonal_copy diagonal_scatter dropout embedding embedding_dense_backward embedding_renorm_ empty
empty_like empty_permuted empty_strided equal exponential_ eye fill fill_ flip full full_like _fused_dropout gather geometric
geometric_ _has_compatible_shallow_copy_type histc im2col index index_add index_add_ index_copy index_copy_ index_fill index_fill_
index_put index_put_ index_select isin item lift lift_fresh lift_fresh_copy linspace _local_scalar_dense log_normal_ logspace
masked_fill_ masked_scatter masked_scatter_ masked_scatter_backward
masked_select mode multinomial native_dropout native_dropout_backward
_nested_tensor_from_mask new_empty new_empty_strided new_full new_ones new_zeros nonzero nonzero_static normal normal_ one_hot
ones ones_like pad _pin_memory pixel_shuffle pixel_unshuffle put rand rand_like randint randint_like randn randn_like random_
randperm reflection_pad1d reflection_pad1d_backward reflection_pad2d reflection_pad2d_backward repeat repeat_interleave
replication_pad1d replication_pad1d_backward replication_pad2d replication_pad2d_backward _reshape_alias _reshape_copy resize
resize_ resize_as_ _resize_output_ roll rot90 scalar_tensor scatter scatter_ scatter_add scatter_add_ scatter_reduce
scatter_reduce_ searchsorted select_backward select_scatter set_ slice_backward slice_scatter sort split_with_sizes_copy stack
take _to_copy topk trace tril tril_ tril_indices triu triu_ triu_indices unfold_backward uniform uniform_ _unique _unique2
unique_consecutive unique_dim _unsafe_index _unsafe_index_put _unsafe_masked_index _unsafe_masked_index_put_accumulate
_unsafe_view where zero_ zeros zeros_like
"""
SUMS = """
_adaptive_avg_pool2d _adaptive_avg_pool2d_backward _adaptive_avg_pool3d _adaptive_avg_pool3d_backward adaptive_max_pool2d
adaptive_max_pool2d_backward all amax amin aminmax any argmax argmin argsort avg_pool1d avg_pool2d avg_pool2d_backward avg_pool3d
avg_pool3d_backward batch_norm_backward batch_norm_backward_elemt _batch_norm_no_update _batch_norm_with_update
binary_cross_entropy binary_cross_entropy_backward binary_cross_entropy_with_logits _cdist_backward _cdist_forward cross _ctc_loss
cudnn_batch_norm cudnn_batch_norm_backward cummax cummin cumprod cumsum _foreach_norm _fused_rms_norm _fused_rms_norm_backward
grid_sampler_2d grid_sampler_2d_backward huber_loss huber_loss_backward kthvalue l1_loss linalg_vector_norm _log_softmax
_log_softmax_backward_data logcumsumexp logsumexp max max_pool2d_with_indices max_pool2d_with_indices_backward
max_pool3d_with_indices max_pool3d_with_indices_backward mean median min mse_loss mse_loss_backward native_batch_norm
native_batch_norm_backward _native_batch_norm_legit _native_batch_norm_legit_no_training native_group_norm
native_group_norm_backward native_layer_norm native_layer_norm_backward nll_loss2d_backward nll_loss2d_forward nll_loss_backward
nll_loss_forward norm _pdist_forward prod rms_norm _safe_softmax smooth_l1_loss smooth_l1_loss_backward _softmax
_softmax_backward_data std std_mean sum upsample_bicubic2d upsample_bicubic2d_backward upsample_bilinear2d
upsample_bilinear2d_backward upsample_linear1d upsample_linear1d_backward upsample_nearest1d upsample_nearest1d_backward
upsample_nearest2d upsample_nearest2d_backward upsample_nearest3d upsample_nearest3d_backward var var_mean _weight_norm_interface
_weight_norm_interface_backward
"""
MAPS = """
bitwise_and clamp clamp_ _conj elu elu_backward floor_divide floor_divide_ fmod _fused_adam_ _fused_adamw_ _fused_sgd_ gelu
gelu_backward glu glu_backward hardsigmoid hardsigmoid_backward hardswish hardswish_backward hardtanh hardtanh_backward leaky_relu
leaky_relu_backward log_sigmoid_backward log_sigmoid_forward mish mish_backward polar _prelu_kernel _prelu_kernel_backward
remainder rrelu_with_noise rsub sigmoid_backward silu silu_backward softplus softplus_backward softshrink softshrink_backward
tanh_backward _thnn_fused_gru_cell _thnn_fused_gru_cell_backward _thnn_fused_lstm_cell _thnn_fused_lstm_cell_backward_impl
threshold threshold_backward view_as_complex view_as_real
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
