"""The published numbers: every percentage follows from the seconds."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.formatting import percent
from analysis.published.study import (
    check_printed_percentages,
    compute_published_improvements,
    find_largest_improvement,
    read_published_runs,
    read_published_runtimes,
)

PRINTED = check_printed_percentages()
SECONDS: dict[tuple[Any, ...], float] = {
    (row["model_version"], row["gpu"], row["batch_size"], row["preset"]): row["runtime_s"]
    for row in read_published_runtimes().to_dict("records")
}


def test_all_published_numbers_are_there() -> None:
    runtimes = read_published_runtimes()
    assert len(runtimes) == 80
    assert dict(runtimes["model_version"].value_counts()) == {"sd2": 72, "sd1": 8}
    assert dict(PRINTED["table"].value_counts()) == {"runtimes": 80, "headline": 15}


@pytest.mark.parametrize(
    "row",
    PRINTED.to_dict("records"),
    ids=lambda r: f"{r['model_version']}-{r['gpu']}-{r['batch_size']}-{r['preset']}",
)
def test_every_printed_percentage_follows_from_the_seconds(row: dict[str, Any]) -> None:
    """Worked out by hand: seconds within 0.05, percentages within half of their last digit."""
    place = (row["model_version"], row["gpu"], row["batch_size"])
    seconds = SECONDS[(*place, row["preset"])]
    # The study calls both original: SD 2's with xFormers, SD 1's without.
    baseline = {"sd1": "original_no_xformers", "sd2": "original_xformers"}[row["model_version"]]
    original = SECONDS[(*place, baseline)]
    text = str(row["printed_percent"])
    printed = float(text) * (-1 if row["model_version"] == "sd1" else 1)
    decimals = len(text.split(".")[1]) if "." in text else 0
    slack = 0.5 * 10**-decimals
    if row["preset"] == baseline:
        assert printed == 0
    else:
        lowest = 100 - 100 * (seconds + 0.05) / (original - 0.05)
        highest = 100 - 100 * (seconds - 0.05) / (original + 0.05)
        assert lowest - slack <= printed <= highest + slack
    assert row["agrees"]


def test_a_wrong_percentage_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    runtimes = read_published_runtimes()
    wrong = runtimes.copy()
    at = wrong.index[(wrong["gpu"] == "A100") & (wrong["preset"] == "optimized_compile")]
    wrong.loc[at[-1], "printed_percent"] = "13.4"
    monkeypatch.setattr("analysis.published.study.read_published_runtimes", lambda: wrong)
    checked = check_printed_percentages()
    disagreeing = checked[~checked["agrees"].astype(bool)]
    assert list(disagreeing["printed_percent"]) == ["13.4"]


def test_the_sign_of_sd1_is_reversed() -> None:
    sd1 = PRINTED[(PRINTED["model_version"] == "sd1") & (PRINTED["gpu"] == "T4")]
    assert list(sd1["printed_percent"]) == ["0.0", "-25.6"]
    assert list(sd1["printed_improvement_percent"]) == [0.0, 25.6]


def test_improvements_are_against_both_baselines() -> None:
    table = compute_published_improvements()
    cell = table[(table["gpu"] == "A10") & (table["batch_size"] == 4)]
    compiled = cell[cell["preset"] == "optimized_compile"].set_index("baseline")
    improvement = compiled["improvement_percent"].to_dict()
    assert improvement == pytest.approx(
        {
            "original_xformers": (23.4 - 20.9) / 23.4 * 100,
            "original_no_xformers": (47.2 - 20.9) / 47.2 * 100,
        }
    )


def test_the_largest_improvement_is_that_of_the_a10() -> None:
    largest = find_largest_improvement()
    assert percent(largest["improvement_percent"]) == "+55.7 %"
    assert (largest["gpu"], largest["batch_size"]) == ("A10", 4)
    assert largest["baseline"] == "original_no_xformers"


def test_the_runs_are_those_behind_the_published_mean() -> None:
    runs = read_published_runs()
    assert list(runs["run_number"]) == list(range(50))
    mean = runs[runs["series"] == "optimized_compile"]["runtime_s"].mean()
    assert mean == pytest.approx(SECONDS["sd2", "A100", 4, "optimized_compile"], abs=0.05)
