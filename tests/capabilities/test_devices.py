"""Which device is there, and which option of the group gpu it is."""

from __future__ import annotations

import pytest

from sd_bench.capabilities import devices
from sd_bench.capabilities.devices import check_present, option_for
from sd_bench.capabilities.nvidia_driver import Device, parse_nvidia_smi, visible
from sd_bench.errors import ConfigError
from tests.support.composition import Compose

SMI = """\
0, NVIDIA A10G, GPU-aaa1, 8.6, 23028, 535.129.03
1, Tesla T4, GPU-bbb2, 7.5, 15360, 535.129.03
"""


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
