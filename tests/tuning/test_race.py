"""The race: real processes of a tiny network, and a ladder of a few switches."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sd_bench.errors import ConfigError
from sd_bench.execution.slots import slots_for
from sd_bench.tuning import processes
from sd_bench.tuning import race as race_module
from sd_bench.tuning.candidates import Candidates
from sd_bench.tuning.ladder import Rung
from sd_bench.tuning.processes import Processes
from sd_bench.tuning.race import Race
from sd_bench.tuning.rows import BASE, IN, NOT_TRIED, OUT, RACING, Row
from sd_bench.tuning.timing_process import TimingProcess
from tests.support.tuning import WORKLOAD, default_row, won

CONVOLUTION = "optimizations.channels_last=true"


@dataclass
class Watched:
    rows: list[Row] = field(default_factory=list)
    saved: list[list[Row]] = field(default_factory=list)

    def changed(self, row: Row) -> None:
        self.rows.append(row)

    def warned(self, sentence: str) -> None:
        raise AssertionError(sentence)

    def save(self, rows: Sequence[Row]) -> None:
        self.saved.append(list(rows))


def make_race(
    folder: Path, *rungs: Rung, rows: Sequence[Row] = (), budget_s: float = 1000.0
) -> tuple[Race, Watched]:
    candidates, watched = Candidates(WORKLOAD, folder), Watched()
    slots = slots_for([candidates.default().config])
    end = time.monotonic() + budget_s
    race = Race(
        candidates=candidates,
        rungs=rungs,
        typed_names=frozenset({"precision"}),
        rows={row.key: row for row in rows},
        images=1000,
        deadline=end,
        patience_end=end,
        end=end,
        processes=Processes(lambda config: slots.reserved(config.gpu, watched.warned)),
        watcher=watched,
        save=watched.save,
    )
    return race, watched


def test_candidates_are_timed_in_turn_and_one_that_dies_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is killed in its second turn; others cannot run, are typed, or are the default."""
    begin, begun = TimingProcess.time, []

    def kill_the_last(process: TimingProcess, calls: int, limit_s: float) -> float:
        begun.append(process)
        if "math" in str(process.label) and begun.count(process) == 2:
            os.kill(process.pid, signal.SIGKILL)
        return begin(process, calls, limit_s)

    monkeypatch.setattr(TimingProcess, "time", kill_the_last)
    monkeypatch.setattr(race_module, "_TURN_S", 0.02)
    race, watched = make_race(
        tmp_path,
        Rung(("precision=bf16",)),
        Rung(("precision=fp32", "attention=auto")),
        Rung(("optimizations.cuda_graph=true",)),
        Rung((CONVOLUTION,)),
        Rung(("attention=math",)),
    )
    rows = {row.label: row for row in race.run()}
    assert rows["default"].status == BASE
    assert rows["precision=bf16"].reason == "precision is typed"
    assert "needs an NVIDIA GPU" in rows["optimizations.cuda_graph=true"].reason
    assert rows["attention=math"].status == "crashed"
    found = rows[CONVOLUTION]
    assert found.status in (IN, OUT)
    assert 6 <= len(found.units) <= 16
    assert found.speedup is not None
    assert found.score is not None
    assert found.ready_s is not None
    racing = [row.label for row in watched.rows if row.status == RACING]
    assert {CONVOLUTION, "attention=math"} == set(racing)
    # interleaved: while both live, each is timed once in every three
    assert len(set(begun[:3])) == len(set(begun[3:6])) == 3
    assert watched.saved[-1] == race.listed
    assert not any(process.is_alive for process in set(begun))


def test_what_is_known_is_not_timed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the default's process begins where every row is there."""
    monkeypatch.setattr(processes, "TimingProcess", None)
    math = ("attention=math",)
    both = (*math, CONVOLUTION)
    known = [
        default_row(),
        won(*math, score=1.3),
        Row(overrides=(CONVOLUTION,), status="crashed", reason="exit code 1"),
        Row(overrides=both, base=math, status="oom", reason="out of memory"),
    ]
    flash = Rung(("attention=flash", "attention.upcast=false"))
    late = Row(overrides=flash.overrides, base=math, status=NOT_TRIED, reason="no time left")
    race, _ = make_race(
        tmp_path, Rung(math), Rung((CONVOLUTION,)), flash, rows=[*known, late], budget_s=0.0
    )
    listed = {row.key: row for row in race.run()}
    assert [listed[row.key] for row in known[:3]] == known[:3]
    assert listed[(math, flash.overrides)].status == NOT_TRIED  # and is tried again another time


def test_what_makes_a_tune_pointless_is_one_line(tmp_path: Path) -> None:
    race, _ = make_race(tmp_path, Rung(("precision=fp16",)), Rung(("attention=auto",)))
    with pytest.raises(ConfigError, match="nothing to choose between"):
        race.run()
    race, _ = make_race(tmp_path, Rung(("attention=math",)), budget_s=3.0)
    with pytest.raises(ConfigError, match="too small for one candidate"):
        race.run()


def test_where_memory_is_short_nothing_further_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "free_bytes", lambda: 10**6)
    race, _ = make_race(tmp_path, Rung(("attention=math",)))
    _, row = race.run()
    assert row.status == NOT_TRIED
    assert "GB of memory, and 0.0 GB are free" in row.reason
