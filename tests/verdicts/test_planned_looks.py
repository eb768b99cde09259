"""Sweeps with looks: what was decided at a look is what the analysis prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from analysis import compare, compare_by_axis, list_environments, load_records, summarise
from analysis.tables.pages import make_axes_page, make_delta_page
from sd_bench.records import Looks, Record
from sd_bench.statistics.sequential import plan_fixed, plan_looks
from sd_bench.verdicts.cells import plan_cell, pool_records
from sd_bench.verdicts.comparisons import Comparison, compare_cells, pair_cells
from sd_bench.verdicts.planned_looks import PlannedLooks, read_looks, write_looks
from tests.support.records import CHOICES, sample_record, write_sample

PLAN = plan_looks(20)
PLANNED = PlannedLooks(PLAN, 3, "attention=math", 0.01)

#: Mean seconds and noise of each cell.
CELLS = {"math": (10.0, 0.002), "flash": (8.0, 0.002), "cudnn": (9.95, 0.02), "auto": (10.0, 0.001)}


def record(
    attention: str, number: int, planned: PlannedLooks | None = PLANNED, **more: Any
) -> Record:
    mean_s, spread = CELLS[attention]
    noise = np.random.default_rng((sorted(CELLS).index(attention), number)).standard_normal()
    looks = None if planned is None else write_looks(planned, 0)
    choices = {"attention": attention, "round_index": number, "extra": {"looks": looks}, **more}
    return sample_record(float(mean_s * np.exp(spread * noise)), **choices)


def sweep(rounds: Mapping[str, int], **more: Any) -> list[Record]:
    return [record(name, at, **more) for name, count in rounds.items() for at in range(count)]


def by_attention(records: list[Record], baseline: str | None = None) -> dict[Any, Comparison]:
    return {c.cell["attention"]: c for c in compare_cells(pool_records(records), baseline)}


def launch() -> tuple[list[Record], dict[str, tuple[str, int]]]:
    """A sweep with looks, in which decided cells rest: its records, and what was decided when."""
    records: list[Record] = []
    decided: dict[str, tuple[str, int]] = {}
    before = 0
    for look in PLAN.looks:
        active = [name for name in CELLS if name not in decided]
        records += [record(name, at) for name in active for at in range(before, look)]
        for name, comparison in by_attention(records).items():
            if comparison.verdict and comparison.is_settled:
                decided.setdefault(name, (comparison.verdict.word, look))
        before = look
    return records, decided


def test_the_analysis_prints_what_was_decided_at_each_look(tmp_path: Path) -> None:
    records, decided = launch()
    assert decided["flash"] == ("faster", 6)
    assert "cudnn" not in decided or decided["cudnn"][1] > 6
    for each in records:
        write_sample(tmp_path, each)
    rows = compare(summarise(load_records(tmp_path))).to_dict("records")
    printed = {row["attention"]: row for row in rows}
    for name, (word, look) in decided.items():
        assert (printed[name]["verdict"], printed[name]["pairs"]) == (word, look)
    undecided = printed["cudnn"]
    assert undecided["verdict"] == decided.get("cudnn", ("unclear", 0))[0]


def test_a_planned_comparison_is_held_to_the_level_of_its_look_and_others_to_the_whole() -> None:
    rounds = dict.fromkeys(CELLS, 6)
    planned, fixed = by_attention(sweep(rounds)), by_attention(sweep(rounds, planned=None))
    for found, plan, family in ((planned, PLAN, 3), (fixed, plan_fixed(6, reserve=0), 3)):
        judgement = found["cudnn"].difference.judgement  # type: ignore[union-attr]
        assert judgement is not None
        assert judgement.level == plan.level(6, family)


def test_planned_and_unplanned_comparisons_share_a_table() -> None:
    unplanned = [record("cudnn", at, planned=None) for at in range(9)]
    mixed = by_attention(sweep({"math": 9, "flash": 9, "auto": 9}) + unplanned)
    for name, rounds in (("flash", 6), ("cudnn", 9)):
        judgement = mixed[name].difference.judgement  # type: ignore[union-attr]
        assert judgement is not None
        assert judgement.estimate.rounds == rounds
    assert mixed["cudnn"].difference.sides.unplanned  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("records", "baseline", "reason"),
    [
        (sweep({"math": 9, "flash": 9}), "attention=flash", "planned against attention=math"),
        (sweep({"math": 41, "flash": 41}), None, "more rounds than were planned"),
        (
            sweep({"math": 6, "flash": 6}) + sweep({"math": 6, "flash": 6}, sweep="another"),
            None,
            "rounds of several sweeps",
        ),
        (
            sweep({"math": 9, "flash": 6}) + [record("flash", at, planned=None) for at in (6, 7)],
            None,
            "rounds that were planned differently",
        ),
    ],
)
def test_what_was_not_planned_is_looked_at_once_and_says_so(
    records: list[Record], baseline: str | None, reason: str
) -> None:
    name = "math" if baseline else "flash"
    difference = by_attention(records, baseline)[name].difference
    assert difference is not None
    assert difference.sides is not None
    assert difference.judgement is not None
    assert (difference.sides.planned, difference.sides.unplanned) == (None, reason)
    assert difference.judgement.plan.looks == (difference.judgement.estimate.rounds,)
    assert not difference.judgement.plan.reserve


def test_a_baseline_that_was_not_planned_has_a_note(tmp_path: Path) -> None:
    for each in sweep({"math": 6, "flash": 6}):
        write_sample(tmp_path, each)
    for compiled in range(6):
        write_sample(tmp_path, record("math", compiled, compile="default"))
    rounds = load_records(tmp_path)
    cells, environments = summarise(rounds), list_environments(rounds)
    note = (
        "1 comparison is judged by one look, which does not account for the looks that ended the "
        "sweep"
    )
    assert note not in " ".join(make_delta_page(compare(cells), environments).notes)
    assert f"{note}: planned against attention=math." in (
        make_delta_page(compare(cells, "compile=off"), environments).notes
    )
    assert (
        f"{note}: planned against attention=math." in make_axes_page(compare_by_axis(cells)).notes
    )


def test_the_family_is_never_less_than_planned() -> None:
    alone = by_attention(sweep({"math": 6, "flash": 6}))["flash"].difference
    assert alone is not None
    assert alone.judgement is not None
    assert alone.judgement.family == 3


def test_the_margin_is_the_planned_one_unless_another_is_given() -> None:
    cells = pool_records(sweep(dict.fromkeys(CELLS, 10), planned=PLANNED._replace(margin=0.03)))
    words = [
        [c.verdict.word for c in compare_cells(cells, margin=margin) if c.verdict]
        for margin in (None, 0.03, 0.001)
    ]
    assert words[0] == words[1]
    assert words[1].count("same") > words[2].count("same")


@pytest.mark.parametrize(
    "changes",
    [
        {"rule": "another"},
        {"looks": []},
        {"looks": [8, 6]},
        {"looks": list(range(1, 102))},
        {"error": 0.0},
        {"error": float("nan")},
        {"reserve": 1.0},
        {"family": -1},
        {"margin": 0.0},
    ],
)
def test_a_plan_that_cannot_be_followed_is_none(changes: dict[str, Any]) -> None:
    looks = write_looks(PLANNED, 6)
    assert isinstance(looks, Looks)
    assert read_looks(looks) == PLANNED
    assert read_looks(structs.replace(looks, **changes)) is None
    assert read_looks(None) is None


def test_who_is_compared_with_whom_is_known_before_the_first_round() -> None:
    choices = [
        CHOICES | {"attention": attention, "torch_env": torch_env, "batch_size": size}
        for attention in ("math", "flash")
        for torch_env in ("original", "optimized")
        for size in (1, 2)
    ]
    cells = [plan_cell(each, str(at)) for at, each in enumerate(choices)]
    pairs = pair_cells(cells, "attention=math")
    assert [pair.is_comparison for pair in pairs] == [
        each["attention"] == "flash" for each in choices
    ]
    for pair in pairs:
        assert pair.baseline_cell is not None
        for axis in ("torch_env", "batch_size", "env", "machine"):
            assert pair.baseline_cell[axis] == pair.cell[axis]
    measured = [
        sample_record(1.0, **each, environment={"fingerprint": each["torch_env"]})
        for each in choices
    ]
    later = pair_cells(pool_records(measured), "attention=math")
    assert [str(pair.baseline_cell and pair.baseline_cell.choices) for pair in pairs] == [
        str(pair.baseline_cell and pair.baseline_cell.choices) for pair in later
    ]


def test_a_planned_cell_that_cannot_run_is_not_a_baseline() -> None:
    math_cell = plan_cell(CHOICES | {"attention": "math"}, "a", reason="needs CUDA")
    pair = pair_cells([math_cell, plan_cell(CHOICES, "b")], "attention=math")[1]
    assert (pair.baseline_cell, pair.reason) == (None, "baseline needs CUDA")
