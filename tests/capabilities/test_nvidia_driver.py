"""What the driver reports, with a fake nvidia-smi."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sd_bench.capabilities import nvidia_driver
from sd_bench.capabilities.devices import check_present, detected_gpu
from sd_bench.capabilities.nvidia_driver import cuda_devices, detect, first_uuid
from sd_bench.errors import ConfigError
from sd_bench.measurement.gpu_facts import INSTANCE, SETTINGS, gpu_facts, parse_facts
from tests.support.commands import run_python
from tests.support.composition import Compose

REPOSITORY = Path(__file__).parents[2]
UUID = "GPU-01234567-89ab-cdef-0123-456789abcdef"
H100 = f"0, NVIDIA H100 80GB HBM3, {UUID}, 9.0, 81559, 570.86.15"
#: Puts an nvidia-smi on the PATH that runs these lines of shell.
FakeSmi = Callable[[str], Path]


@pytest.fixture
def fake_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSmi:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def put(script: str) -> Path:
        program, calls = tmp_path / "nvidia-smi", tmp_path / "calls.txt"
        program.write_text(f'#!/bin/sh\necho "$*" >>{calls}\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
        return calls

    return put


@pytest.fixture(autouse=True)
def not_asked_yet() -> Iterator[None]:
    detect.cache_clear()
    yield
    detect.cache_clear()


@pytest.fixture
def device_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that indicates a GPU, like /dev/nvidia0."""
    file = tmp_path / "dev" / "nvidia0"
    file.parent.mkdir()
    file.touch()
    monkeypatch.setattr(nvidia_driver, "_SIGNS_OF_A_DEVICE", (f"{file.parent}/nvidia[0-9]*",))
    return file


@pytest.fixture
def no_device_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia_driver, "_SIGNS_OF_A_DEVICE", (f"{tmp_path}/dev/nvidia[0-9]*",))


@pytest.mark.parametrize(
    "script",
    [
        f"echo '{H100}'",
        f"echo '{H100}'; exit 14",  # a corrupt infoROM: exit code 14, full output
        f"echo 'WARNING: infoROM is corrupted at gpu 0000:01:00.0'; echo '{H100}'; exit 14",
        f"echo '{H100}'; echo 'WARNING: infoROM is corrupted at gpu 0000:01:00.0'",
    ],
)
def test_a_reported_device_is_used_whatever_else_is_printed(fake_smi: FakeSmi, script: str) -> None:
    fake_smi(script)
    assert [device.uuid for device in cuda_devices()] == [UUID]
    assert detected_gpu() == "h100"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18",
         "exit code 18: Failed to initialize NVML: Driver/library version mismatch"),
        ("echo 'No devices were found'", "nvidia-smi lists none"),
        ("echo 'NVIDIA-SMI has failed' >&2; exit 9", "exit code 9: NVIDIA-SMI has failed"),
        (None, "nvidia-smi is not on the PATH"),
    ],
)  # fmt: skip
def test_a_gpu_that_cannot_be_read_is_never_the_cpu(
    fake_smi: FakeSmi,
    device_file: Path,
    compose_config: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str | None,
    words: str,
) -> None:
    if script is None:
        monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    else:
        fake_smi(script)
    with pytest.raises(ConfigError) as refused:
        detected_gpu()
    assert str(refused.value).startswith("gpu=auto: there is an NVIDIA device (")
    assert words in str(refused.value)
    assert str(refused.value).endswith("use gpu=cpu")
    with pytest.raises(ConfigError, match="gpu=h100: there is an NVIDIA device"):
        check_present(compose_config("gpu=h100").gpu)
    check_present(compose_config("gpu=cpu").gpu)  # a request for the CPU is honoured


@pytest.mark.usefixtures("no_device_file")
def test_a_tool_without_a_device_is_a_machine_without_one(fake_smi: FakeSmi) -> None:
    """As in a container image made for GPUs that runs on a host without one."""
    fake_smi("echo 'NVIDIA-SMI has failed because it could not communicate'; exit 9")
    assert detected_gpu() == "cpu"


