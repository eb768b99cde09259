"""What the final comes to, from rounds of known times: the choice, and what may be said of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from sd_bench.cli.tune_answer import paragraph, table_of
from sd_bench.errors import ConfigError
from sd_bench.execution.finished_rounds import nothing_finished
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.sweep_looks import SweepLooks, plan_looks_of
from sd_bench.records import Record
from sd_bench.tuning.answers import Tuned, workload_of
from sd_bench.tuning.candidates import Candidates
from sd_bench.tuning.final import FinalResult, judge_final
from sd_bench.tuning.line_up import Finalist, LineUp
from sd_bench.tuning.tune import Outcome
from tests.support.records import sample_environment, sample_latents, sample_record
from tests.support.tuning import WORKLOAD

pytestmark = pytest.mark.slow

MATH, ORIGINAL = ("attention=math",), ("attention=original",)
#: A percent or so of noise, round by round, in no step from cell to cell.
NOISE = (1.0, 1.01, 0.99, 1.005, 0.995, 1.002, 0.998, 1.007)


@dataclass
class Ended:
    """What a sweep's watcher has kept at its end."""

    plan: list[PlannedCell]
    records: list[list[Record]]
    looks: SweepLooks | None = field(default=None)


class Made:
    """A final of the default and two rivals, ORIGINAL the faster one in the race."""

    def __init__(self, folder: Path) -> None:
        self.candidates = Candidates((*WORKLOAD, "protocol.rounds=8"), folder)
        self.folder = folder

    def hold(
        self, *seconds: float | None, rounds: int = 8, pictures: Sequence[float] = (0, 0, 0)
    ) -> tuple[LineUp, FinalResult]:
        """Seconds per round of default, ORIGINAL and MATH; ``None`` where all rounds failed."""
        made = [self.candidates.make(overrides) for overrides in ((), ORIGINAL, MATH)]
        lined_up = LineUp(
            finalists=tuple(Finalist(candidate=c, round_s=1.0) for c in made),
            rivals=(1, 2), rounds=rounds, left_out={}, least_s=1.0,
        )  # fmt: skip
        plan, records = [], []
        for index, candidate in enumerate(made):
            planned = candidate.planned
            assert planned is not None
            folder = self.folder / str(index)
            folder.mkdir()
            cell = dataclasses.replace(
                planned.cell, index=index, folder=folder, sweep_folder=self.folder
            )
            plan.append(dataclasses.replace(planned, cell=cell))
            np.save(folder / "latents-0.npy", sample_latents(change=pictures[index]))
            records.append([self._record(plan[-1], seconds[index], n) for n in range(rounds)])
        ended = Ended(plan, records, plan_looks_of(plan, nothing_finished(), rounds))
        return lined_up, judge_final(lined_up, ended)  # type: ignore[arg-type]

    def _record(self, planned: PlannedCell, seconds: float | None, number: int) -> Record:
        cell, environment = planned.cell, sample_environment("cpu")
        known = {
            "attention": cell.config.attention.backend,
            "precision": "fp32",
            "cell_hash": cell.hash,
            "sweep": "s",
            "round_index": number,
            "environment": environment,
        }
        if seconds is None:
            return sample_record(status="crashed", reason="exit code 1", **known)  # type: ignore[arg-type]
        noise = NOISE[(number + 3 * cell.index) % len(NOISE)]
        return sample_record(seconds * noise, **known)  # type: ignore[arg-type]

    def sentences(self, lined_up: LineUp, result: FinalResult) -> str:
        config = self.candidates.default().config
        answer = Tuned(
            date="", workload=workload_of(config),
            machine={"device": "a CPU", "processors": 2, "versions": {"torch": "2.15.0"}},
            typed=[], overrides=list(result.choice), for_diffusers=[], compared=[],
        )  # fmt: skip
        outcome = Outcome(
            answer=answer, path=Path(), rows=[], lined_up=lined_up, final=result, default=config,
            for_diffusers=config,
        )  # fmt: skip
        table = table_of(outcome)
        assert len(table.rows) == len(lined_up.finalists)
        return " ".join(paragraph(outcome))


@pytest.fixture
def final(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_the_choice_is_what_the_verdicts_say_and_so_is_the_gain(final: Made) -> None:
    lined_up, result = final.hold(2.0, 1.0, 1.5)
    assert result.choice == ORIGINAL
    found = {versus.against: versus for versus in result.versus}
    assert {versus.word for versus in found.values()} == {"faster"}
    assert found[()].speedup == pytest.approx(2.0, rel=0.02)
    assert found[()].low < found[()].speedup < found[()].high
    assert result.runtimes_s[()] == pytest.approx(2.0, rel=0.02)
    text = final.sentences(lined_up, result)
    assert text.startswith("Set attention=original for sd2_tiny at 64x64 pixels")
    assert "an iteration takes 50 % less time" in text
    assert "same picture within 1e-3" in text
    assert "another choice may be the fastest" in text


def test_the_second_of_the_race_is_the_choice_if_it_is_faster_by_verdict(final: Made) -> None:
    _, result = final.hold(2.0, 1.5, 1.0)
    assert result.choice == MATH


def test_what_cannot_be_told_apart_is_said_so(final: Made) -> None:
    lined_up, result = final.hold(2.0, 1.0, 1.003)
    assert result.choice == ORIGINAL
    assert {v.against: v.word for v in result.versus}[MATH] in ("same", "unclear")
    text = final.sentences(lined_up, result)
    assert "equally fast" in text or "No verdict on" in text


def test_a_rival_that_draws_another_picture_is_not_the_choice(final: Made) -> None:
    _, result = final.hold(2.0, 1.0, 1.5, pictures=(0, 0.5, 0))
    assert result.choice == MATH
    assert {v.against: v.word for v in result.versus} == {(): "faster", ORIGINAL: "no claim"}


def test_where_no_rival_gains_anything_the_defaults_are_kept(final: Made) -> None:
    lined_up, result = final.hold(1.0, 1.3, 1.2)
    assert result.choice == ()
    assert final.sentences(lined_up, result).startswith("Keep the defaults for sd2_tiny")


def test_too_few_rounds_claim_nothing(final: Made) -> None:
    lined_up, result = final.hold(2.0, 1.0, 1.5, rounds=3)
    text = final.sentences(lined_up, result)
    assert "whether it gains anything over the default is undecided" in text
    assert "less time" not in text


def test_finalists_without_times_are_told_of(final: Made) -> None:
    _, result = final.hold(2.0, None, 1.5)
    assert (result.choice, result.failed) == (MATH, True)
    (crashed,) = (versus for versus in result.versus if versus.against == ORIGINAL)
    assert crashed.word == "crashed"
    assert "no times to compare with: exit code 1" in crashed.sentence
    assert math.isnan(crashed.speedup)


def test_a_final_in_which_all_failed_is_one_line(final: Made) -> None:
    with pytest.raises(ConfigError, match="no finalist has times: exit code 1"):
        final.hold(None, None, None)
