"""Sentences below tables and charts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from msgspec import structs

from analysis import compare, compare_by_axis, list_environments, load_records, summarise
from analysis.formatting import join_sweeps
from analysis.tables.pages import make_axes_page, make_delta_page, make_summary_page
from analysis.wording.disturbances import note_disturbances
from analysis.wording.notes import note_scaling, note_value
from tests.support.records import sample_record, sample_times, write_main_sweep, write_sample


def cells(*rows: tuple[str, tuple[str, ...]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["machine", "scaled"], dtype=object)


def test_each_statement_is_made_once() -> None:
    table = cells(("cpu", ("4 steps.", "bf16")), ("cpu", ("bf16", "4 steps")))
    assert note_scaling(table) == ["Scaled down: 4 steps; bf16."]


def test_what_is_not_scaled_is_not_mentioned() -> None:
    assert note_scaling(cells(("cpu", ()))) == []


def test_machines_are_named_where_there_are_several() -> None:
    table = cells(("cpu", ("bf16", "4 steps")), ("mini", ("4 steps",)), ("h100", ()))
    assert note_scaling(table) == [
        "Scaled down on cpu: bf16.",
        "Scaled down on cpu, mini: 4 steps.",
    ]


def test_many_sweeps_are_counted() -> None:
    assert join_sweeps(["a", "b", "c"]) == "a, b, c"
    assert join_sweeps(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def sweep(root: Path, flags: list[str], warnings: list[str]) -> pd.DataFrame:
    """Two cells of two rounds of two iterations; one round of flash is disturbed."""
    for attention in ("math", "flash"):
        for number in range(2):
            disturbed = attention == "flash" and number == 1
            times = sample_times(1.0, 1.0)
            first = structs.replace(times.iterations[0], flags=flags if disturbed else [])
            record = sample_record(
                round_index=number,
                attention=attention,
                n_iter=2,
                extra={
                    "times": structs.replace(times, iterations=[first, times.iterations[1]]),
                    "warnings": [w.format(number) for w in warnings],
                },
            )
            write_sample(root, record)
    return summarise(load_records(root))


def test_steal_is_not_a_reason_for_throttling(tmp_path: Path) -> None:
    cells = sweep(tmp_path, ["throttled: sw_power_cap", "throttled: hot", "steal above 5%"], [])
    assert note_disturbances(cells) == [
        "1 of 8 timed iterations were throttled (sw_power_cap, hot), in 1 of 2 cells: marked §, "
        "not dropped.",
        "steal above 5%: 1 of 8 timed iterations, in 1 of 2 cells; not dropped.",
    ]


def test_a_warning_is_shown_once_with_its_rounds_and_cells(tmp_path: Path) -> None:
    cells = sweep(tmp_path, [], ["others computed on the GPU: python 42{}"])
    assert note_disturbances(cells) == [
        "Warning of 4 rounds, in 2 of 2 cells: others computed on the GPU: python …"
    ]


def test_many_kinds_of_warnings_are_counted(tmp_path: Path) -> None:
    cells = sweep(tmp_path, [], [f"warning {'x' * at}" for at in range(11)])
    notes = note_disturbances(cells)
    assert len(notes) == 9
    assert notes[-1] == "3 further warnings are in summary_full.csv."


def test_every_page_says_what_a_runtime_is_and_that_a_median_is_one(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    rounds = load_records(tmp_path)
    cells = summarise(rounds, "median-iteration")
    note = "Runtime of a round: one timed iteration, warm-up left out."
    for page in (make_summary_page, make_delta_page):
        assert note in page(compare(cells), list_environments(rounds)).notes
    assert note in make_axes_page(compare_by_axis(cells)).notes
    cells["n_iter"] = 2
    assert note_value(cells) == (
        "Runtime of a round: the median of 2 timed iterations, warm-up left out."
    )


@pytest.mark.parametrize(
    ("warmup", "expected"),
    [
        ({"warmup_unet_calls_s": [2.0]}, "one timed iteration, warm-up left out"),  # as on a CPU
        ({"warmup_unet_calls_s": []}, "one timed iteration, without a warm-up"),
    ],
)
def test_a_unet_call_before_is_a_warm_up_too(
    tmp_path: Path, warmup: dict[str, Any], expected: str
) -> None:
    times = structs.replace(sample_times(1.0), warmup=[], **warmup)
    write_sample(tmp_path, sample_record(1.0, extra={"times": times}))
    assert note_value(summarise(load_records(tmp_path))) == f"Runtime of a round: {expected}."


def test_the_value_mentions_no_warm_up_if_there_was_none(tmp_path: Path) -> None:
    times = structs.replace(sample_times(1.0), warmup=[])
    write_sample(tmp_path, sample_record(extra={"times": times}))
    note = note_value(summarise(load_records(tmp_path)))
    assert note == "Runtime of a round: one timed iteration, without a warm-up."


def test_the_value_of_a_median_is_called_one(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(1.0, 2.0, 4.0, n_iter=3))
    note = note_value(summarise(load_records(tmp_path), "median-iteration"))
    assert note == "Runtime of a round: the median of 3 timed iterations, warm-up left out."
