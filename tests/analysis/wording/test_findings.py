"""The summary in sentences: what is faster, on what evidence, and with which doubts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis import compare, load_records, summarise
from analysis.wording.findings import state_findings
from tests.support.records import sample_latents, sample_record, write_sample, write_sweep


def ten(mean_s: float) -> list[float]:
    """Ten rounds with this mean and a spread of 0.5 %."""
    return [mean_s * (1 + 0.005 * ((7 * at) % 10 - 4.5) / 3) for at in range(10)]


def findings_of(root: Path, baseline: str | None = None) -> str:
    return "\n".join(state_findings(compare(summarise(load_records(root)), baseline)))


def write_without_compiled_math(root: Path, rounds: int = 10, **changes: Any) -> Path:
    """Flash beats math and compiled flash is the fastest, but math was never compiled."""
    seconds = {("math", "off"): 2.0, ("flash", "off"): 1.5, ("flash", "default"): 1.25}
    cells = {cell: ten(mean_s)[:rounds] for cell, mean_s in seconds.items()}
    return write_sweep(root, cells, axes=("attention", "compile"), **changes)


def test_the_findings_are_counted_and_are_the_answers(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): ten(2.0), (1, "flash"): ten(1.5)})
    assert findings_of(tmp_path).splitlines() == [
        "1 comparison with a baseline: 1 faster.",
        "flash is 1.33 times as fast as math at batch size 1, 1.33 to 1.33; same picture within "
        "1e-3.",
    ]


def test_the_fastest_cell_without_a_baseline_is_described_on_another_axis(tmp_path: Path) -> None:
    text = findings_of(write_without_compiled_math(tmp_path))
    assert "flash is 1.33 times as fast as math at batch size 1" in text
    assert (
        "flash, compile default has the shortest runtime there. All else equal: flash, compile "
        "default is 1.20 times as fast as flash at batch size 1, 1.20 to 1.20;"
    ) in text


def test_the_fastest_cell_is_named_without_a_verdict_too(tmp_path: Path) -> None:
    text = findings_of(write_without_compiled_math(tmp_path, rounds=3))
    assert "flash, compile default has the shortest runtime there" in text
    assert "after 3 rounds; a verdict needs at least 6 rounds." in text.splitlines()[-1]


def test_a_fastest_cell_whose_output_differs_is_not_named(tmp_path: Path) -> None:
    changes = {("flash", "default"): 0.5}
    assert "shortest runtime" not in findings_of(
        write_without_compiled_math(tmp_path, changes=changes)
    )


def test_a_win_over_a_baseline_that_is_not_proven_does_not_count(tmp_path: Path) -> None:
    for attention, mean_s in (("math", 2.0), ("flash", 1.5)):
        for at, runtime_s in enumerate(ten(mean_s)):
            proven = attention != "math"
            record = sample_record(runtime_s, attention=attention, proven=proven, round_index=at)
            write_sample(tmp_path, record, sample_latents())
    text = findings_of(tmp_path)
    assert "times as fast" not in text
    assert "1 comparison with a baseline: 1 no claim." in text
    assert (
        "No claim on flash against math at batch size 1: the attention kernels of math are not "
        "proven."
    ) in text


def test_unknown_parity_is_stated(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): ten(2.0), (1, "flash"): ten(1.5)}, latents_file=None)
    assert "whether they draw the same picture is not known (latents not kept)." in findings_of(
        tmp_path
    )
    assert "times as fast" not in findings_of(tmp_path)


def test_with_nothing_to_compare_the_summary_says_so(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): ten(2.0)})
    assert findings_of(tmp_path).startswith("Nothing to compare")
