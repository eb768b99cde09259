"""Which class of work a kernel or an operator belongs to, found by its name.

Each library names its kernels by a scheme of its own: cuDNN writes its name into a convolution's
(``volta_fp16_s884cudnn_fp16_...``, ``cutlass_cudnn_infer::Kernel``), cuBLAS the product's kind
(``s16816gemm``), inductor the operators that it fused. So a scheme that says what the kernel does
is asked before words that may mean several things: the ``exp`` of ``..._relu_f2f_exp_small_nhwc``
is a convolution's, its ``nhwc2nchw`` no change of layout.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

CLASSES = (
    "attention", "matrix_products", "convolutions", "normalisation", "element_wise", "copies",
    "other", "idle",
)  # fmt: skip

#: Inside an attention module, the parts of an attention that is computed piece by piece.
BATCHED_PRODUCTS = ("aten::bmm", "aten::baddbmm", "aten::matmul")

_Table = Sequence[tuple[re.Pattern[str], str]]


def _table(*rows: tuple[str, str]) -> _Table:
    """Patterns for names in small letters; the first that is found counts."""
    return [(re.compile(pattern), found) for pattern, found in rows]


#: A product of two matrices, as PyTorch's operators and inductor's kernels name it.
_MM = r"(?<![a-z])(?:add|b|baddb)?mm(?![a-z])"
_NORM = r"norm(?!al)|moments|welford|var_mean"
_SOFTMAX = r"softmax|attention|attn|sdpa|scaled_dot_product|flash"
_ARITHMETIC = r"add|sub|mul|div|exp(?!and)|sin|cos|silu|gelu"

#: An operator of PyTorch or of a library of operators: ``aten::conv2d``, ``xformers::...``.
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

#: What moves memory whichever operator asks for it: the driver's copies and fills, and changes of
#: layout around a convolution (cuDNN, MIOpen).
_MOVES = re.compile(
    r"^\[?(cuda |hip)?mem(cpy|set)|^copy(host|device)to|rocclr_(copy|fill)"
    r"|nchwtonhwc|nhwctonchw|(add|remove)padding|generictranspose|batched_transpose"
    r"|transpose_readwrite|tensortransform|transformtensor|converttensor"
)
_KERNELS = _table(
    (r"compiledfxgraph|compiled region", "other"),
    # inductor's templates compute a product, a convolution or an attention as a whole
    (rf"^triton_tem_\w*(?:{_SOFTMAX})(?<!softmax)", "attention"),
    (rf"^triton_(?:tem_(?!\w*{_MM})\w*conv|conv)", "convolutions"),
    (r"^triton_(?:tem|mm|bmm|addmm|scaled_mm)", "matrix_products"),
    # its other kernels only what it has taken apart; that they feed a convolution says nothing
    (rf"^triton_\w*(?:{_SOFTMAX})", "attention"),
    (rf"^triton_\w*(?:{_NORM})", "normalisation"),
    (r"^triton_", "element_wise"),
    # FlashAttention, cutlass' fmha, cuDNN's sdpa, FlashInfer; then the Triton kernels of xFormers
    # and FlashAttention, and what cuDNN runs beside the backward pass
    (rf"{_SOFTMAX}|fmha|kvcache|(?<![a-z])mha(?![a-z])", "attention"),
    (r"^_?(?:fwd|bwd)_(?:kernel|preprocess)|fwd_kernel_splitk|^_?splitk_reduce", "attention"),
    (r"dot_do_o|convert_dq", "attention"),
    (r"native(?:::|\d+)reduce_kernel", "other"),  # whatever it reduces with, a norm too
    (rf"{_NORM}|(?<![a-z])bn_[fb]w|gammabeta", "normalisation"),
    (r"compute(?:backward)?fusedparams|computeinternalgradients", "normalisation"),
    # cuDNN's other kernels; then convolutions by the algorithm, and by cuDNN's name
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

    ``operator`` launched it (on a CPU it is the operator). It decides where it does one kind of
    work only, such as a convolution whose kernels are named after products; else the name does.
    ``in_attention`` says that it ran in an attention module: there its batched products and its
    element-wise work are attention, its projections are not.
    """
    found = _by_operator(name, operator) or _by_name(name)
    if in_attention and (found == "element_wise" or operator in BATCHED_PRODUCTS):
        return "attention"
    return found


def _by_operator(name: str, operator: str | None) -> str | None:
    """The class that the operator's kernels have, None if it does not tell."""
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
