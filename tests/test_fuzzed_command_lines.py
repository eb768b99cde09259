"""Random command lines: a plan, or one line and exit code 2; nothing is written.

``python -m benchmarks.fuzz command_lines`` runs any number of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.command_lines import (
    PLANNED,
    REFUSED,
    SHOWN,
    command_line,
    judge,
    judge_command_line,
    run_here,
)

pytestmark = pytest.mark.slow

SEEDS = st.integers(0, 2**32 - 1)
FIXED = settings(
    max_examples=30, derandomize=True, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@FIXED
@given(seed=SEEDS)
def test_a_command_line_is_planned_or_refused_in_one_line_and_writes_nothing(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    arguments = command_line(seed)
    folder = tmp_path_factory.mktemp("typed")
    assert judge_command_line(arguments, folder) in (PLANNED, SHOWN, REFUSED), arguments


def test_a_dash_and_two_separate_flags_from_overrides_as_shells_do(tmp_path: Path) -> None:
    arguments = ["dry_run=true", "--", "gpu=cpu", "-m", "attention=math,flash"]
    assert judge_command_line(arguments, tmp_path) == PLANNED


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compile=range(1,9,0)"], "compile=range(1,9,0): the step of range(1,9,0) is 0"),
        (["-m", "workload.seed=range(5,1,0)"], "the step of range(5,1,0) is 0"),
        (["${"], "${: cannot be read; write NAME=VALUE"),
        (["+++compile=off"], "+++compile=off: cannot be read"),
        (["preset@preset = bool(x)"], "preset@preset = bool(x): cannot be read"),
        (["-1"], "-1: cannot be read"),
        (["gpu=interval(0,1)"], "gpu=interval(0,1): means any number in an interval"),
        (["+compile=range(1,9,0)"], "the step of range(1,9,0) is 0"),
        (["+preset=none"], "+preset=none: there is a preset already; write it without +"),
        (["allocator==auto"], "allocator==auto: write one ="),
        (["~precision"], "~precision: every group is needed"),
        (["hydra.searchpath=[file://x]"], "hydra.searchpath: there is no x; name a folder"),
        (["-c", "job", "-p", "nope"], "--package=nope: the configuration has no such part"),
        (["~compile"], "~compile: every group is needed"),
        (["--experimental-rerun", "x.pickle"], "resume=true continues a sweep"),
        (["implementation=4", "precision=autocast,auto"], "add -m to sweep over them"),
        (
            ["hydra/launcher=basic", "attention.disable_math=${oc.select:a,b}"],
            "attention.disable_math: While dereferencing",
        ),
        (["prompt=${...}"], "prompt=${...}: an interpolation cannot be read; write ${NAME}"),
    ],
)
def test_messages_of_libraries_are_replaced_by_ours(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    ended = run_here(["dry_run=true", *arguments], tmp_path)
    assert judge(ended, tmp_path) == REFUSED
    assert words in ended.err
