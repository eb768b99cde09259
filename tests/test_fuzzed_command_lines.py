"""Command lines that nobody thought of: a plan, or one line and exit code 2; nothing is written.

``python -m benchmarks.fuzz command_lines`` runs as many of them as one likes.
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
    judge_command_line,
    run_here,
)

SEEDS = st.integers(0, 2**32 - 1)
FIXED = settings(
    max_examples=40, derandomize=True, deadline=None, database=None,
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


def test_the_generator_makes_lines_of_every_outcome(tmp_path: Path) -> None:
    """So that the test above tests something: these seeds are a plan, a page and a refusal."""
    found = {judge_command_line(command_line(seed), tmp_path) for seed in OF_EACH_OUTCOME}
    assert found == {PLANNED, SHOWN, REFUSED}


OF_EACH_OUTCOME = (0, 1, 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compile=range(1,9,0)"], "compile=range(1,9,0): its step is 0"),
        (["-m", "workload.seed=range(5,1,0)"], "its step is 0"),
        (["${"], "${: cannot be read; write NAME=VALUE"),
        (["+++compile=off"], "+++compile=off: cannot be read"),
        (["preset@preset = bool(x)"], "preset@preset = bool(x): cannot be read"),
        (["prompt=${...}"], "prompt=${...}: an interpolation cannot be read; write ${NAME}"),
    ],
)
def test_what_a_library_said_in_its_own_words_is_said_in_ours(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    assert judge_command_line([*arguments, "dry_run=true"], tmp_path) == REFUSED
    assert words in run_here([*arguments, "dry_run=true"], tmp_path).err
