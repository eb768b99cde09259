"""Which class of work a kernel or an operator belongs to, found by its name.

Each library has its own naming scheme: cuDNN puts its own name into a convolution's
(``volta_fp16_s884cudnn_fp16_...``, ``cutlass_cudnn_infer::Kernel``), cuBLAS the kind of product
(``s16816gemm``), inductor the operators that it fused. So patterns for a whole scheme come before
words with several meanings: ``..._relu_f2f_exp_small_nhwc`` is a convolution despite its ``exp``,
and ``nhwc2nchw`` in its name does not mean a change of layout.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

CLASSES = (
    "attention", "matrix_products", "convolutions", "normalisation", "element_wise", "copies",
    "other", "idle",
)  # fmt: skip

#: Inside an attention module these compute an attention that is not fused.
BATCHED_PRODUCTS = ("aten::bmm", "aten::baddbmm", "aten::matmul")

_Table = Sequence[tuple[re.Pattern[str], str]]


def _table(*rows: tuple[str, str]) -> _Table:
    """Compiled patterns for lower-case names; the first match counts."""
    return [(re.compile(pattern), found) for pattern, found in rows]


#: A matrix product in the names of PyTorch's operators and inductor's kernels.
_MM = r"(?<![a-z])(?:add|b|baddb)?mm(?![a-z])"
_NORM = r"norm(?!al)|moments|welford|var_mean"
_SOFTMAX = r"softmax|attention|attn|sdpa|scaled_dot_product|flash"
_ARITHMETIC = r"add|sub|mul|div|exp(?!and)|sin|cos|silu|gelu"

#: An operator of PyTorch or another library: ``aten::conv2d``, ``xformers::...``.
_OPERATOR_NAME = re.compile(r"[a-z0-9_]+::[a-z0-9_.]+")
_OPERATORS = _table(
    (rf"{_SOFTMAX}|fmha|multi_head|^xformers", "attention"),
    (_NORM, "normalisation"),
    (r"upsample|interpolate", "element_wise"),
    (r"conv(?!ert)|im2col|winograd", "convolutions"),
    (rf"gemm|gemv|matmul|linear|einsum|{_MM}", "matrix_products"),
    (r"copy|memcpy|memset|clone|contiguous|fill|zero_|pad", "copies"),
    (r"::(cat|stack|to)$", "copies"),
    (rf"elementwise|{_ARITHMETIC}", "element_wise"),
)

#: Kernels that move memory, whichever operator launched them: the driver's copies and fills, and
#: layout changes around a convolution (cuDNN, MIOpen).
_MOVES = re.compile(
    r"^\[?(cuda |hip)?mem(cpy|set)|^copy(host|device)to|rocclr_(copy|fill)"
    r"|nchwtonhwc|nhwctonchw|(add|remove)padding|generictranspose|batched_transpose"
    r"|transpose_readwrite|tensortransform|transformtensor|converttensor"
)
_KERNELS = _table(
    (r"compiledfxgraph|compiled region", "other"),
    # inductor's templates compute a whole product, convolution or attention
    (rf"^triton_tem_\w*(?:{_SOFTMAX})(?<!softmax)", "attention"),
    (rf"^triton_(?:tem_(?!\w*{_MM})\w*conv|conv)", "convolutions"),
    (r"^triton_(?:tem|mm|bmm|addmm|scaled_mm)", "matrix_products"),
    # its other kernels compute fused pieces; a convolution in their name is only what they feed
    (rf"^triton_\w*(?:{_SOFTMAX})", "attention"),
    (rf"^triton_\w*(?:{_NORM})", "normalisation"),
    (r"^triton_", "element_wise"),
    # FlashAttention, CUTLASS's fmha, cuDNN's sdpa, FlashInfer; then the Triton kernels of xFormers
    # and FlashAttention, and cuDNN's helper kernels of the backward pass
    (rf"{_SOFTMAX}|fmha|kvcache|(?<![a-z])mha(?![a-z])", "attention"),
    (r"^_?(?:fwd|bwd)_(?:kernel|preprocess)|fwd_kernel_splitk|^_?splitk_reduce", "attention"),
    (r"dot_do_o|convert_dq", "attention"),
    (r"native(?:::|\d+)reduce_kernel", "other"),  # whatever the reduction, even a norm
    (rf"{_NORM}|(?<![a-z])bn_[fb]w|gammabeta", "normalisation"),
    (r"compute(?:backward)?fusedparams|computeinternalgradients", "normalisation"),
    # cuDNN's other kernels; then convolutions, by algorithm or by cuDNN's own name
    (r"pool", "other"),
    (r"op_(?:generic_)?tensor_?kernel|add_?tensor_?kernel|activation_[fb]w", "element_wise"),
    (r"lstm|(?<![a-z])(?:gru|rnn)", "other"),
    (r"conv(?!ert)|fprop|[dw]grad|winograd|im2col|vol2col|col2im|implicit_gemm", "convolutions"),
    (r"fft[23]d_|flip_filter|mult_and_sum_complex|krsc|igemm_(?:fwd|bwd|wrw)", "convolutions"),
    (r"compute(?:wgrad)?(?:splitk)?b?offsets|first_layer_|cudnn", "convolutions"),
    (rf"gemm|gemv|matmul|splitk|nvjet|cublas|cutlass|xmma|tensorop(?!with)|cijk_|{_MM}",
     "matrix_products"),
    (r"(?<![a-z])linear(?![a-z])|(?<![a-z])dot_kernel", "matrix_products"),
    (r"copy|memcpy|memset|clone|contiguous|(?<!pre)fill|zero_|pad|catarray|transpose", "copies"),
    (r"elementwise|pointwise|multi_tensor|opwithscalar|upsample|dropout|rotary", "element_wise"),
    (r"index(?:select|func)|embedding|(?<![a-z])cub(?![a-z])|sort|scan|nccl", "other"),
    (_ARITHMETIC, "element_wise"),
)  # fmt: skip


def class_of(name: str, operator: str | None = None, in_attention: bool = False) -> str:
    """The class of a kernel, or of an operator on a CPU.

    ``operator`` launched the kernel; on a CPU it is the operator itself. It decides the class if
    it does only one kind of work (a convolution's kernels may be named after products); otherwise
    the name does. With ``in_attention``, for work inside an attention module, batched products and
    element-wise work count as attention, projections do not.
    """
    found = _by_operator(name, operator) or _by_name(name)
    if in_attention and (found == "element_wise" or operator in BATCHED_PRODUCTS):
        return "attention"
    return found


def _by_operator(name: str, operator: str | None) -> str | None:
    """The class of the operator's kernels, or None if the operator does not determine it."""
    if not operator or not _OPERATOR_NAME.fullmatch(operator):
        return None
    if _MOVES.search(name.lower()):
        return "copies"
    return _first(_OPERATORS, operator)


def _by_name(name: str) -> str:
    lower = name.lower()
    if _OPERATOR_NAME.fullmatch(name):
        return _first(_OPERATORS, lower) or "other"
    if _MOVES.search(lower):
        return "copies"
    return _first(_KERNELS, lower) or "other"


def _first(table: _Table, name: str) -> str | None:
    return next((found for pattern, found in table if pattern.search(name)), None)
