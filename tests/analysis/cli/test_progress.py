"""Progress is shown on stderr once a command has taken a while, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.cli.progress import Stages, watch_records
from tests.support.records import write_sweep


def test_a_stage_is_named_from_two_seconds_on(capsys: pytest.CaptureFixture[str]) -> None:
    clock: Iterator[float] = iter([0.0, 1.9, 2.0])
    stages = Stages(lambda: next(clock))
    stages.begin("reading")
    assert capsys.readouterr().err == ""
    stages.begin("drawing 9 charts")
    assert capsys.readouterr().err == "analysis: drawing 9 charts\n"


def test_records_are_counted_while_they_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter(float(second) for second in range(100))
    paths = [Path(f"round-{number}.json") for number in range(30)]
    seen = list(watch_records(paths, clock=lambda: next(clock)))  # type: ignore[call-arg]
    assert seen == paths
    assert " of 30 records\n" in capsys.readouterr().err


def test_a_slow_analysis_says_what_it_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.cli.progress._MOMENT_S", 0.0)
    write_sweep(tmp_path, {(1, "math"): [2.0]})
    assert main([str(tmp_path), "--most-charts", "0"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "analysis: rounds read: 1; comparing their cells",
        "analysis: cells: 1; writing their tables",
        "analysis: charts to draw: 0",
    ]
