"""Kernels' and operators' names map to classes: real names, and each library's scheme."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sd_bench.measurement.kernel_names import CLASSES, class_of

SUPPORT = Path(__file__).parents[1] / "support"


def names_in(file: str) -> list[tuple[str, str]]:
    with (SUPPORT / file).open(newline="", encoding="utf-8") as stream:
        return [(row["kernel"], row["expected_class"]) for row in csv.DictReader(stream)]


def wrong_in(file: str) -> list[str]:
    wrong = [(name, cls, class_of(name)) for name, cls in names_in(file) if class_of(name) != cls]
    return [f"{expected}, not {found}: {name}" for name, expected, found in wrong]


def test_real_names_have_their_class() -> None:
    """343 names of public traces, issues and profiles, of P100 to B200 and of ROCm.

    One kernel of cuDNN is there twice, as a convolution in fp32 and as something else in fp16.
    Everything with the name of FBGEMM counts as a product.
    """
    assert len(names_in("kernel_names.csv")) == 343
    wrong = wrong_in("kernel_names.csv")
    assert len(wrong) <= 1, "\n".join(wrong)


def test_names_by_each_librarys_scheme_have_their_class() -> None:
    """Names built by each library's scheme, none of which is in the other list."""
    real = {name for name, _ in names_in("kernel_names.csv")}
    ours = names_in("kernel_names_by_scheme.csv")
    assert len(ours) > 150
    assert not real & {name for name, _ in ours}
    assert {expected for _, expected in ours} == set(CLASSES) - {"idle"}
    wrong = wrong_in("kernel_names_by_scheme.csv")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("name", "operator", "expected"),
    [
        # the kernels of a convolution are named after products, and whatever their layout
        ("ampere_fp16_s16816gemm_fp16_128x64_ldg8_f2f_tn", "aten::cudnn_convolution",
         "convolutions"),
        ("volta_cgemm_64x32_tn", "aten::cudnn_convolution", "convolutions"),
        ("volta_fp16_s884cudnn_fp16_256x64_ldg8_relu_f2f_exp_small_nhwc2nchw_tn_v1",
         "aten::cudnn_convolution", "convolutions"),
        ("void cudnn::ops::nchwToNhwcKernel<__half>", "aten::cudnn_convolution", "copies"),
        ("void cudnn::ops::nhwcAddPaddingKernel<__half>", "aten::cudnn_convolution", "copies"),
        ("Memset (Device)", "aten::cudnn_convolution", "copies"),
        # a normalisation's own element-wise part, a product's own reduction
        ("void at::native::vectorized_elementwise_kernel<4, Anonymous>", "aten::native_group_norm",
         "normalisation"),
        ("void at::native::reduce_kernel<512, 1, ReduceOp>", "aten::native_layer_norm",
         "normalisation"),
        ("void at::native::reduce_kernel<512, 1, ReduceOp>", "aten::mean", "other"),
        ("void nameless_kernel<float>", "aten::addmm", "matrix_products"),
        ("void nameless_kernel<float>", "xformers_flash::flash_fwd", "attention"),
        ("void nameless_kernel<float>", "aten::_scaled_dot_product_cudnn_attention", "attention"),
        ("void nameless_kernel<float>", "aten::upsample_nearest2d", "element_wise"),
        # what is not an operator does not decide
        ("triton_poi_fused_convolution_silu_3", "triton_poi_fused_convolution_silu_3",
         "element_wise"),
        ("volta_fp16_s884gemm_fp16_128x64_ldg8_f2f_tn", "## Call CompiledFxGraph conv ##",
         "matrix_products"),
        ("volta_fp16_s884gemm_fp16_128x64_ldg8_f2f_tn", "", "matrix_products"),
        ("volta_fp16_s884gemm_fp16_128x64_ldg8_f2f_tn", "aten::view", "matrix_products"),
    ],
)  # fmt: skip
def test_the_operator_decides_before_the_name(name: str, operator: str, expected: str) -> None:
    assert class_of(name, operator) == expected


def test_in_an_attention_module_its_products_and_its_arithmetic_are_attention() -> None:
    gemm, scaling = "volta_fp16_s884gemm_fp16_128x64_ldg8_f2f_tn", "elementwise_kernel<MulFunctor>"
    assert class_of(gemm, "aten::bmm", in_attention=True) == "attention"
    assert class_of(scaling, "aten::mul", in_attention=True) == "attention"
    assert class_of(gemm, "aten::addmm", in_attention=True) == "matrix_products"
    assert class_of(gemm, "aten::bmm") == "matrix_products"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<64>>", "attention"),
        ("fmha_cutlassF_f16_aligned_64x64_rf_sm80(PyTorchMemEffAttention)", "attention"),
        ("cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16", "attention"),
        ("void (anonymous)::softmax_warp_forward<c10::Half, float>", "attention"),
        ("sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_nhwckrsc", "convolutions"),
        ("void implicit_convolve_sgemm<float, 128>", "convolutions"),
        ("ampere_fp16_s16816gemm_fp16_128x64_ldg8_f2f_stages_64x4_tn", "matrix_products"),
        ("nvjet_hsh_128x256_64x4_1x2_h_bz_coopA_TNT", "matrix_products"),
        ("void cublasLt::splitKreduce_kernel<32, 16, int>", "matrix_products"),
        ("void at::native::RowwiseMomentsCUDAKernel<c10::Half>", "normalisation"),
        ("void at::native::vectorized_layer_norm_kernel<float>", "normalisation"),
        ("void at::native::vectorized_elementwise_kernel<4, CUDAFunctor_add<Half>>",
         "element_wise"),
        ("void at::native::unrolled_elementwise_kernel<direct_copy_kernel_cuda>", "copies"),
        ("void cudnn::engines_precompiled::nchwToNhwcKernel<__half>", "copies"),
        ("void at::native::CatArrayBatchedCopy<OpaqueType<2u>>", "copies"),
        ("Memcpy DtoD (Device -> Device)", "copies"),
        ("triton_poi_fused_convolution_silu_3", "element_wise"),
        ("triton_red_fused_native_group_norm_7", "normalisation"),
        ("triton_per_fused__softmax_2", "attention"),
        ("triton_tem_fused_addmm_1", "matrix_products"),
        ("aten::mkldnn_convolution", "convolutions"),
        ("aten::addmm", "matrix_products"),
        ("aten::_softmax", "attention"),
        ("aten::native_group_norm", "normalisation"),
        ("aten::expand", "other"),
        ("aten::upsample_bilinear2d", "element_wise"),
        ("aten::cudnn_is_acceptable", "other"),
        ("aten::cudnn_batch_norm", "normalisation"),
        ("aten::_efficient_attention_forward", "attention"),
        ("mkldnn::_linear_pointwise", "matrix_products"),
        ("mkldnn::_convolution_pointwise", "convolutions"),
        ("Torch-Compiled Region: 0/0", "other"),
    ],
)  # fmt: skip
def test_operators_and_kernels_have_their_class(name: str, expected: str) -> None:
    assert class_of(name) == expected
