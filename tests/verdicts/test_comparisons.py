"""Verdicts from records alone: the same as those of the analysis."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from analysis import compare, load_records, summarise
from sd_bench.records import Record, find_records, read_record
from sd_bench.verdicts.baselines import BaselineError
from sd_bench.verdicts.cells import pool_records
from sd_bench.verdicts.comparisons import Comparison, Sides, compare_cells, judge_sides
from tests.support.records import (
    PRESETS,
    sample_environment,
    sample_record,
    write_sample,
    write_sweep,
)


def seconds_of(mean: float, rounds: int, spread: float = 0.004) -> list[float]:
    noise = np.random.default_rng(int(1000 * mean)).standard_normal(rounds)
    return (mean * (1 + spread * noise)).tolist()


def records_of(seconds: dict[str, list[float]], **choices: Any) -> list[Record]:
    return [
        sample_record(runtime_s, attention=attention, round_index=number, **choices)
        for attention, runtimes in seconds.items()
        for number, runtime_s in enumerate(runtimes)
    ]


def by_attention(records: list[Record], baseline: str | None = None) -> dict[Any, Comparison]:
    comparisons = compare_cells(pool_records(records), baseline)
    return {comparison.cell["attention"]: comparison for comparison in comparisons}


def test_records_alone_say_what_is_faster() -> None:
    records = records_of({"math": seconds_of(10, 8), "flash": seconds_of(8, 8)})
    found = by_attention(records)
    assert str(found["flash"].baseline) == "attention=math"
    assert found["flash"].baseline_cell is found["math"].cell
    assert found["math"].baseline_cell is found["math"].cell
    difference, verdict = found["flash"].difference, found["flash"].verdict
    assert difference is not None
    assert verdict is not None
    assert difference.speedup == pytest.approx(1.25, rel=0.01)
    assert difference.baseline_s / difference.cell_s == pytest.approx(difference.speedup)
    judgement = difference.judgement
    assert judgement is not None
    assert judgement.interval_95.low < difference.speedup < judgement.interval_95.high
    assert judgement.p <= judgement.level
    assert verdict.word == "faster"


def test_a_comparison_is_settled_by_its_verdict() -> None:
    few = by_attention(records_of({"math": seconds_of(10, 5), "flash": seconds_of(8, 5)}))
    assert [c.is_settled for c in few.values()] == [True, False]  # the baseline itself, and flash
    many = by_attention(records_of({"math": seconds_of(10, 6), "flash": seconds_of(8, 6)}))
    assert all(comparison.is_settled for comparison in many.values())
    vague = records_of({"math": seconds_of(10, 6, 0.2), "flash": seconds_of(9.9, 6, 0.2)})
    verdict = by_attention(vague)["flash"].verdict
    assert verdict is not None
    assert verdict.word == "unclear"
    assert not by_attention(vague)["flash"].is_settled


def test_a_cell_that_failed_is_compared_with_nothing_and_says_why() -> None:
    records = records_of({"math": [2.0, 3.0]})
    records.append(sample_record(status="oom", reason="no memory", attention="flash"))
    found = by_attention(records, "attention=flash")
    assert found["math"].reason == "baseline no memory"
    assert found["math"].difference is None
    assert found["math"].verdict is None
    assert found["flash"].cell.runs == {}


def test_an_unknown_baseline_lists_those_there_are() -> None:
    with pytest.raises(BaselineError, match="there are: attention=flash"):
        by_attention(records_of({"flash": [1.0]}), "attention=foo")


def test_records_older_than_upcast_are_of_the_cell_of_newer_ones() -> None:
    new, old = records_of({"math": [2.0, 3.0]})
    old = structs.replace(old, choices={**old.choices, "upcast": None})
    (cell,) = pool_records([new, old])
    assert len(cell.runs) == 2
    assert cell["upcast"] == "default"


def test_a_cell_against_itself_is_worth_nothing() -> None:
    runs = {("sweep", number): 2.0 for number in range(6)}
    (difference,) = judge_sides([Sides(baseline_s=runs, cell_s=runs)], ["table"])
    assert difference is not None
    assert (difference.speedup, difference.improvement_percent) == (1.0, 0.0)
    assert (difference.judgement, difference.verdict) == (None, None)
    assert difference.cell_s == pytest.approx(2.0)


def judged(baseline_s: dict[tuple[str, int], float], cell_s: dict[tuple[str, int], float]) -> Any:
    (difference,) = judge_sides([Sides(baseline_s=baseline_s, cell_s=cell_s)], ["table"])
    assert difference is not None
    return difference


def test_rounds_of_one_sweep_are_paired_and_of_two_sweeps_are_not() -> None:
    base = {("s1", r): 10.0 + r / 10 for r in range(7)}
    for sweep, method in (("s1", "paired"), ("s2", "unpaired")):
        found = judged(base, {(sweep, r): 9.0 + r / 10 for r in range(7)})
        assert found.judgement.estimate.method == method


def test_a_round_without_times_leaves_its_pair_out() -> None:
    base = {("s1", r): 10.0 + r / 10 for r in range(7) if r != 2}
    found = judged(base, {("s1", r): 9.0 + r / 10 for r in range(7)})
    assert (found.judgement.estimate.rounds, found.pairing) == (6, "6 of 7 rounds paired")


def test_pairs_that_are_few_among_many_rounds_are_not_relied_on() -> None:
    base = {("s1", 0): 10.0, ("s1", 1): 10.1} | {("s2", r): 10.0 + r / 10 for r in range(8)}
    cell = {("s1", 0): 9.0, ("s1", 1): 9.1} | {("s3", r): 9.0 + r / 10 for r in range(8)}
    found = judged(base, cell).judgement.estimate
    assert (found.method, found.rounds) == ("unpaired", 10)


def test_one_round_has_a_speedup_of_that_round() -> None:
    found = judged({("s", 0): 2.0}, {("s", 0): 1.0, ("s", 1): 5.0})
    assert (found.speedup, found.verdict.word) == (pytest.approx(2.0), "too few rounds")


@pytest.fixture
def sweeps(tmp_path: Path) -> Path:
    for gpu, slower in (("t4", 3.0), ("h100", 1.0)):
        for side in ("original", "optimized"):
            named = [name for name in PRESETS if name.startswith(side)]
            seconds = {
                (batch_size, name): seconds_of(slower * batch_size * (10 + len(name)), 7)
                for batch_size in (1, 2)
                for name in named
            }
            environment = sample_environment(f"{gpu}-{side}", device=gpu, torch=side)
            write_sweep(
                tmp_path,
                seconds,
                ("batch_size", "preset"),
                gpu=gpu,
                environment=environment,
                sweep=f"sweep of {gpu}",
            )
    short = {(4, attention): [1.0, 2.0, 3.0] for attention in ("flash", "math")}
    write_sweep(tmp_path, short, sweep="short", gpu="cpu", steps=7)
    record = sample_record(status="oom", reason="full", gpu="cpu", attention="cudnn", sweep="short")
    write_sample(tmp_path, record)
    return tmp_path


@pytest.mark.parametrize("baseline", [None, "original", "attention=math"])
def test_they_are_the_verdicts_that_the_analysis_prints(sweeps: Path, baseline: str | None) -> None:
    table = compare(summarise(load_records(sweeps)), baseline)
    printed = {
        (row["machine"], row["env"], row["cell_hash"], row["preset"]): (
            row["verdict"],
            row["speedup"],
            row["p"],
            row["level"],
            row["cell_s"] if row["speedup"] == row["speedup"] else math.nan,
            row["improvement_percent"],
        )
        for row in table.to_dict("records")
    }
    records = [read_record(path) for path in find_records(sweeps)]
    decided = {}
    for comparison in compare_cells(pool_records(records), baseline):
        cell, difference, verdict = comparison.cell, comparison.difference, comparison.verdict
        decided[cell.machine, cell.env, cell.cell_hash, cell["preset"]] = (
            verdict.word if verdict else "",
            difference.speedup if difference else math.nan,
            found.p if (found := difference and difference.judgement) else math.nan,
            found.level if found else math.nan,
            difference.cell_s if difference else math.nan,
            difference.improvement_percent if difference else math.nan,
        )
    np.testing.assert_equal(decided, printed)  # to the last digit, NaN where it is NaN


def test_neither_pandas_nor_torch_nor_hydra_is_needed() -> None:
    program = """
import sys
for name in ("pandas", "torch", "hydra", "omegaconf", "matplotlib"):
    sys.modules[name] = None
import sd_bench.verdicts.comparisons
"""
    subprocess.run([sys.executable, "-c", program], check=True)
