"""Mutants of checkpoints and records: one refusal in one line, or the right result.

``python -m benchmarks.fuzz`` makes any number of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import AnalysisError, compare, load_records, summarise
from analysis.ingest.environments import list_environments
from analysis.tables.files import write_tables
from tests.support.mutants import (
    OTHERS,
    REFUSED,
    RIGHT,
    checkpoint_mutant,
    judge_checkpoint,
    judge_record,
    record_mutant,
)
from tests.support.records import sample_record, write_sample

SEEDS = st.integers(0, 2**32 - 1)
FIXED = settings(
    max_examples=60, derandomize=True, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.slow
@FIXED
@given(seed=SEEDS)
def test_a_mutant_of_a_checkpoint_is_refused_in_one_line_or_right(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """A changed number in a safetensors file cannot be noticed: these are different weights."""
    path = tmp_path_factory.getbasetemp() / f"mutant-{seed}.ckpt"
    try:
        assert judge_checkpoint(checkpoint_mutant(seed), path) in (REFUSED, RIGHT, OTHERS)
    finally:
        path.unlink(missing_ok=True)


@FIXED
@given(seed=SEEDS)
def test_a_mutant_of_a_record_is_named_and_left_out_or_a_record(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-0.json"
    assert judge_record(record_mutant(seed), path) in (REFUSED, RIGHT)


def test_the_analysis_of_mutants_beside_sound_records_names_and_leaves_out(
    tmp_path: Path,
) -> None:
    for number in range(40):
        folder = tmp_path / "mutants" / str(number)
        folder.mkdir(parents=True)
        (folder / "round-0.json").write_bytes(record_mutant(number))
    for index in range(3):
        write_sample(tmp_path / "sound", sample_record(1.0, round_index=index))
    left_out: list[str] = []
    try:
        rounds = load_records(tmp_path, on_left_out=left_out.append)
        deltas = compare(summarise(rounds))
        (tmp_path / "out").mkdir()
        write_tables(deltas, list_environments(rounds), {}, tmp_path / "out")
    except AnalysisError as error:
        pytest.fail(f"sound records lost: {error}")
    assert left_out
    assert all(str(tmp_path) in line and line.isprintable() for line in left_out)
    assert len(rounds) >= 3
