"""The report in a real headless Chromium: sorting, filtering, keyboard, and nothing fetched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from analysis.__main__ import main
from tests.support.contrast import contrast
from tests.support.records import sample_record, write_main_sweep, write_sample

pytestmark = pytest.mark.slow

_TABLE = "#table-1-1"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = write_main_sweep(tmp_path_factory.mktemp("sweep"))
    write_sample(root, sample_record(status="oom", reason="12 GiB", batch_size=16))
    assert main([str(root)]) == 0
    return (root / "analysis" / "report.html").as_uri()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    opened = browser.new_page()
    opened.problems = []
    opened.on("console", lambda message: opened.problems.append(message.text))
    opened.on("pageerror", lambda error: opened.problems.append(str(error)))
    opened.on("request", lambda request: opened.problems.append(request.url))
    opened.goto(address)
    opened.problems.remove(address)
    yield opened
    opened.close()


def column(page: Any, heading: str) -> list[str]:
    headings = page.locator(f"{_TABLE} th").all_inner_texts()
    place = [text.split("\n")[0].strip() for text in headings].index(heading) + 1
    cells = page.locator(f"{_TABLE} tbody tr:not([hidden]) > :nth-child({place})")
    texts: list[str] = cells.all_inner_texts()
    return texts


@pytest.mark.slow
def test_nothing_is_fetched_and_the_console_stays_empty(page: Any) -> None:
    page.locator(f"{_TABLE} th button").first.click()
    page.locator(f"{_TABLE}-filter").fill("flash")
    assert [url for url in page.problems if not url.startswith("data:")] == []


def test_a_click_sorts_by_number_and_a_second_one_reverses_the_order(page: Any) -> None:
    button = page.get_by_role("button", name="runtime [s]").first
    button.click()
    rising = column(page, "runtime [s]")
    assert rising == ["2.10", "2.60", "4.20", "5.20", "8.39", "10.39", "-"]
    heading = page.locator(f"{_TABLE} th[aria-sort]")
    assert heading.get_attribute("aria-sort") == "ascending"
    button.click()
    assert column(page, "runtime [s]") == [*rising[-2::-1], "-"]
    assert heading.get_attribute("aria-sort") == "descending"


def test_text_is_sorted_as_text(page: Any) -> None:
    page.get_by_role("button", name="cell").first.click()
    assert column(page, "cell") == [
        *(f"flash, batch size {size}" for size in (1, 2, 4, 16)),
        *(f"math, batch size {size}" for size in (1, 2, 4)),
    ]


def test_the_filter_leaves_the_rows_with_all_words_and_counts_them(page: Any) -> None:
    page.locator(f"{_TABLE}-filter").fill("FLASH 8.39")
    assert column(page, "cell") == ["flash, batch size 4"]
    assert page.locator(f"{_TABLE}-count").inner_text() == "1 of 7 rows"
    page.locator(f"{_TABLE}-filter").fill("")
    assert len(column(page, "cell")) == 7


def test_the_keyboard_reaches_and_sorts_a_column(page: Any) -> None:
    page.get_by_role("button", name="runtime [s]").first.focus()
    page.keyboard.press("Enter")
    assert column(page, "runtime [s]")[0] == "2.10"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_paper_in_light_and_dark(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    ink = page.evaluate("getComputedStyle(document.querySelector('.chart svg text')).fill")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert contrast(ink, paper) > 7


def test_a_phone_scrolls_the_page_in_one_direction_only(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_tables_and_charts_are_named_for_a_screen_reader(page: Any) -> None:
    images = page.get_by_role("img").all()
    assert len(images) == page.locator("figure svg").count() == 9
    assert all(image.get_attribute("aria-label") for image in images)
    assert page.get_by_role("region", name="EPYC: against attention=math").count() == 1


def test_parity_is_sorted_by_its_numbers(page: Any) -> None:
    page.evaluate(
        """() => {
          const table = document.querySelector("#table-1-1");
          const names = Array.from(table.tHead.rows[0].cells, (cell) => cell.innerText.trim());
          const place = names.findIndex((name) => name.startsWith("parity"));
          const texts = ["5.0e-04", "reference", "2.0e-01", "0", "-", "1.0e-02", "3.0e+00"];
          Array.from(table.tBodies[0].rows, (row, at) => {
            row.cells[place].textContent = texts[at];
          });
        }"""
    )
    page.get_by_role("button", name="parity").first.focus()
    page.keyboard.press("Enter")
    rising = ["0", "5.0e-04", "1.0e-02", "2.0e-01", "3.0e+00"]
    assert column(page, "parity")[:5] == rising
