"""Which operators a network of tensors may use: they compute, and do nothing else.

Names are those of PyTorch's `aten` library without the overload. A name with a `_` at
its end is the same operator working in place. What is left out on purpose reads or
writes files, looks at raw memory, or reaches outside the process.
"""

import re

_ELEMENTWISE = """
abs absolute acos acosh add addcdiv addcmul alias angle arccos arccosh arcsin arcsinh
arctan arctan2 arctanh asin asinh atan atan2 atanh bitwise_and bitwise_left_shift
bitwise_not bitwise_or bitwise_right_shift bitwise_xor ceil celu clamp clamp_max
clamp_min clip copysign cos cosh deg2rad digamma div divide elu eq erf erfc erfinv exp
exp2 expm1 fix float_power floor floor_divide fmax fmin fmod frac ge gelu greater
greater_equal gt hardshrink hardsigmoid hardswish hardtanh heaviside hypot i0 isclose
isfinite isinf isnan isneginf isposinf ldexp le leaky_relu lerp less less_equal lgamma
log log10 log1p log2 log_sigmoid logaddexp logaddexp2 logical_and logical_not logical_or
logical_xor logit lt masked_fill maximum minimum mish mul multiply nan_to_num ne neg
negative not_equal positive pow prelu rad2deg reciprocal relu relu6 remainder rrelu
round rsqrt rsub selu sgn sigmoid sign signbit silu sin sinc sinh softplus softshrink
sqrt square sub subtract tan tanh threshold true_divide trunc where
xlogy glu threshold_ log_sigmoid_forward _softmax _log_softmax softmax log_softmax
special_erf special_erfc special_exp2 special_expit special_expm1 special_log1p
special_log_softmax special_logit special_softmax special_xlogy
"""
_REDUCTIONS = """
all amax amin aminmax any argmax argmin argsort bincount bucketize count_nonzero cummax
cummin cumprod cumsum diff histc kthvalue logcumsumexp logsumexp max mean median min
mode msort nanmean nanmedian nansum norm prod searchsorted sort std std_mean sum topk
unique_consecutive var var_mean linalg_norm linalg_vector_norm linalg_matrix_norm dist
cosine_similarity pairwise_distance cdist _cdist_forward cross linalg_cross trace
"""
_LINEAR = """
addbmm addmm addmv addr baddbmm bilinear bmm chain_matmul dot einsum inner kron linear
linalg_cholesky linalg_det linalg_inv linalg_multi_dot linalg_slogdet linalg_solve
logdet matmul mm mv outer ger tensordot vdot _native_multi_head_attention
scaled_dot_product_attention _scaled_dot_product_flash_attention_for_cpu
_scaled_dot_product_attention_math _safe_softmax
"""
_LAYERS = """
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d
_adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
alpha_dropout avg_pool1d avg_pool2d avg_pool3d batch_norm _native_batch_norm_legit
_native_batch_norm_legit_no_training native_batch_norm channel_shuffle conv1d conv2d
conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution _convolution
cosine_embedding_loss dropout native_dropout embedding embedding_bag
_embedding_bag _embedding_bag_forward_only embedding_renorm feature_alpha_dropout
feature_dropout im2col col2im fractional_max_pool2d grid_sampler grid_sampler_2d
affine_grid_generator group_norm native_group_norm gru gru_cell instance_norm
layer_norm native_layer_norm lstm lstm_cell
max_pool1d max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d
max_pool3d_with_indices max_unpool2d nll_loss one_hot pixel_shuffle
pixel_unshuffle rms_norm _fused_rms_norm rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell
unfold upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d
upsample_nearest2d upsample_nearest3d upsample_trilinear3d _upsample_bilinear2d_aa
_thnn_fused_lstm_cell _thnn_fused_gru_cell _lstm_mps _pack_padded_sequence
_pad_packed_sequence mkldnn_rnn_layer
"""
_SHAPES = """
adjoint arange atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors
broadcast_to cartesian_prod cat chunk clone column_stack combinations concat
concatenate constant_pad_nd contiguous diag diag_embed diagflat diagonal detach dsplit
dstack empty empty_like expand expand_as eye fill flatten flip fliplr flipud full
full_like gather hsplit hstack index index_add index_copy index_fill index_put
index_select is_floating_point is_complex isin lift_fresh lift_fresh_copy linspace
logspace masked_scatter masked_select meshgrid moveaxis movedim mT narrow new_empty
new_full new_ones new_zeros nonzero numel ones ones_like pad _pad_enum _pad_circular
permute pixel_shuffle ravel reflection_pad1d reflection_pad2d reflection_pad3d repeat
repeat_interleave replication_pad1d replication_pad2d replication_pad3d reshape
reshape_as resolve_conj resolve_neg roll rot90 scalar_tensor scatter scatter_add
scatter_reduce select select_scatter size slice slice_scatter split split_with_sizes
squeeze stack swapaxes swapdims sym_numel sym_size sym_stride t take take_along_dim
tensor_split tile transpose tril tril_indices triu triu_indices unbind unflatten
unsafe_chunk unsafe_split unsafe_split_with_sizes _unsafe_view unsqueeze vander view
view_as vsplit vstack zero zeros zeros_like copy copy_ _to_copy to type_as
_assert_tensor_metadata _assert_scalar _assert_async sym_constrain_range
sym_constrain_range_for_size item _local_scalar_dense real imag view_as_real
view_as_complex conj complex polar _reshape_alias lift alias_copy squeeze_copy
transpose_copy permute_copy view_copy expand_copy slice_copy select_copy
unsqueeze_copy t_copy split_copy detach_copy unbind_copy diagonal_copy
"""
ATEN = frozenset(f"{_ELEMENTWISE} {_REDUCTIONS} {_LINEAR} {_LAYERS} {_SHAPES}".split())
# They answer otherwise at each call; a served model must not.
RANDOM = frozenset(
    [
        "bernoulli",
        "multinomial",
        "normal",
        "poisson",
        "rand",
        "rand_like",
        "randint",
        "randint_like",
        "randn",
        "randn_like",
        "randperm",
    ]
)
# What no network needs: files, raw memory, other devices.
_HOSTILE = frozenset(
    ["from_file", "save", "load", "set_", "set", "as_strided_", "from_blob"]
)
# More that TorchScript writes for numbers, text and lists.
SCRIPT = frozenset(
    [
        "__and__",
        "__contains__",
        "__derive_index",
        "__getitem__",
        "__is__",
        "__isnot__",
        "__not__",
        "__or__",
        "__range_length",
        "__xor__",
        "append",
        "Bool",
        "Complex",
        "Float",
        "Int",
        "IntImplicit",
        "FloatImplicit",
        "ScalarImplicit",
        "add_",
        "clear",
        "dict",
        "dim",
        "device",
        "dtype",
        "endswith",
        "eq",
        "extend",
        "format",
        "floordiv",
        "get",
        "insert",
        "is_available",
        "is_scripting",
        "is_floating_point",
        "items",
        "keys",
        "layout",
        "len",
        "list",
        "ord",
        "percentFormat",
        "pop",
        "remove",
        "requires_grad",
        "reverse",
        "slice",
        "sort",
        "sorted",
        "startswith",
        "str",
        "strip",
        "tensor",
        "as_tensor",
        "tuple",
        "update",
        "values",
        "warn",
        "zip",
        "ceil",
        "get_device",
        "is_cuda",
        "is_contiguous",
        "is_grad_enabled",
        "set_grad_enabled",
        "isinstance",
        "grad",
        "numel",
        "element_size",
        "ndimension",
    ]
)
PRIM = frozenset(
    [
        "AutogradZero",
        "BroadcastSizes",
        "CreateObject",
        "ListConstruct",
        "ListUnpack",
        "NumToTensor",
        "RaiseException",
        "TupleConstruct",
        "TupleIndex",
        "TupleUnpack",
        "Uninitialized",
        "abs",
        "data",
        "device",
        "dtype",
        "id",
        "is_cuda",
        "is_nested",
        "itemsize",
        "layout",
        "max",
        "min",
        "name",
        "ndim",
        "raise_exception",
        "requires_grad",
        "shape",
        "tolist",
        "type",
        "unchecked_cast",
        "unchecked_unwrap_optional",
        "is_meta",
        "is_mkldnn",
        "is_quantized",
        "is_sparse",
        "is_cpu",
    ]
)
_EXPORTED = re.compile(
    r"torch\.ops\.([A-Za-z]\w*)\.(?!__)([A-Za-z_]\w*)(?:\.[A-Za-z]\w*)?\Z", re.ASCII
)
_PLAIN_TARGETS = frozenset(
    [
        *(
            f"_operator.{name}"
            for name in [
                "add",
                "and_",
                "eq",
                "floordiv",
                "ge",
                "getitem",
                "gt",
                "le",
                "lt",
                "mod",
                "mul",
                "ne",
                "neg",
                "not_",
                "or_",
                "pos",
                "sub",
                "truediv",
            ]
        ),
        *(f"math.{name}" for name in ("ceil", "floor", "trunc")),
        *(
            f"torch.sym_{name}"
            for name in ("float", "int", "ite", "max", "min", "not", "sqrt", "sum")
        ),
        "torch.ops.higher_order.cond",
        "torch.ops.higher_order.wrap_with_autocast",
        "torch.ops.higher_order.wrap_with_set_grad_enabled",
    ]
)


def is_known(name: str) -> bool:
    """True for an `aten` operator that only computes."""
    if name in _HOSTILE:
        return False
    return name in ATEN or name.removesuffix("_") in ATEN


def is_hostile(name: str) -> bool:
    """True for an `aten` operator that reaches for files or raw memory."""
    return name in _HOSTILE or name.startswith("_test")


def judge_target(target: str) -> str | None:
    """Say what speaks against the target of a node in an exported program.

    Returns:
        None for a known operator; else `random_op`, `unknown_op`, or `dangerous_op`
        for what is no operator at all.
    """
    if target in _PLAIN_TARGETS:
        return None
    match = _EXPORTED.match(target)
    if match is None:
        return "dangerous_op"
    library, name = match.groups()
    if library == "aten":
        return _judge_aten(name)
    return "unknown_op"


def _judge_aten(name: str) -> str | None:
    if is_hostile(name):
        return "dangerous_op"
    if is_known(name):
        return None
    return "random_op" if name.removesuffix("_") in RANDOM else "unknown_op"
