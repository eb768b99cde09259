"""What a reader sees of a report in a real browser: nothing is cut at three widths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.contrast import contrast

pytestmark = pytest.mark.slow

WIDTHS = (390, 1280, 1920)

_TEXTS = "h1, h2, h3, p, li, dt, dd, th, td, figcaption, small, .verdict, svg"

#: The texts that are partly outside the window, or wider than their box.
_FIND_CUT = """(texts) => Array.from(document.querySelectorAll(texts)).filter((element) => {
  if (element.closest(".unseen, .skip") || !element.getClientRects().length) return false;
  const box = element.getBoundingClientRect();
  const outside = box.left < -0.5 || box.right > window.innerWidth + 0.5;
  const clipped = element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1;
  return outside || clipped;
}).map((element) => `${element.tagName}: ${element.textContent.slice(0, 60)}`)"""


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Any, verdicts_sweep: Path) -> Iterator[Any]:
    opened = browser.new_page(color_scheme=request.param)
    opened.goto((verdicts_sweep / "report.html").as_uri())
    yield opened
    opened.close()


@pytest.fixture(params=WIDTHS)
def wide(request: pytest.FixtureRequest, page: Any) -> Any:
    """The page in windows of three widths."""
    page.set_viewport_size({"width": request.param, "height": 900})
    return page


def test_nothing_is_wider_than_the_window(wide: Any) -> None:
    assert wide.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_no_text_and_no_chart_is_cut(wide: Any) -> None:
    assert wide.evaluate(_FIND_CUT, _TEXTS) == []


def test_no_column_lies_outside_of_its_box(wide: Any) -> None:
    boxes = "Array.from(document.querySelectorAll('.table .scroll'))"
    assert wide.evaluate(f"{boxes}.every((box) => box.scrollWidth <= box.clientWidth)")
    assert wide.evaluate(f"{boxes}.length") >= 3


def test_every_verdict_is_in_sight_without_scrolling_sideways(wide: Any) -> None:
    seen = wide.evaluate(
        """Array.from(document.querySelectorAll("td.verdicts .verdict"), (verdict) => {
          const box = verdict.getBoundingClientRect();
          return box.height > 0 && box.left >= 0 && box.right <= window.innerWidth;
        })"""
    )
    assert len(seen) == 10
    assert all(seen)


def test_a_verdict_is_a_word_a_sign_and_a_colour_that_stands_out(page: Any) -> None:
    shown = page.evaluate(
        """Array.from(document.querySelectorAll("td.verdicts .verdict:not(.plain)"), (verdict) => ({
          word: verdict.textContent,
          sign: getComputedStyle(verdict, "::before").content.split(" / ")[0],
          ink: getComputedStyle(verdict).color,
          paper: getComputedStyle(verdict).backgroundColor,
        }))"""
    )
    words = {each["word"] for each in shown}
    assert words == {"faster", "slower", "no claim", "unsupported"}
    assert len({(each["sign"], each["ink"]) for each in shown}) == len(words)
    assert all(contrast(each["ink"], each["paper"]) >= 4.5 for each in shown)


@pytest.mark.parametrize("selector", ["dt", ".hint", ".chart figcaption", ".table figcaption"])
def test_faint_text_stands_out_too(page: Any, selector: str) -> None:
    ink = page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).color")
    for paper in ("document.body", "document.querySelector('.shared')"):
        behind = page.evaluate(f"getComputedStyle({paper}).backgroundColor")
        assert contrast(ink, behind) >= 4.5


@pytest.mark.parametrize("width", [1280, 1920])
def test_a_caption_has_two_lines_at_most(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    lines = page.evaluate(
        """Array.from(document.querySelectorAll(".chart figcaption"), (caption) => {
          const style = getComputedStyle(caption);
          const inner = caption.clientHeight - parseFloat(style.paddingTop);
          return inner / parseFloat(style.lineHeight);
        })"""
    )
    assert lines
    assert max(lines) < 2.1


def test_on_a_phone_rows_stand_below_each_other_with_labels(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    row = page.locator("#table-1-1 tbody tr").filter(has_text="flash").first
    name, verdict = (row.locator("> *").nth(at).bounding_box() for at in (0, 1))
    assert verdict["y"] >= name["y"] + name["height"] - 1
    speedup = row.locator('[data-label^="speed-up"]')
    assert speedup.bounding_box()["y"] > verdict["y"]
    label = speedup.evaluate("(cell) => getComputedStyle(cell, '::before').content")
    assert label == '"speed-up"'


def test_a_wide_window_has_tables_again_after_a_narrow_one(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_selector("#table-1-1.stacked")
    page.set_viewport_size({"width": 1920, "height": 900})
    page.wait_for_selector("#table-1-1:not(.stacked)")


def test_tables_use_the_width(page: Any) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    table, main = (page.locator(s).bounding_box() for s in ("#table-1-1", "main"))
    assert table["width"] == pytest.approx(main["width"], abs=2)


def test_a_chart_of_a_phone_grows_with_a_button(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    figure = page.locator(".chart").first
    before = figure.locator("svg").bounding_box()["width"]
    figure.get_by_role("button", name="Enlarge").click()
    assert figure.locator("svg").bounding_box()["width"] > 1.3 * before
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_numbers_stand_on_the_right_in_figures_of_equal_width(page: Any) -> None:
    page.set_viewport_size({"width": 1920, "height": 900})
    style = page.evaluate(
        """(() => {
          const style = getComputedStyle(document.querySelector("td.number"));
          return [style.textAlign, style.fontVariantNumeric];
        })()"""
    )
    assert style == ["right", "tabular-nums"]


def test_the_pictures_of_a_comparison_stand_side_by_side(wide: Any) -> None:
    boxes = [image.bounding_box() for image in wide.locator(".pair").first.locator("img").all()]
    assert len(boxes) == 3
    assert len({round(box["y"]) for box in boxes}) == 1
    assert [box["x"] for box in boxes] == sorted(box["x"] for box in boxes)
