"""PyTorch operators that multiply no matrices: they move, compare, sum or map elements, which model FLOPs leave out.

What is neither here nor in `products` is reported by name, because it may hide a product. An operator that PyTorch tags as
element-wise, or that only views its input, needs no row, nor does the form that works in place.
"""

from __future__ import annotations

from typing import Any

import torch

MOVES = """
affine_grid_generator alias arange as_strided_scatter _assert_async _assert_scalar _assert_tensor_metadata bernoulli bincount
block_diag bucketize cat cauchy channel_shuffle _chunk_cat clone col2im complex constant_pad_nd copy _copy_from
_copy_from_and_resize count_nonzero _cudnn_init_dropout_state _cummax_helper dense_dim diag_embed diagonal_backward
diagonal_copy diagonal_scatter dropout embedding embedding_dense_backward embedding_renorm empty empty_like empty_permuted
empty_strided equal exponential eye fill flip full full_like _functional_assert_async _functional_sym_constrain_range
_functional_sym_constrain_range_for_size _fused_dropout gather geometric hann_window _has_compatible_shallow_copy_type histc
im2col index index_add index_copy index_fill index_put index_reduce index_select is_coalesced is_pinned is_same_size isin item
_jagged_to_padded_dense_forward lift lift_fresh lift_fresh_copy _linalg_check_errors linspace _local_scalar_dense log_normal
logspace lu_unpack _make_dep_token masked_fill _masked_scale masked_scatter masked_scatter_backward masked_select max_unpool2d
max_unpool3d mode multinomial native_dropout native_dropout_backward _nested_tensor_from_mask _nested_tensor_from_tensor_list
new_empty new_empty_strided new_full new_ones new_zeros nonzero nonzero_static normal one_hot ones ones_like
_pack_padded_sequence pad _padded_dense_to_jagged_forward _philox_key_fold_in _philox_key_split _philox_normal _philox_uniform
_pin_memory pixel_shuffle pixel_unshuffle poisson _print put quantize_per_tensor rand rand_like randint randint_like randn
randn_like random randperm reflection_pad1d reflection_pad1d_backward reflection_pad2d reflection_pad2d_backward
reflection_pad3d reflection_pad3d_backward repeat repeat_interleave replication_pad1d replication_pad1d_backward
replication_pad2d replication_pad2d_backward replication_pad3d replication_pad3d_backward _reshape_alias _reshape_copy resize
resize_as _resize_output roll rot90 scalar_tensor scatter scatter_add scatter_reduce searchsorted select_backward
select_scatter set slice_backward slice_scatter sort _sparse_coo_tensor_with_dims_and_tensors sparse_dim _spdiags
split_with_sizes_copy stack _standard_gamma sym_constrain_range sym_constrain_range_for_size take _to_copy _to_dense topk trace
tril tril_indices triu triu_indices unfold_backward uniform _unique _unique2 unique_consecutive unique_dim _unsafe_index
_unsafe_index_put _unsafe_masked_index _unsafe_masked_index_put_accumulate unsafe_split unsafe_split_with_sizes _unsafe_view
where zero zeros zeros_like
"""
SUMS = """
_adaptive_avg_pool2d _adaptive_avg_pool2d_backward _adaptive_avg_pool3d _adaptive_avg_pool3d_backward adaptive_max_pool2d
adaptive_max_pool2d_backward adaptive_max_pool3d adaptive_max_pool3d_backward all amax amin aminmax any argmax argmin argsort
avg_pool1d avg_pool2d avg_pool2d_backward avg_pool3d avg_pool3d_backward batch_norm_backward batch_norm_backward_elemt
_batch_norm_no_update _batch_norm_with_update _batch_norm_with_update_functional binary_cross_entropy
binary_cross_entropy_backward binary_cross_entropy_with_logits _cdist_backward _cdist_forward cross _ctc_loss cudnn_batch_norm
cudnn_batch_norm_backward cummax cummin cumprod cumsum dist _embedding_bag _embedding_bag_backward
_embedding_bag_dense_backward _embedding_bag_forward_only _foreach_norm fractional_max_pool2d _fused_rms_norm
_fused_rms_norm_backward grid_sampler_2d grid_sampler_2d_backward grid_sampler_3d grid_sampler_3d_backward huber_loss
huber_loss_backward kthvalue l1_loss linalg_cross linalg_vector_norm _log_softmax _log_softmax_backward_data logcumsumexp
logsumexp max max_pool2d_with_indices max_pool2d_with_indices_backward max_pool3d_with_indices max_pool3d_with_indices_backward
mean median min miopen_batch_norm miopen_batch_norm_backward mse_loss mse_loss_backward multi_margin_loss
multilabel_margin_loss_forward nanmedian nansum native_batch_norm native_batch_norm_backward _native_batch_norm_legit
_native_batch_norm_legit_functional _native_batch_norm_legit_no_training native_group_norm native_group_norm_backward
native_layer_norm native_layer_norm_backward nll_loss2d_backward nll_loss2d_forward nll_loss_backward nll_loss_forward norm
_pdist_backward _pdist_forward prod renorm rms_norm _safe_softmax segment_reduce _segment_reduce_backward smooth_l1_loss
smooth_l1_loss_backward soft_margin_loss soft_margin_loss_backward _softmax _softmax_backward_data std std_mean sum
upsample_bicubic2d _upsample_bicubic2d_aa upsample_bicubic2d_backward upsample_bilinear2d _upsample_bilinear2d_aa
_upsample_bilinear2d_aa_backward upsample_bilinear2d_backward _upsample_lanczos2d_aa _upsample_lanczos2d_aa_backward
upsample_linear1d upsample_linear1d_backward upsample_nearest1d upsample_nearest1d_backward upsample_nearest2d
upsample_nearest2d_backward upsample_nearest3d upsample_nearest3d_backward _upsample_nearest_exact1d _upsample_nearest_exact2d
_upsample_nearest_exact2d_backward _upsample_nearest_exact3d upsample_trilinear3d upsample_trilinear3d_backward var var_mean
_weight_norm_interface _weight_norm_interface_backward
"""
MAPS = """
_add_relu _amp_foreach_non_finite_check_and_unscale bitwise_and clamp _conj elu elu_backward floor_divide fmod _fused_adam
_fused_adamw _fused_sgd gcd gelu gelu_backward glu glu_backward hardsigmoid hardsigmoid_backward hardswish hardswish_backward
hardtanh hardtanh_backward heaviside lcm leaky_relu leaky_relu_backward log_sigmoid_backward log_sigmoid_forward mish
mish_backward polar _prelu_kernel _prelu_kernel_backward remainder rrelu_with_noise rrelu_with_noise_backward
rrelu_with_noise_functional rsub sigmoid_backward silu silu_backward softplus softplus_backward softshrink softshrink_backward
tanh_backward _thnn_fused_gru_cell _thnn_fused_gru_cell_backward _thnn_fused_lstm_cell _thnn_fused_lstm_cell_backward_impl
threshold threshold_backward view_as_complex view_as_real
"""
WITHOUT_PRODUCTS = frozenset((MOVES + SUMS + MAPS).split())
NAMESPACES = ("aten", "prims", "prim", "c10d_functional", "_c10d_functional", "c10d", "_c10d_functional_autograd", "profiler")


def without_products(operator: Any) -> bool:
    """Whether an operator (an overload) is known to multiply no matrices; in place (`name_`) it does what it does elsewhere."""
    namespace, name = operator.namespace, operator._opname.removesuffix("_")
    if namespace not in NAMESPACES:
        return False
    if namespace != "aten" or name in WITHOUT_PRODUCTS or name.startswith("_foreach_") or name.endswith("_copy"):
        return True
    kin = getattr(torch.ops.aten, name, operator._overloadpacket)
    return any(torch.Tag.pointwise in form.tags or form.is_view for form in (operator, *[getattr(kin, o) for o in _forms(kin)]))


def _forms(packet: Any) -> list[str]:
    """The overloads of a packet that work on tensors."""
    return [name for name in packet.overloads() if hasattr(packet, name)]
