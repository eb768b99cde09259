"""What cannot run where, and which device is there."""

from __future__ import annotations

import pytest

from sd_bench.capabilities import devices
from sd_bench.capabilities.devices import check_present, option_for
from sd_bench.capabilities.nvidia_driver import Device, parse_nvidia_smi, visible
from sd_bench.capabilities.support_rules import Host, unsupported_reason, with_stand_ins
from sd_bench.errors import ConfigError
from tests.support.composition import Compose


def host(kind: str = "cuda", capability: str = "8.0", torch: str = "2.5", **facts: bool) -> Host:
    def pair(version: str) -> tuple[int, int]:
        major, minor = version.split(".")
        return int(major), int(minor)

    known = {"has_xformers": True, "has_compiler": True, **facts}
    return Host(
        kind=kind,
        capability=pair(capability) if kind == "cuda" else None,
        torch=pair(torch),
        **known,
    )


@pytest.mark.parametrize(
    ("overrides", "where", "words"),
    [
        ("attention=flash", host(), None),
        ("attention=flash", host(capability="7.5"), "needs compute capability 8.0"),
        ("attention=flash", host(capability="7.5", torch="2.0"), None),
        ("attention=flash", host(capability="7.0", torch="2.0"), "needs compute capability 7.5"),
        ("attention=flash precision=fp32", host(), "not in fp32"),
        ("attention=math precision=fp32", host(), None),
        ("attention.upcast=true", host(torch="2.4"), "in fp32 from PyTorch 2.5 on"),
        ("attention.upcast=true", host(torch="2.5"), None),
        ("attention.upcast=false", host(torch="2.4"), None),
        ("attention=cudnn", host(torch="2.4"), "cuDNN attention needs PyTorch 2.5"),
        ("attention=cudnn", host(capability="7.0"), "needs compute capability 8.0"),
        ("attention=mem_efficient", host(capability="6.0"), None),
        ("attention=mem_efficient", host("cpu"), "needs a CUDA device"),
        ("attention=xformers", host(), None),
        ("attention=xformers", host(has_xformers=False), "pip install 'sd_bench[xformers]'"),
        ("attention=xformers", host("cpu"), "no attention operator for the CPU"),
        ("attention=flash", host(torch="1.12"), "no scaled_dot_product_attention"),
        ("attention=math", host(torch="1.12", capability="7.0"), None),
        (
            "attention=original",
            host(torch="1.12", capability="9.0"),
            "stop at compute capability 8.6",
        ),
        ("attention=flash", host("cpu", torch="2.0"), "needs PyTorch 2.1"),
        ("attention=flash", host("cpu", torch="2.1"), None),
        ("precision=autocast", host("cpu", torch="1.12"), None),
        ("precision=autocast", host("cpu", torch="2.0"), "cannot autocast attention"),
        ("precision=autocast", host("cpu", torch="2.1"), None),
        ("precision=autocast", host(torch="2.0"), None),
        ("compile=default", host(torch="1.12", capability="7.0"), "torch.compile needs PyTorch 2"),
        ("compile=default", host(capability="6.0"), "needs compute capability 7.0"),
        ("compile=default", host("cpu", has_compiler=False), "install g++"),
        ("precision=bf16", host(capability="7.5"), "bf16 needs compute capability 8.0"),
        ("precision=fp16", host("cpu", torch="1.12"), "fp16 on a CPU needs PyTorch 2.2"),
    ],
)
def test_a_cell_that_cannot_run_has_its_reason(
    compose_config: Compose, overrides: str, where: Host, words: str | None
) -> None:
    config = compose_config("gpu=a100", "attention=math", *overrides.split())
    reason = unsupported_reason(config, where)
    assert (reason is None) if words is None else (reason is not None and words in reason)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("Tesla P100-PCIE-16GB", "p100"),
        ("Tesla T4", "t4"),
        ("Tesla V100-SXM2-16GB", "v100"),
        ("NVIDIA A10", "a10"),
        ("NVIDIA A10G", "a10g"),
        ("NVIDIA A100-SXM4-40GB", "a100"),
        ("NVIDIA A100 80GB PCIe", "a100"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA L40S", "cuda"),
        ("NVIDIA GeForce RTX 3090", "rtx_3090"),
        ("NVIDIA GeForce RTX 3090 Ti", "cuda"),
        ("NVIDIA GeForce GTX 1080", "cuda"),
    ],
)
def test_a_drivers_name_finds_its_option(name: str, option: str) -> None:
    assert option_for(name) == option


SMI = """\
0, NVIDIA A10G, GPU-aaa1, 8.6, 23028, 535.129.03
1, Tesla T4, GPU-bbb2, 7.5, 15360, 535.129.03
"""


def test_nvidia_smi_and_the_selection_of_devices() -> None:
    both = parse_nvidia_smi(SMI)
    assert [d.name for d in both] == ["NVIDIA A10G", "Tesla T4"]
    assert both[1].compute_capability == "7.5"
    assert visible(both, None) == both
    assert visible(both, "") == ()
    assert visible(both, "1") == both[1:]
    assert visible(both, "1,0") == (both[1], both[0])
    assert visible(both, "GPU-bbb") == both[1:]
    assert visible(both, "0,7,1") == both[:1]
    assert parse_nvidia_smi("No devices were found\n") == ()


def test_naming_a_device_that_is_not_there_is_an_error(
    compose_config: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    a100 = compose_config("gpu=a100").gpu
    monkeypatch.setattr(devices, "cuda_devices", tuple)
    with pytest.raises(ConfigError, match="gpu=a100: this machine has no CUDA device"):
        check_present(a100)
    there = parse_nvidia_smi(SMI)
    monkeypatch.setattr(devices, "cuda_devices", lambda: there)
    with pytest.raises(ConfigError, match="the device here is 'NVIDIA A10G'; use gpu=a10g"):
        check_present(a100)
    check_present(compose_config("gpu=a10g").gpu)
    check_present(compose_config("gpu=cuda").gpu)
    check_present(compose_config("gpu=cpu").gpu)


def test_auto_is_the_device_that_is_there(
    compose_config: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "cuda_devices", tuple)
    assert compose_config().gpu.name == "cpu"
    t4 = Device(
        index="0", name="Tesla T4", uuid="GPU-1", compute_capability="7.5", memory_mib="15360",
        driver="535",
    )  # fmt: skip
    monkeypatch.setattr(devices, "cuda_devices", lambda: (t4,))
    assert compose_config().gpu.name == "t4"
    assert compose_config().workload.height == 512
    assert compose_config("gpu=cpu").workload.height == 128


def test_the_original_code_stands_in_for_itself_on_newer_devices() -> None:
    names = "original_no_xformers,original,optimized"
    both = "original_no_xformers,original_no_xformers_pt2,original,original_pt2,optimized"
    assert with_stand_ins(names, None) == names
    assert with_stand_ins(names, (8, 6)) == names
    assert with_stand_ins(names, (8, 9)) == both
    assert with_stand_ins(names, (9, 0)) == both


def test_before_pytorch_2_auto_is_the_one_attention_there_is(compose_config: Compose) -> None:
    old = host(kind="cpu", torch="1.12")
    assert unsupported_reason(compose_config("attention=auto"), old) is None
    without_flash = compose_config("attention=auto", "attention.disable_flash=true")
    assert "no attention backends to switch off" in str(unsupported_reason(without_flash, old))
    assert unsupported_reason(without_flash, host(kind="cpu")) is None
