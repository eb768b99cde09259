"""Pictures of comparisons: which are shown, how much they differ, what is left out."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis import compare, load_records, summarise
from analysis.report.pictures import Pictures, Shown, show_pictures
from tests.support.pictures import add_pictures
from tests.support.records import write_sweep


def compared(root: Path) -> pd.DataFrame:
    return compare(summarise(load_records(root)))


def shown(root: Path) -> Pictures:
    return show_pictures(compared(root))


def pixels(picture: Shown) -> np.ndarray[Any, Any]:
    data = base64.b64decode(picture.source.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)), dtype=int)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return write_sweep(tmp_path, {(1, "math"): [2.0], (1, "flash"): [1.0], (4, "flash"): [4.0]})


def test_a_comparison_shows_the_baseline_the_cell_and_their_difference(sweep: Path) -> None:
    (pair,) = shown(add_pictures(sweep, {"flash": 6})).shown
    assert [picture.name for picture in pair.pictures] == ["math", "flash", "difference x 32"]
    assert pair.parity == "Same picture: the latents differ by 0, of 0.001 allowed."
    assert pair.prompt == "A photo, seed 1"
    assert abs(pixels(pair.pictures[2]).mean() - 6 * 32) < 8


def test_a_difference_too_large_to_double_is_shown_as_it_is(sweep: Path) -> None:
    (pair,) = shown(add_pictures(sweep, {"flash": -150})).shown
    assert pair.pictures[2].name == "difference"


def test_equal_pictures_are_called_equal(sweep: Path) -> None:
    (pair,) = shown(add_pictures(sweep)).shown
    assert pair.pictures[2].name == "no pixel differs"
    assert pixels(pair.pictures[2]).max() <= 1


def test_another_picture_is_called_that(tmp_path: Path) -> None:
    seconds = {(1, "math"): [2.0], (1, "flash"): [1.0]}
    write_sweep(tmp_path, seconds, changes={(1, "flash"): 0.3})
    (pair,) = shown(add_pictures(tmp_path, {"flash": 50})).shown
    assert pair.parity == "Another picture: the latents differ by 0.3, of 0.001 allowed."


def test_unknown_parity_is_stated_with_the_reason(sweep: Path) -> None:
    add_pictures(sweep)
    for path in sweep.rglob("*.npy"):
        path.unlink()
    (pair,) = shown(sweep).shown
    assert pair.parity.startswith("Whether this is the same picture is not known: latents file")


def test_large_pictures_become_small(sweep: Path) -> None:
    (pair,) = shown(add_pictures(sweep, {"flash": 3}, side=700)).shown
    assert pixels(pair.pictures[0]).shape == (256, 256, 3)


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n torn"])
def test_a_picture_that_cannot_be_read_is_left_out(sweep: Path, content: bytes | None) -> None:
    add_pictures(sweep)
    for path in sweep.rglob("*.png"):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    assert shown(sweep).shown == []


def test_without_pictures_there_are_none(sweep: Path) -> None:
    assert shown(sweep) == Pictures([], 0, False)


def test_more_than_a_dozen_are_counted(tmp_path: Path) -> None:
    seconds = {(size, a): [1.0] for size in range(1, 16) for a in ("math", "flash")}
    found = shown(add_pictures(write_sweep(tmp_path, seconds), {"flash": 3}))
    assert len(found.shown) == 12
    assert found.num_more == 3


def test_pictures_have_no_more_characters_than_there_is_room_for(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.report.pictures._MOST_CHARACTERS", 1000)
    found = shown(add_pictures(sweep, {"flash": 3}))
    assert found.shown == []
    assert found.num_more == 1


@pytest.mark.parametrize(("weights", "noise"), [("random", True), ("sd2.safetensors", False)])
def test_random_weights_are_reported_to_draw_noise(
    tmp_path: Path, weights: str, noise: bool
) -> None:
    write_sweep(tmp_path, {(1, "math"): [2.0], (1, "flash"): [1.0]}, weights=weights)
    assert shown(add_pictures(tmp_path)).noise is noise
