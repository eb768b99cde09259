"""Which device is present, and which option of the group gpu it is."""

from __future__ import annotations

import re

import pytest
import yaml

from sd_bench.capabilities import devices
from sd_bench.capabilities.devices import check_present, option_for
from sd_bench.capabilities.nvidia_driver import Device, parse_nvidia_smi, visible
from sd_bench.devices_table import list_capabilities
from sd_bench.errors import ConfigError
from sd_bench.paths import CONF_DIR
from tests.support.composition import Compose

SMI = """\
0, NVIDIA A10G, GPU-aaa1, 8.6, 23028, 535.129.03
1, Tesla T4, GPU-bbb2, 7.5, 15360, 535.129.03
"""


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("Tesla P100-SXM2-16GB", "p100"),
        ("Tesla P100-PCIE-16GB", "p100_pcie"),
        ("Tesla P100-PCIE-12GB", "cuda"),
        ("Tesla T4", "t4"),
        ("NVIDIA T4G", "t4g"),
        ("GRID T4-16C", "cuda"),
        ("Tesla V100-SXM2-16GB", "v100"),
        ("Tesla V100-SXM2-32GB", "v100_32gb"),
        ("Tesla V100-PCIE-16GB", "v100_pcie"),
        ("Tesla V100S-PCIE-32GB", "cuda"),
        ("NVIDIA A10", "a10"),
        ("NVIDIA A10-24Q", "cuda"),
        ("NVIDIA A10G", "a10g"),
        ("A100-SXM4-40GB", "a100"),
        ("NVIDIA A100-SXM4-40GB", "a100"),
        ("NVIDIA A100-PCIE-40GB", "a100"),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", "cuda"),
        ("GRID A100-40C", "cuda"),
        ("NVIDIA A100-SXM4-80GB", "a100_80gb"),
        ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", "cuda"),
        ("NVIDIA A100 80GB PCIe", "a100_80gb_pcie"),
        ("NVIDIA A800-SXM4-80GB", "cuda"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "cuda"),
        ("NVIDIA H100 PCIe", "h100_pcie"),
        ("NVIDIA H100 NVL", "h100_nvl"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA H200 NVL", "h200_nvl"),
        ("NVIDIA GH200 480GB", "gh200"),
        ("NVIDIA GH200 144G HBM3e", "cuda"),
        ("NVIDIA B200", "b200"),
        ("NVIDIA GB200", "cuda"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA L40", "cuda"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA RTX A6000", "a6000"),
        ("NVIDIA RTX 6000 Ada Generation", "cuda"),
        ("NVIDIA GeForce RTX 3090", "rtx_3090"),
        ("NVIDIA GeForce RTX 3090 Ti", "cuda"),
        ("NVIDIA GeForce RTX 4080", "rtx_4080"),
        ("NVIDIA GeForce RTX 4080 SUPER", "cuda"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "cuda"),
        ("NVIDIA GeForce RTX 5090", "rtx_5090"),
        ("NVIDIA GeForce RTX 5090 D", "cuda"),
        ("NVIDIA GeForce GTX 1080", "cuda"),
    ],
)
def test_a_drivers_name_finds_its_option(name: str, option: str) -> None:
    assert option_for(name) == option


@pytest.mark.parametrize("option", sorted(list_capabilities()))
def test_a_device_of_the_table_has_facts_that_fit_together(option: str) -> None:
    """Rates are dense, with fp32 accumulation: sparse rates would be twice as high."""
    text = (CONF_DIR / "gpu" / f"{option}.yaml").read_text()
    assert re.match(r"# NVIDIA .*\n# Source: .*\n", text)
    facts = yaml.safe_load(text)
    assert facts["name"] == option
    major = int(facts["compute_capability"].partition(".")[0])
    peaks = facts["peak_tflops"]
    assert (peaks["bf16"] is None) == (major < 8)
    assert peaks["bf16"] in (None, peaks["fp16"])
    assert peaks["fp32"] < peaks["fp16"]
    most = {"6.0": 2, "7.0": 8, "7.5": 8, "8.0": 16, "8.6": 4, "8.9": 4, "9.0": 15, "10.0": 30}
    assert peaks["fp16"] / peaks["fp32"] <= 1.03 * most.get(facts["compute_capability"], 2)
    assert 100 < facts["bandwidth_gb_per_s"] < 10_000


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


@pytest.mark.slow
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


@pytest.mark.slow
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
