"""The parity of two rows, and every reason for which there is none."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from analysis.comparison.parity import describe_parity, judge_parity, to_parity
from analysis.comparison.rows import DeltaRow
from sd_bench.verdicts.parity import Parity, read_latents
from tests.support.rows import row_of


def cell(
    path: Path | None,
    precision: str = "fp32",
    reason: str = "",
    sketches: dict[str, list[float]] | None = None,
) -> DeltaRow:
    return row_of(
        DeltaRow,
        sketches=sketches or {},
        latents_path=None if path is None else str(path),
        latents_reason=reason,
        precision=precision,
    )


def saved(path: Path, *values: float) -> Path:
    np.save(path, np.array(values, dtype=np.float32))
    return path


def described(row: DeltaRow, found: Parity) -> DeltaRow:
    return structs.replace(row, **describe_parity(found))


def judged(one: DeltaRow, other: DeltaRow | None) -> tuple[float, str, bool | None]:
    verdict = judge_parity(one, other, read_latents)
    return verdict.distance, verdict.reason, verdict.ok


def test_within_and_beyond_the_tolerance(tmp_path: Path) -> None:
    reference = cell(saved(tmp_path / "reference.npy", 1.0, 0.0))
    near = cell(saved(tmp_path / "near.npy", 1.0005, 0.0))
    far = cell(saved(tmp_path / "far.npy", 1.002, 0.0))
    (near_by, _, near_ok), (far_off, _, far_ok) = judged(near, reference), judged(far, reference)
    assert (near_by, far_off) == pytest.approx((5e-4, 2e-3), rel=1e-3)
    assert (near_ok, far_ok) == (True, False)
    assert judged(structs.replace(far, precision="bf16"), reference)[2] is True


def test_a_row_says_what_it_is_held_to(tmp_path: Path) -> None:
    reference = cell(saved(tmp_path / "reference.npy", 1.0, 0.0))
    near = cell(saved(tmp_path / "near.npy", 1.002, 0.0))
    found = to_parity(described(near, judge_parity(near, reference, read_latents)))
    assert (found.allowed, found.ok) == (1e-3, False)
    assert found.distance == pytest.approx(2e-3, rel=1e-3)


def test_the_baseline_is_its_own_reference(tmp_path: Path) -> None:
    reference = cell(None, reason="latents not kept")
    assert judged(reference, reference) == (0.0, "reference", True)


def test_every_missing_comparison_has_its_reason(tmp_path: Path) -> None:
    good = cell(saved(tmp_path / "good.npy", 1.0, 2.0))
    text = tmp_path / "text.npy"
    np.save(text, np.array(["a", "b"]))
    torn = tmp_path / "torn.npy"
    torn.write_bytes((tmp_path / "good.npy").read_bytes()[:-4])
    objects = tmp_path / "objects.npy"
    np.save(objects, np.array([None, {}], dtype=object))
    archive = tmp_path / "archive.npz"
    np.savez(archive, latents=np.ones(2))
    gone, none = cell(tmp_path / "gone.npy"), cell(None, reason="no round 0")
    longer = cell(saved(tmp_path / "longer.npy", 1.0))
    for one, other, reason in (
        (gone, good, "latents file missing"),
        (cell(torn), good, "latents file not readable"),
        (cell(objects), good, "latents file not readable"),
        (cell(tmp_path), good, "latents file not readable"),
        (cell(text), good, "latents file holds no numbers"),
        (cell(archive), good, "latents file holds no numbers"),
        (good, gone, "baseline: latents file missing"),
        (good, None, "no baseline"),
        (none, good, "no round 0"),
        (good, none, "baseline: no round 0"),
        (longer, good, "latents differ in shape"),
    ):
        parity, found, ok = judged(one, other)
        assert (math.isnan(parity), found, ok) == (True, reason, None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_latents_that_are_not_finite_have_no_distance(tmp_path: Path, value: float) -> None:
    good = cell(saved(tmp_path / "good.npy", 1.0, 2.0))
    bad = cell(saved(tmp_path / "bad.npy", 1.0, value))
    for one, other in ((good, bad), (bad, good)):
        parity, reason, ok = judged(one, other)
        assert math.isnan(parity)
        assert reason == "latents not finite, or all zero"
        assert ok is None


def test_where_two_rows_begin_to_differ_is_a_column_and_comes_back(tmp_path: Path) -> None:
    same = {"text_encode": [1.0, 0.0], "unet_call": [1.0, 0.0]}
    reference = cell(saved(tmp_path / "reference.npy", 1.0, 0.0), sketches=same)
    other = same | {"unet_call": [1.12, 0.0]}
    far = cell(saved(tmp_path / "far.npy", 1.5, 0.0), sketches=other)
    row = described(far, judge_parity(far, reference, read_latents))
    assert row.parity_stage == "unet_call"
    assert row.parity_stage_distance == pytest.approx(0.12)
    assert row.parity_where == "the UNet's first call already differs by 12 %"
    assert to_parity(row).where == row.parity_where


def test_a_decoder_that_differs_is_another_output(tmp_path: Path) -> None:
    reference = cell(
        saved(tmp_path / "reference.npy", 1.0, 0.0), sketches={"vae_decode": [1.0, 0.0]}
    )
    other = cell(saved(tmp_path / "other.npy", 1.0, 0.0), sketches={"vae_decode": [1.1, 0.0]})
    found = judge_parity(other, reference, read_latents)
    assert (found.distance, found.ok) == (0.0, False)
    assert found.where == "only the decoder differs, by 10 %"
