"""Threads of a worker: what its process starts with, and whether it got what it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sd_bench.capabilities import processors, threads
from sd_bench.capabilities.processors import PROCESSORS, num_usable, own_processors
from sd_bench.capabilities.threads import (
    replaced_by,
    variables_of,
    why_no_threads,
    why_not_had,
    without_threads,
)
from sd_bench.config.checks import check
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import cell_hash, choices
from tests.support.commands import Command, records
from tests.support.composition import Compose

REPOSITORY = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="threads are bound on Linux")
two = pytest.mark.skipif(num_usable() < 2, reason="needs two processors")

#: Prints whether the process of a cell has its threads, and the masks of its first and other
#: threads.
_BEGUN = """\
import json, os, sys
from sd_bench.capabilities.composition import compose_config
from sd_bench.capabilities.processors import own_processors
from sd_bench.capabilities.threads import bound_processors, why_not_had
config = compose_config("gpu=cpu", *sys.argv[1:])
why = why_not_had(config)
print(json.dumps([why, len(os.sched_getaffinity(0)), sorted(bound_processors()), own_processors()]))
"""


def begun(variables: Mapping[str, str], *overrides: str) -> list[object]:
    environment = {name: v for name, v in os.environ.items() if not name.startswith("OMP")}
    done = subprocess.run(
        [sys.executable, "-c", _BEGUN, *overrides], cwd=REPOSITORY, text=True, timeout=120,
        env={**environment, **variables}, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    found: list[object] = json.loads(done.stdout)
    return found


def test_nothing_is_set_where_nothing_is_chosen(compose_config: Compose) -> None:
    config = compose_config("gpu=cpu")
    assert (config.threads.count, config.threads.pinned) == ("auto", False)
    assert variables_of(config) == {}
    assert why_no_threads(config) is None
    assert why_not_had(config) is None
    assert choices(config)["threads"] == "auto"
    assert cell_hash(compose_config("gpu=cpu", "threads=auto")) == cell_hash(config)


@pytest.mark.parametrize(
    ("overrides", "choice"),
    [
        (("threads=1",), 1), (("threads=3",), 3), (("threads.count=12",), 12),
        (("threads=cores",), "cores"), (("threads=2", "threads.pinned=true"), "2 pinned"),
    ],
)  # fmt: skip
def test_any_number_can_be_typed(
    compose_config: Compose, overrides: tuple[str, ...], choice: object
) -> None:
    config = compose_config("gpu=cpu", *overrides)
    check(config)
    assert choices(config)["threads"] == choice


@pytest.mark.parametrize("count", ["0", "-2", "x", "2.0", "", "1000000", "Auto"])
def test_an_invalid_number_of_threads_is_refused(compose_config: Compose, count: str) -> None:
    config = compose_config("gpu=cpu")
    config.threads.count = count
    with pytest.raises(ConfigError, match="use auto, cores, or a number from 1"):
        check(config)


def test_rounds_at_the_same_time_are_not_pinned_to_the_same_processors(
    compose_config: Compose,
) -> None:
    with pytest.raises(ConfigError, match="use num_gpus=1"):
        check(compose_config("gpu=a100", "threads=1", "threads.pinned=true", "num_gpus=all"))
    check(compose_config("gpu=a100", "threads=1", "num_gpus=all"))


def test_more_than_the_process_may_use_is_unsupported(compose_config: Compose) -> None:
    usable = num_usable()
    assert why_no_threads(compose_config("gpu=cpu", f"threads={usable}")) is None
    assert why_no_threads(compose_config("gpu=cpu", f"threads={usable + 1}")) == (
        f"threads={usable + 1}: this process may use {usable} CPUs (affinity and cgroup quota)"
    )


def test_pinning_says_what_it_needs(compose_config: Compose) -> None:
    alone = why_no_threads(compose_config("gpu=cpu", "threads.pinned=true"))
    assert alone is not None
    assert alone.startswith("threads.pinned=true: ")
    config = compose_config("gpu=cpu", "threads=1", "threads.pinned=true")
    config.implementation.name = "onnxruntime"
    if sys.platform == "linux":
        assert "give their number, too: threads=N, or threads=cores" in alone
        assert why_no_threads(config) == (
            "threads.pinned=true: how onnxruntime binds its threads is not known"
        )


@linux
def test_pinned_threads_get_cores_before_hyper_threads(
    compose_config: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROCESSORS, "0,1,2,3")
    monkeypatch.setattr(processors, "core_of", lambda number, root: str(number // 2))
    three = variables_of(compose_config("gpu=cpu", "threads=3", "threads.pinned=true"))
    assert three["OMP_PLACES"] == "{0},{2},{1}"
    assert three["OMP_NUM_THREADS"] == three["MKL_NUM_THREADS"] == "3"
    assert three[PROCESSORS] == "0,1,2,3"
    monkeypatch.setattr(threads, "num_usable", lambda: 4)
    cores = compose_config("gpu=cpu", "threads=cores", "threads.pinned=true")
    assert variables_of(cores)["OMP_PLACES"] == "{0},{2}"
    cores.implementation.name = "openvino"  # it manages its own threads
    assert variables_of(cores).keys() == {
        "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_DYNAMIC", "MKL_DYNAMIC",
    }  # fmt: skip
    monkeypatch.setattr(threads, "num_usable", lambda: 1)  # a quota
    assert variables_of(cores)["OMP_NUM_THREADS"] == "1"


def test_what_the_choice_adds_is_not_a_fact_of_the_environment(compose_config: Compose) -> None:
    present = {"OMP_NUM_THREADS": "7", "OMP_PROC_BIND": "spread", "PATH": "/bin"}
    for overrides in (("threads=1", "threads.pinned=true"), ("threads=1",), ()):
        config = compose_config("gpu=cpu", *overrides)
        replaced = replaced_by(config, present)
        added = {**present, **variables_of(config)}
        assert added["OMP_NUM_THREADS"] == ("1" if overrides else "7")
        assert without_threads(config, added, replaced) == present


@pytest.mark.slow
@linux
def test_a_process_without_them_is_distinguished_from_one_with_them(
    compose_config: Compose,
) -> None:
    typed = ("threads=1", "threads.pinned=true")
    config = compose_config("gpu=cpu", *typed)
    first = variables_of(config)["OMP_PLACES"].strip("{}")
    why, here, bound, own = begun(variables_of(config), *typed)
    assert (why, here, bound, own) == (None, 1, [int(first)], own_processors())
    counts = {name: v for name, v in variables_of(config).items() if "NUM" in name}
    why, here, _, _ = begun(counts, *typed)
    if len(own_processors()) > 1:
        assert (why, here) == (
            f"threads.pinned=true: threads are bound to none, not {first}", len(own_processors()),
        )  # fmt: skip
        why, *_ = begun({"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}, "threads=1")
        assert why == "threads=1: PyTorch has 2"


@pytest.mark.slow
@linux
@two
def test_a_sweep_over_threads_is_one_environment(
    command: Command, tmp_path: Path, worker: str
) -> None:
    done = command(
        "-m", "gpu=cpu", "model_version=sd2_tiny", "protocol=smoke", "attention=math", worker,
        "precision=fp32", "workload.height=64", "workload.width=64", "threads=auto,2,4000",
        "threads.pinned=false,true",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = {str(r.choices["threads"]): r for r in records(tmp_path)}
    assert set(found) == {
        "auto", "auto pinned", "2", "2 pinned", "4000", "4000 pinned",
    }  # fmt: skip
    measured = {name: r for name, r in found.items() if r.status == "ok"}
    assert set(measured) == {"auto", "2", "2 pinned"}
    assert "this process may use" in str(found["4000"].reason)
    assert {r.environment["worker"]["kind"] for r in measured.values()} == {
        worker.partition("=")[2]
    }
    assert len({r.environment["fingerprint"] for r in measured.values()}) == 1
    assert len({r.cell_hash for r in found.values()}) == len(found)
    had = {name: r.environment["threads"]["intra_op"] for name, r in measured.items()}
    rates = {file.name.split("-", 2)[2] for file in (tmp_path / "sweep").glob(".matmul-*")}
    assert rates == {"float32.json", "2-float32.json", "2-pinned-float32.json"}
    assert had == {"auto": 1, "2": 2, "2 pinned": 2}  # the command starts with OMP_NUM_THREADS=1
    assert {r.environment["processor"]["affinity"] for r in measured.values()} == {
        len(own_processors())
    }
    assert {r.environment["variables"]["OMP_NUM_THREADS"] for r in measured.values()} == {"1"}
