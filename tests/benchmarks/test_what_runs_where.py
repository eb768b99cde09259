"""The table of what runs where agrees with the dry run."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.what_runs_where import BEGIN, END, PAGE, list_environments, make_table, why_not
from sd_bench.capabilities.torch_builds import why_build_cannot
from sd_bench.capabilities.torch_compat import this_build
from sd_bench.environments.definition import definition
from tests.support.machines import H100_SXM, Machine, set_up


@pytest.mark.slow
def test_the_page_has_todays_table() -> None:
    """To update it: ``python -m benchmarks.what_runs_where --write``."""
    page = PAGE.read_text(encoding="utf-8")
    assert page.partition(BEGIN)[2].partition(END)[0].strip() == make_table()


def test_the_table_is_of_what_create_makes() -> None:
    pip, _, conda, optimized, _ = list_environments()
    assert conda.build.cuda == (11, 3)
    assert definition("original").conda_cuda == "11.3"
    assert pip.build.version == conda.build.version < (2, 0) < optimized.build.version


@pytest.mark.parametrize(
    ("preset", "gpu", "environment", "words"),
    [
        ("original_no_xformers", "v100", 0, None),
        ("original_no_xformers", "a100", 0, "create original --cuda 11.3"),
        ("original_no_xformers", "a100", 1, None),
        ("original_xformers", "a100", 1, "xFormers for PyTorch 1.12 is only built for conda"),
        ("original_xformers", "a10", 2, None),
        ("optimized", "v100", 3, "install 2.14 or older made with CUDA 12.6"),
        ("optimized", "p100", 4, None),
        ("optimized_compile", "p100", 4, "use compile=off"),
        ("optimized_compile", "t4", 3, None),
    ],
)
def test_each_no_has_its_reason_and_remedy(
    preset: str, gpu: str, environment: int, words: str | None
) -> None:
    reason = why_not(preset, gpu, list_environments()[environment])
    assert (reason is None) if words is None else (words in str(reason))


def machine_with(name: str, capability: str) -> Machine:
    (gpu,) = H100_SXM.gpus
    fields = {**gpu.fields, "name": name, "compute_cap": capability}
    return dataclasses.replace(H100_SXM, gpus=(dataclasses.replace(gpu, fields=fields),))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "capability"), [("Tesla V100-SXM2-16GB", (7, 0)), ("NVIDIA A100-SXM4-40GB", (8, 0))]
)
def test_the_real_dry_run_agrees(tmp_path: Path, name: str, capability: tuple[int, int]) -> None:
    """With the PyTorch that runs the tests: the newest excludes V100, 1.12 from pip A100."""
    variables = {**os.environ, **set_up(machine_with(name, "{}.{}".format(*capability)), tmp_path)}
    variables.pop("CUDA_VISIBLE_DEVICES", None)
    done = subprocess.run(
        [sys.executable, "-m", "sd_bench", "attention=math", "dry_run=true"],
        cwd=PAGE.parents[1], capture_output=True, text=True, timeout=100, env=variables,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    reason = why_build_cannot(this_build().version, this_build(), capability)
    expected = "| yes " if reason is None else f"unsupported: {reason}"
    assert expected in " ".join(done.stdout.split())
