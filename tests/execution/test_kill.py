"""A sweep that is killed at any moment loses nothing, and resuming ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.execution import kill_test


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_record_is_lost_or_torn_at_25_moments_of_death(tmp_path: Path) -> None:
    """``python -m tests.execution.kill_test`` does the same for 100."""
    said: list[str] = []
    sweeps = kill_test.run(tmp_path, num_moments=25, seed=0, say=said.append)
    assert sweeps >= 1
    assert sum("record(s)" in line for line in said) == 25
