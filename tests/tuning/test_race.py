"""The race over what is known already, and over nothing; test_tune.py has one that runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sd_bench.errors import ConfigError
from sd_bench.execution.slots import slots_for
from sd_bench.tuning import processes
from sd_bench.tuning.candidates import Candidate, Candidates
from sd_bench.tuning.ladder import Rung
from sd_bench.tuning.processes import Processes
from sd_bench.tuning.race import Race
from sd_bench.tuning.rows import NOT_TRIED, Row
from sd_bench.tuning.timing_process import CandidateLostError, Ready
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


@pytest.mark.slow
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
    further = Rung(("allocator=default",))
    late = Row(
        overrides=(*math, *further.overrides), base=math, status=NOT_TRIED, reason="no time left"
    )
    race, _ = make_race(
        tmp_path, Rung(math), Rung((CONVOLUTION,)), further, rows=[*known, late], budget_s=0.0
    )
    listed = {row.key: row for row in race.run()}
    assert [listed[row.key] for row in known[:3]] == known[:3]
    assert listed[late.key].status == NOT_TRIED  # and is tried again another time


def test_a_group_that_is_typed_fixes_all_that_is_in_it(tmp_path: Path) -> None:
    race, _ = make_race(tmp_path, Rung((CONVOLUTION,)), Rung(("precision=bf16",)))
    race.typed_names = frozenset({"precision", "optimizations"})
    with pytest.raises(ConfigError, match="nothing to choose between"):
        race.run()


@pytest.mark.slow
def test_what_makes_a_tune_pointless_is_one_line(tmp_path: Path) -> None:
    race, _ = make_race(tmp_path, Rung(("precision=fp16",)), Rung(("attention=auto",)))
    with pytest.raises(ConfigError, match="nothing to choose between"):
        race.run()


class Hanging(Processes):
    """The default is ready at once; nothing else ever is."""

    def start(self, candidate: Candidate, limit_s: float) -> Ready:
        if candidate.overrides:
            raise CandidateLostError("timeout", f"no answer within {limit_s:.0f} s")
        self.ready[()] = Ready(
            ready_s=1.0, first_call_s=1.0, call_s=1.0, convert_s=0.0, num_calls=3, sketch=(),
            memory_bytes=0, device_peak=None, device_free=None,
        )  # fmt: skip
        return self.ready[()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("budget_s", "status", "reason"),
    [
        (1000.0, "timeout", "no answer within 120 s"),
        (100.0, NOT_TRIED, "not ready in time: give it a larger budget"),
    ],
)
def test_one_that_is_never_ready_is_a_row(
    tmp_path: Path, budget_s: float, status: str, reason: str
) -> None:
    race, watched = make_race(tmp_path, Rung(("attention=math",)), budget_s=budget_s)
    slots = slots_for([race.candidates.default().config])
    race.processes = Hanging(lambda config: slots.reserved(config.gpu, watched.warned))
    _, row = race.run()
    assert (row.status, row.reason) == (status, reason)
