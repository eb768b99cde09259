"""A sweep that is killed at any moment loses nothing, and resuming completes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.execution import kill_test


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("kind", "num_moments"), [("spawn", 15), ("fork", 10)])
def test_no_record_is_lost_or_torn_at_25_moments_of_death(
    tmp_path: Path, kind: str, num_moments: int
) -> None:
    """``python -m tests.execution.kill_test`` does the same for 100."""
    said: list[str] = []
    sweeps = kill_test.run(tmp_path, num_moments, seed=0, worker=kind, say=said.append)
    assert sweeps >= 1
    assert sum("record(s)" in line for line in said) == num_moments
