"""Where a difference comes from: the parts add up, and a sentence states them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis import compare, load_records, summarise
from analysis.charts.kinds.waterfall import Waterfall
from analysis.charts.select.waterfalls import select_attributions
from analysis.comparison.attribution import attribute_change
from sd_bench.records import Profile
from tests.support.records import sample_record, write_sample

MATH = {"attention": 0.060, "convolution": 0.030, "copies": 0.002, "norm": 0.0100}
FLASH = {"attention": 0.019, "convolution": 0.030, "copies": 0.005, "norm": 0.0101}


def write_profiles(root: Path, **fixed: Any) -> Path:
    for attention, classes in (("math", MATH), ("flash", FLASH)):
        step_s = sum(classes.values())
        profile = Profile(trace_file=None, step_s=step_s, seconds_by_class=classes)
        record = sample_record(1.0, attention=attention, extra={"profile": profile}, **fixed)
        write_sample(root, record)
    return root


def waterfall(root: Path) -> Waterfall:
    (found,) = select_attributions(compare(summarise(load_records(write_profiles(root))))).values()
    return found


def test_the_changes_add_up_to_the_difference() -> None:
    changes = attribute_change(MATH, FLASH)
    assert changes == pytest.approx(
        {"attention": -0.041, "everything else": 0.0001, "copies": 0.003}
    )
    assert sum(changes.values()) == pytest.approx(sum(FLASH.values()) - sum(MATH.values()))


def test_a_class_that_one_of_them_lacks_counts_as_nothing() -> None:
    assert attribute_change({"a": 1.0}, {"b": 2.0}) == {"a": -1.0, "b": 2.0}


def test_the_sentence_says_what_is_saved_and_taken_back(tmp_path: Path) -> None:
    assert waterfall(tmp_path).sentence() == (
        "flash saves 41 ms of attention, takes 3 ms more for copies, "
        "takes 0.1 ms more for everything else per step."
    )


def test_the_bars_lead_from_one_step_to_the_other(tmp_path: Path) -> None:
    chart = waterfall(tmp_path)
    (axes,) = chart.draw().axes
    to_data = axes.transData.inverted()
    boxes = [patch.get_extents().transformed(to_data) for patch in axes.patches]
    assert (boxes[0].y0, boxes[0].y1) == pytest.approx((0.0, 102.0))
    assert (boxes[1].y0, boxes[1].y1) == pytest.approx((61.0, 102.0))
    assert (boxes[-1].y0, boxes[-1].y1) == pytest.approx((0.0, 64.1))
    assert "math 102 ms, flash 64.1 ms" in chart.alt()


def test_each_model_has_its_own(tmp_path: Path) -> None:
    for model_version in ("sd1", "sd2"):
        write_profiles(tmp_path, model_version=model_version)
    charts = select_attributions(compare(summarise(load_records(tmp_path)))).values()
    assert [chart.title[:13] for chart in charts] == ["A step of sd1", "A step of sd2"]


def test_without_both_profiles_there_is_no_waterfall(tmp_path: Path) -> None:
    write_profiles(tmp_path)
    write_sample(tmp_path, sample_record(1.0, attention="cudnn"))
    assert len(select_attributions(compare(summarise(load_records(tmp_path))))) == 1
