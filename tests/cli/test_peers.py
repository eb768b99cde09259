"""The matrix of experiment=peers: on a CPU, on a GPU, and with additional overrides."""

from __future__ import annotations

import re
import subprocess
from importlib import metadata, util
from pathlib import Path

import pytest

from sd_bench.capabilities.implementations import list_implementations
from sd_bench.capabilities.torch_compat import HAS_SDPA
from sd_bench.capabilities.torch_features import can, version_tuple
from tests.support.commands import Command
from tests.support.composition import Compose
from tests.support.machines import H100_SXM, set_up

pytestmark = pytest.mark.slow

OTHERS = [name for name in list_implementations() if name not in ("sd_bench", "diffusers")]


def cells(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The choices of each cell of a dry run."""
    assert done.returncode == 0, done.stderr
    lines = [line.split("|") for line in done.stdout.splitlines() if re.match(r"\| \d", line)]
    return [columns[2].strip() for columns in lines]


def has(name: str) -> bool:
    return all(util.find_spec(module) for module in list_implementations()[name].packages)


def test_every_implementation_is_in_the_matrix_or_named_with_what_installs_it(
    command: Command,
) -> None:
    done = command("experiment=peers", "gpu=cpu", "precision=fp32", "dry_run=true", COLUMNS="300")
    found = cells(done)
    for name in list_implementations():
        of_it = [cell for cell in found if f"implementation={name}" in cell.split()]
        if has(name):
            assert of_it, done.stdout
        else:
            install = list_implementations()[name].install
            output = " ".join(done.stdout.split())
            assert not of_it
            assert f"left out: {name}: " in output
            assert install in output
    assert "unsupported" not in done.stdout
    may_compile = has("diffusers") and "torch.compile needs" not in done.stdout
    assert any("compile=default" in c for c in found) == may_compile


def test_only_what_has_our_axes_is_compiled_and_only_by_itself(command: Command) -> None:
    found = cells(command("experiment=peers", "gpu=cpu", "dry_run=true", COLUMNS="300"))
    for name in OTHERS:
        of_it = [cell for cell in found if f"implementation={name}" in cell.split()]
        assert len(of_it) == (1 if has(name) and name != "openvino" else len(of_it))
        assert not any("compile=" in cell for cell in of_it)


def test_what_is_typed_holds_in_both_matrices(command: Command) -> None:
    typed = ("implementation=sd_bench", "attention=math", "compile=off")
    found = cells(command("experiment=peers", *typed, "gpu=cpu", "dry_run=true", COLUMNS="300"))
    assert len(found) == 2  # the default, only once, and the best settings


@pytest.mark.skipif(not HAS_SDPA, reason="PyTorch 1.12 has no kernels for an H100")
def test_on_a_gpu_it_is_batch_sizes_1_2_4_in_fp16(command: Command, tmp_path: Path) -> None:
    variables = set_up(H100_SXM, tmp_path / "machine")
    done = command("experiment=peers", "dry_run=true", COLUMNS="300", **variables)
    found = cells(done)
    sizes = [cell for cell in found if "implementation=sd_bench" in cell and "off" in cell]
    assert len(sizes) in (0, 3)
    assert "precision fp16" in done.stdout
    assert "256x256" not in done.stdout
    can_any_run = "no round to run" not in done.stdout  # if none can, the matrix stays complete
    assert ("left out: openvino: " in done.stdout) == can_any_run


WITH_PACKED_WEIGHTS = (
    *("channels_last", "packed_weights", "fused_epilogues", "matmul_convolutions"),
    *("cached_prompt", "cached_timesteps"),
)
CAN_PACK = can(version_tuple(metadata.version("torch")), "packed oneDNN weights")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("compile=off", WITH_PACKED_WEIGHTS if CAN_PACK else ("channels_last",)),
        ("torch_env.requires_torch=2", WITH_PACKED_WEIGHTS if CAN_PACK else ("channels_last",)),
        ("torch_env.requires_torch='2.14'", ("channels_last",)),
        ("torch_env=original", ("channels_last",)),
        ("torch_env.requires_torch='2.15'", WITH_PACKED_WEIGHTS),
        ("compile=default", ("channels_last", "freezing")),
    ],
)
def test_on_a_cpu_auto_is_what_wins_there(
    compose_config: Compose, typed: str, expected: tuple[str, ...]
) -> None:
    config = compose_config("gpu=cpu", "optimizations=auto", typed)
    assert config.optimizations.names == expected
