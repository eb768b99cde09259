"""The attention modules: each runs the named kernels, and all compute the same."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from sd_bench.capabilities.torch_compat import (
    TORCH_VERSION,
    math_attention_reduces_in_half,
    sdpa_backends,
    uninitialised,
)
from sd_bench.capabilities.torch_features import can
from sd_bench.implementations.our_networks import build_networks
from sd_bench.measurement.kernel_proof import FUSED_OPERATORS, MATH_OPERATOR, profile_call
from sd_bench.networks import attention as attention_module
from sd_bench.networks.attention import attention_factory, is_unet_attention
from sd_bench.networks.attention_probe import why_backend_fails
from sd_bench.networks.unet import UNet
from sd_bench.weights.random_weights import fill_random
from tests.support.composition import Compose
from tests.support.runnable import CPU_BACKENDS, needs_cpu_flash, needs_sdpa
from tests.support.unet_calls import call

CPU = torch.device("cpu")
BACKENDS_HERE = (*CPU_BACKENDS, "auto")


def full_size_unet(compose_config: Compose, model_version: str, attention: str) -> UNet:
    config = compose_config(f"model_version={model_version}", f"attention={attention}")
    with uninitialised():
        unet = UNet(config.model_version.unet, attention_factory(config.attention))
    unet.to(torch.bfloat16).to_empty(device="cpu")
    fill_random(unet, "model.diffusion_model.", 0)
    return unet.eval()


@needs_cpu_flash
@pytest.mark.slow
@pytest.mark.parametrize("model_version", ["sd1", "sd2"])
def test_a_unet_call_runs_32_operators_of_the_named_kind_and_no_other(
    compose_config: Compose, model_version: str
) -> None:
    unet = full_size_unet(compose_config, model_version, "math")
    assert sum(map(is_unet_attention, unet.modules())) == 32
    expected = {
        "flash": "aten::_scaled_dot_product_flash_attention_for_cpu",
        "math": MATH_OPERATOR,
    }
    for backend, operator in expected.items():
        ran = profile_call(CPU, partial(call, unet, (backend,)))
        assert ran.operators[operator] == 32
        others = {*FUSED_OPERATORS, MATH_OPERATOR} - {operator}
        assert {o: ran.operators[o] for o in others if ran.operators[o]} == {}


@pytest.mark.slow
@pytest.mark.parametrize("model_version", ["sd1", "sd2"])
def test_original_attention_runs_32_softmaxes_and_no_fused_operator(
    compose_config: Compose, model_version: str
) -> None:
    unet = full_size_unet(compose_config, model_version, "original")
    ran = profile_call(CPU, lambda: call(unet, ()))
    assert ran.operators["aten::_softmax"] == 32
    assert ran.operators["aten::bmm"] >= 64
    assert not ran.fused
    assert ran.operators["aten::scaled_dot_product_attention"] == 0


def test_the_native_path_is_never_taken_where_pytorch_would_take_it(tiny: Compose) -> None:
    """PyTorch's own forward takes it for such a module; this module does not."""
    config = tiny("attention=math")
    module = attention_factory(config.attention)(64, 64, 4).eval()
    x = torch.randn(2, 16, 64)
    with torch.no_grad(), sdpa_backends(("math",)):
        mha = module.get_submodule("mha")
        native = profile_call(CPU, lambda: mha(x, x, x, need_weights=False))
        ours = profile_call(CPU, lambda: module(x))
    assert native.fused["native_multi_head_attention"] == 1
    assert ours.fused["native_multi_head_attention"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("model_version", ["sd1_tiny", "sd2_tiny"])
def test_every_backend_gives_the_same_output_from_the_same_weights(
    compose_config: Compose, model_version: str
) -> None:
    outputs = {}
    for backend in BACKENDS_HERE:
        config = compose_config(
            "gpu=cpu", f"model_version={model_version}", "precision=fp32", f"attention={backend}"
        )
        _, unet, _ = build_networks(config, CPU)
        outputs[backend] = call(unet, config.attention.allowed_sdpa_backends, size=16)
    reference = outputs.pop("original")
    for output in outputs.values():
        assert ((output - reference).norm() / reference.norm()).item() < 1e-5


def test_fp32_upcast_and_plain_attention_agree_in_fp32_and_differ_in_bf16() -> None:
    q, k, v = torch.randn(3, 2, 4, 32, 16).unbind()
    plain, upcast = attention_module.unfused, attention_module.unfused_upcast
    torch.testing.assert_close(plain(q, k, v), upcast(q, k, v))
    half = (q.bfloat16(), k.bfloat16(), v.bfloat16())
    exact = plain(q, k, v)
    errors = [(core(*half).float() - exact).norm() for core in (plain, upcast)]
    assert not torch.equal(plain(*half), upcast(*half))
    assert errors[1] < errors[0]


def math_in_bf16(upcast: bool | None) -> torch.Tensor:
    torch.manual_seed(0)
    module = attention_module.MultiheadAttention(64, 64, 4).bfloat16()
    with torch.no_grad(), sdpa_backends(("math",), upcast):
        return module(torch.randn(2, 48, 64).bfloat16() * 8)


def test_math_computes_in_fp32_or_in_half_as_configured() -> None:
    """``optimized_math`` computes in half, as published; PyTorch since 2.5 does not by default."""
    left_alone, half, full = map(math_in_bf16, (None, False, True))
    if can(TORCH_VERSION, "upcast of math attention as a switch"):
        assert torch.equal(left_alone, full)
        assert not torch.equal(half, full)
    else:
        assert torch.equal(left_alone, half)


@needs_sdpa
def test_the_math_upcast_is_put_back() -> None:
    before = math_attention_reduces_in_half()
    for upcast in (True, False, None):
        with sdpa_backends(("math",), upcast):
            pass
        assert math_attention_reduces_in_half() == before


def test_a_softmax_scale_off_by_a_tenth_is_seen_far_above_tolerance(
    tiny: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly uniform attention would hide such an error; these weights do not."""
    _, unet, _ = build_networks(tiny("attention=original"), CPU)
    right = call(unet, (), size=16)
    plain = attention_module.unfused
    for module in unet.modules():
        if isinstance(module, attention_module.CrossAttention):
            monkeypatch.setattr(module, "core", lambda q, k, v: plain(q * 1.1, k, v))
    wrong = call(unet, (), size=16)
    assert ((wrong - right).norm() / right.norm()).item() > 1e-2


@needs_cpu_flash
@pytest.mark.skipif(torch.cuda.is_available(), reason="these backends may run on a GPU")
@pytest.mark.parametrize("backend", ["mem_efficient", "cudnn"])
def test_the_probe_says_why_a_backend_cannot_run(tiny: Compose, backend: str) -> None:
    config = tiny(f"attention={backend}")
    why = why_backend_fails(config.attention, config.model_version.unet, CPU, torch.float32)
    assert why is not None
    assert why.startswith(f"{backend} at head width 16 in torch.float32")


@pytest.mark.parametrize("backend", BACKENDS_HERE)
def test_the_probe_passes_what_runs(tiny: Compose, backend: str) -> None:
    config = tiny(f"attention={backend}")
    unet = config.model_version.unet
    assert why_backend_fails(config.attention, unet, CPU, torch.float32) is None


def test_the_error_for_an_entry_without_code_says_where_it_belongs(
    monkeypatch: pytest.MonkeyPatch, tiny: Compose
) -> None:
    monkeypatch.delitem(attention_module._CORES, "original")
    with pytest.raises(LookupError, match=r"attention=original: has an entry .* _CORES in"):
        attention_factory(tiny("attention=original").attention)


def test_head_widths_are_the_published_ones(compose_config: Compose) -> None:
    sd1, sd2 = (compose_config(f"model_version={m}").model_version.unet for m in ("sd1", "sd2"))
    assert sd1.head_widths == [40, 80, 160]
    assert sd2.head_widths == [64]


@needs_sdpa
def test_sdpa_backends_are_restored_even_after_an_error() -> None:
    def state() -> list[bool]:
        cuda = torch.backends.cuda
        return [cuda.math_sdp_enabled(), cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled()]

    before = state()

    def fail_inside() -> None:
        with sdpa_backends(("flash",)):
            assert state() == [False, True, False]
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert state() == before