@pytest.mark.parametrize("selection", ["", "-1"])
def test_devices_that_are_hidden_on_purpose_leave_the_cpu(
    fake_smi: FakeSmi, monkeypatch: pytest.MonkeyPatch, selection: str
) -> None:
    fake_smi(f"echo '{H100}'")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", selection)
    assert detected_gpu() == "cpu"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("MIG-4f1c3a52-11b1-5c77-9d2e-1f5f0c3e7a10", "MIG slices are not supported"),
        (f"MIG-{UUID}/1/0", "MIG slices are not supported"),
        ("0:0", "MIG slices are not supported"),
        ("7", "selects none of the devices here: 0 (NVIDIA H100 80GB HBM3)"),
        ("GPU-ffffffff", "selects none of the devices here"),
    ],
)
def test_a_selection_of_nothing_that_is_here_is_refused_in_one_line(
    fake_smi: FakeSmi, selection: str, words: str
) -> None:
    fake_smi(f"echo '{H100}'")
    answer = run_python(
        "-m", "sd_bench", "-m", "batch_size=1,2", "dry_run=true", folder=REPOSITORY, timeout=100,
        environment={**os.environ, "CUDA_VISIBLE_DEVICES": selection},
    )  # fmt: skip
    assert (answer.returncode, answer.stdout) == (2, "")
    (line,) = answer.stderr.splitlines()
    assert line.startswith(f"sd_bench: gpu=auto: CUDA_VISIBLE_DEVICES={selection}")
    assert words in line


SLICED = f"{H100}, Enabled"
WHOLE = (
    "1, NVIDIA H100 80GB HBM3, GPU-11111111-89ab-cdef-0123-456789abcdef, 9.0, 81559, 570, Disabled"
)


def test_a_gpu_in_mig_mode_is_not_measured_as_a_whole_one(fake_smi: FakeSmi) -> None:
    fake_smi(f"echo '{SLICED}'")
    with pytest.raises(ConfigError) as refused:
        detected_gpu()
    assert str(refused.value).startswith(
        "gpu=auto: GPU 0 (NVIDIA H100 80GB HBM3) is in MIG mode, and slices are not supported"
    )
    detect.cache_clear()
    fake_smi(f"echo '{SLICED}'; echo '{WHOLE}'")
    assert [device.index for device in cuda_devices()] == ["1"]


def test_a_driver_that_does_not_know_a_field_is_asked_without_it(fake_smi: FakeSmi) -> None:
    refuses = 'echo "Field \\"$1\\" is not a valid field to query."; exit 2'
    old = f"0, Tesla T4, {UUID}, 15109, 418.67"
    calls = fake_smi(f'case "$1" in *compute_cap*|*mig*) {refuses};; esac; echo "{old}"')
    (device,) = cuda_devices()
    assert (device.name, device.compute_capability, device.driver) == ("Tesla T4", None, "418.67")
    assert not device.is_divided
    assert len(calls.read_text().splitlines()) == 4


def test_a_driver_that_hangs_is_asked_once(
    fake_smi: FakeSmi, device_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvidia_driver, "_TIMEOUT_S", 0.2)
    calls = fake_smi("exec sleep 5")
    assert "did not answer within" in str(detect().why_none)
    assert len(calls.read_text().splitlines()) == 1


def test_a_worker_asks_nvidia_smi_once(fake_smi: FakeSmi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launcher has told it which GPU to use."""
    values = ", ".join(["700.00"] * len({**SETTINGS, **INSTANCE}))
    calls = fake_smi(f"echo '{values}'")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", UUID)
    uuid = first_uuid()
    assert uuid == UUID
    assert gpu_facts(uuid, {**SETTINGS, **INSTANCE})["power_limit_w"] == 700.0
    assert len(calls.read_text().splitlines()) == 1


def test_an_abbreviated_selection_is_looked_up(
    fake_smi: FakeSmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_smi(f"echo '{H100}'")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-0123")
    assert first_uuid() == UUID


@pytest.mark.parametrize(
    "text",
    [
        "WARNING: infoROM is corrupted at gpu 0000:01:00.0\n{line}\n",
        "{line}\nWARNING: infoROM is corrupted, see the manual\n",
    ],
)
def test_facts_are_read_beside_a_warning(text: str) -> None:
    line = "Unknown Error, 1980, 2619, 1980, 2619, Enabled, Disabled, 570.86.15"
    facts = parse_facts(text.format(line=line), SETTINGS)
    assert facts["power_limit_w"] is None
    assert (facts["max_sm_clock_mhz"], facts["driver"]) == (1980.0, "570.86.15")
