"""What a plan tells: rounds drawn together, times from earlier records, and their total."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from sd_bench.cli.plan_screen import compact, show_plan
from sd_bench.execution.cell import Cell, cell_hash, choices
from sd_bench.execution.finished_rounds import Finished, nothing_finished
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.time_account import Account
from sd_bench.execution.time_estimate import Estimate, estimates
from sd_bench.records import write_record
from tests.support.composition import Compose
from tests.support.records import sample_record


def planned(compose: Compose, *overrides: str, reason: str | None = None) -> PlannedCell:
    config = compose("gpu=cpu", "protocol.rounds=4", *overrides)
    label = " ".join(overrides)
    cell = Cell(config=config, index=0, label=label, folder=Path(), sweep_folder=Path())
    return PlannedCell(cell=cell, interpreter=None, reason=reason)


def shown(plan: list[PlannedCell], finished: Finished, times: list[Estimate | None]) -> str:
    stream = io.StringIO()
    show_plan(Console(file=stream, width=160), plan, finished, times)
    return stream.getvalue()


def test_numbers_that_follow_each_other_are_drawn_together() -> None:
    assert compact([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert compact([]) == ""


def test_times_come_from_the_same_cell_or_else_from_a_like_one(
    compose_config: Compose, tmp_path: Path
) -> None:
    math, flash, other = (
        planned(compose_config, override)
        for override in ("attention=math", "attention=flash", "batch_size=4")
    )
    config = math.cell.config
    for index, worker_s in enumerate((3.0, 5.0, 10.0)):
        record = sample_record(1.0)
        assert record.times is not None
        times = replace(record.times, worker_s=worker_s)
        known = replace(
            record, times=times, cell_hash=cell_hash(config), choices=choices(config), round=index
        )
        write_record(tmp_path / f"round-{index}.json", known)
    found = estimates([math, flash, other], [tmp_path, tmp_path])
    assert found == [Estimate(5.0, is_own=True), Estimate(5.0, is_own=False), None]
    assert [str(estimate) for estimate in found[:2]] == ["5.0 s", "about 5.0 s"]


def test_the_total_is_of_what_is_left_and_says_what_it_does_not_know(
    compose_config: Compose,
) -> None:
    plan = [
        planned(compose_config, "attention=math"),
        planned(compose_config, "attention=flash"),
        planned(compose_config, "attention=xformers", reason="xFormers needs CUDA"),
    ]
    there = sample_record(1.0)
    done = Finished({(0, 0): there, (0, 1): there}, {}, {}, {0, 1})
    text = shown(plan, done, [Estimate(5.0, is_own=True), None, None])
    assert "6 round(s) to run: about 10 s one after another, and 4 round(s) without" in text
    assert "unsupported: xFormers needs CUDA" in text
    assert "0-3" in text
    assert "0-1" in text
    nothing_known = shown(plan[:2], nothing_finished(), [None, None])
    assert "8 round(s) to run, no estimate" in nothing_known


def test_overhead_is_what_the_records_do_not_account_for() -> None:
    record = sample_record(1.0)
    assert record.times is not None
    times = replace(record.times, import_s=2.0, build_s=1.0, prepare_s=0.5, proof_s=0.5)
    measured_s = 4.0 + times.runtime_s + sum(times.warmup_unet_calls_s)
    measured_s += sum(iteration.total_s for iteration in times.warmup)
    known = replace(record, times=times)
    account = Account.of([known, known], 2 * measured_s + 1.0)
    assert account is not None
    assert abs(account.overhead_per_round_s() - 0.5) < 1e-9
    assert abs(account.share("overhead") - 100 / (2 * measured_s + 1.0)) < 1e-9
    assert Account.of([known, replace(known, status="crashed", times=None)], 9.0) is None
