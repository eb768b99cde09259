"""Which build of PyTorch has kernels for which NVIDIA GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sd_bench.capabilities import torch_compat
from sd_bench.capabilities.torch_builds import (
    WHEELS,
    Build,
    newest_capability,
    read_build,
    runs_on,
    wheels_of,
    why_architectures_cannot,
    why_build_cannot,
)
from sd_bench.capabilities.torch_compat import this_build, why_no_kernels
from sd_bench.environments.interpreter import find_interpreter
from tests.support.composition import Compose

P100, V100, T4, A100, A10, L4, H100 = (6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0)
B200, RTX_5090 = (10, 0), (12, 0)
NEWEST = Build(version=(2, 15), cuda=(13, 2))
PIP_1_12 = Build(version=(1, 12), cuda=(10, 2))
LAST_FOR_VOLTA = (
    "pip install 'torch==2.14.*' torchvision --index-url https://download.pytorch.org/whl/cu126"
)


def why(build: Build, capability: tuple[int, int], machine: str = "x86_64") -> str | None:
    return why_build_cannot(build.version, build, capability, machine)


def test_the_table_is_what_the_installed_pytorch_was_built_for() -> None:
    """No release states this in its metadata, so the table is compared with the binaries."""
    build = this_build()
    if build.cuda is None or not (known := wheels_of(build.version, build.cuda)):
        pytest.skip("not a wheel of the table")
    flags = str(torch._C._cuda_getArchFlags()).split()
    binaries = {(int(f[3:-1]), int(f[-1])) for f in flags if f.startswith("sm_")}
    assert {c for wheels in known for c in wheels.capabilities} == binaries


def test_version_and_build_are_read_without_importing_torch(compose_config: Compose) -> None:
    found = find_interpreter(compose_config().torch_env)
    assert not isinstance(found, str)
    assert found.build == this_build()


@pytest.mark.parametrize(
    ("text", "build"),
    [
        ("__version__ = '1.12.1+cu102'\ncuda = '10.2'\nhip = None\n", PIP_1_12),
        (
            "from typing import Optional\n__version__ = '2.15.0+cu132'\n"
            "cuda: Optional[str] = '13.2'\nhip: Optional[str] = None\n",
            NEWEST,
        ),
        ("__version__ = '2.15.0+cpu'\ncuda = None\n", Build(version=(2, 15))),
        (
            "__version__ = '2.9.1+rocm6.4'\ncuda = None\nhip = '6.4.43484'\n",
            Build(version=(2, 9), hip="6.4.43484"),
        ),
        ("__version__ = '2.9.0+xpu'\nxpu = '20250302'\n", Build(version=(2, 9), xpu="20250302")),
        ("", None),
        ("cuda = '13.2'", None),
        ("not python", None),
    ],
)
def test_what_a_build_says_of_itself(text: str, build: Build | None) -> None:
    assert read_build(text) == build


def test_a_binary_runs_on_later_ones_of_its_major_number_only() -> None:
    assert runs_on((8, 0), (8, 6))
    assert not runs_on((8, 6), (8, 0))
    assert not runs_on((7, 0), (8, 0))


@pytest.mark.parametrize("capability", [P100, V100])
def test_for_gpus_that_the_newest_wheels_have_dropped_the_last_ones_are_named(
    capability: tuple[int, int],
) -> None:
    reason = str(why(NEWEST, capability))
    assert reason.startswith("PyTorch 2.15 made with CUDA 13.2 has kernels for 7.5, 8.0, 8.6, 9.0")
    assert f"none for compute capability {capability[0]}.{capability[1]}: install 2.14" in reason
    assert LAST_FOR_VOLTA in reason
    assert why(Build(version=(2, 14), cuda=(12, 6)), capability) is None


@pytest.mark.parametrize("capability", [A100, A10])
def test_for_pips_1_12_the_build_that_the_gpu_needs_is_named(capability: tuple[int, int]) -> None:
    reason = str(why(PIP_1_12, capability))
    assert "PyTorch 1.12 made with CUDA 10.2 has kernels for 3.7, 5.0, 6.0, 7.0" in reason
    assert reason.endswith("python -m sd_bench.environments create original --cuda 11.3")
    assert why(Build(version=(1, 12), cuda=(11, 3)), capability) is None


@pytest.mark.parametrize(
    ("version", "cuda", "runs", "does_not"),
    [
        # a T4 runs what was built for a V100 (pytorch/pytorch#16733, and 1.12's own check)
        ((1, 12), (10, 2), [P100, V100, T4], [A10, A100, L4, H100]),
        ((1, 12), (11, 3), [P100, V100, T4, A10, A100, L4], [H100, B200]),
        ((2, 0), (11, 7), [A100, L4], [H100]),
        ((2, 0), (11, 8), [P100, A100, H100], [B200]),
        ((2, 7), (12, 6), [P100, V100, H100], [B200, RTX_5090]),
        ((2, 7), (12, 8), [T4, H100, B200, RTX_5090], [P100, V100]),
        ((2, 10), (12, 8), [V100, RTX_5090], [P100]),
        ((2, 11), (12, 8), [T4, RTX_5090], [P100, V100]),
        ((2, 15), (13, 2), [T4, A100, A10, L4, H100, B200, RTX_5090], [P100, V100]),
    ],
)
def test_builds_and_gpus(
    version: tuple[int, int],
    cuda: tuple[int, int],
    runs: list[tuple[int, int]],
    does_not: list[tuple[int, int]],
) -> None:
    build = Build(version=version, cuda=cuda)
    assert [c for c in runs if why(build, c) is not None] == []
    assert [c for c in does_not if why(build, c) is None] == []


def test_an_unknown_build_is_left_to_the_worker() -> None:
    assert why(Build(version=(9, 9), cuda=(99, 0)), A100) is None
    assert why_build_cannot((2, 15), NEWEST, None, "x86_64") is None
    # for an unknown build: any of its version
    assert why_build_cannot((2, 11), None, V100, "x86_64") is None
    assert "PyTorch 2.15 has kernels for" in str(why_build_cannot((2, 15), None, V100, "x86_64"))


def test_a_build_for_cpus_does_not_support_a_gpu() -> None:
    reason = str(why(Build(version=(2, 15)), A100))
    assert reason.startswith("PyTorch 2.15 made for CPUs, not for NVIDIA GPUs: install 2.15 made")
    assert reason.endswith("(pip install 'torch==2.15.*' torchvision)")


def test_on_arm_only_some_gpus_have_wheels() -> None:
    assert why(NEWEST, H100, "aarch64") is None  # Grace Hopper
    assert "no wheel has them; PyTorch has to be built from source" in str(
        why(NEWEST, T4, "aarch64")
    )


def test_each_version_is_on_the_package_index_with_one_cuda() -> None:
    versions = [(1, 12), (1, 13), *((2, minor) for minor in range(16))]
    for version in versions:
        (wheels,) = (w for w in wheels_of(version, machine="x86_64") if w.on_index)
        assert wheels.has_kernels_for(A100) == (version != (1, 12))
    assert len({(w.first, w.last, w.cuda, w.machine) for w in WHEELS}) == len(WHEELS)
    assert newest_capability((1, 12)) == A10


@pytest.mark.parametrize(
    ("architectures", "capability", "runs"),
    [
        ("sm_75 sm_80 sm_86 sm_90 sm_100 sm_120", V100, False),
        ("sm_75 sm_80 sm_86 sm_90 sm_100 sm_120", RTX_5090, True),
        ("sm_37 sm_50 sm_60 sm_70", A100, False),
        ("sm_50 sm_80 sm_86 sm_89 sm_90 sm_90a", T4, False),
        ("sm_50 sm_80 sm_86 sm_89 sm_90 sm_90a", H100, True),
        ("sm_37 sm_50 sm_70 compute_70", A100, True),  # through PTX
        ("gfx900 gfx90a", (9, 0), True),
        ("", A100, True),
    ],
)
def test_what_a_build_itself_names_is_judged_alike(
    architectures: str, capability: tuple[int, int], runs: bool
) -> None:
    reason = why_architectures_cannot(NEWEST, architectures.split(), capability)
    assert (reason is None) == runs
    if reason is not None:
        assert architectures in reason


def test_the_worker_asks_its_own_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda", 0)
    monkeypatch.setattr(torch_compat, "this_build", lambda: NEWEST)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: V100)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80"])
    reason = str(why_no_kernels(device))
    assert "has kernels for sm_75 sm_80, but none for compute capability 7.0" in reason
    assert LAST_FOR_VOLTA in reason
    assert why_no_kernels(torch.device("cpu")) is None

    def old_driver(_: torch.device) -> None:
        raise RuntimeError(
            "The NVIDIA driver on your system is too old (found version 11040).\n Please update"
        )

    monkeypatch.setattr(torch.cuda, "get_device_capability", old_driver)
    reason = str(why_no_kernels(device))
    assert reason.startswith(
        "PyTorch 2.15 made with CUDA 13.2: The NVIDIA driver on your system is"
    )
    assert "\n" not in reason


def test_the_table_needs_no_torch() -> None:
    source = Path(torch_compat.__file__).with_name("torch_builds.py").read_text()
    assert "import torch\n" not in source
