"""The report: self-contained, and its summary, exclusions and charts as the data has them."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.report.html import inline_svg, sorted_as_number
from analysis.tables.page import Table
from tests.support.records import sample_record, write_main_sweep, write_sample, write_sweep

_VOID = {"meta", "link", "input", "br", "hr", "img"}


class Page(HTMLParser):
    """Tags, attributes, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, name: str) -> list[str]:
        return [value or "" for attribute, value in self.attributes if attribute == name]


def ten(mean_s: float) -> list[float]:
    return [mean_s * (1 + 0.005 * ((7 * at) % 10 - 4.5) / 3) for at in range(10)]


def report(root: Path) -> str:
    assert main([str(root)]) == 0
    return (root / "analysis" / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def main_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The main job's sweep with its analysis, and a cell that ran out of memory."""
    root = write_main_sweep(tmp_path_factory.mktemp("sweep"))
    write_sample(root, sample_record(status="oom", reason="12 GiB", batch_size=8))
    (root / "round-8.json").write_text("{")
    report(root)
    return root / "analysis"


@pytest.fixture(scope="module")
def main_report(main_sweep: Path) -> str:
    return (main_sweep / "report.html").read_text(encoding="utf-8")


def test_the_report_is_whole_and_needs_nothing_else(main_report: str) -> None:
    page = Page(main_report)
    assert page.open == []
    assert page.tags["svg"] == 11
    assert page.tags["img"] == page.tags["iframe"] == 0
    addresses = [*page.all("src"), *page.all("href"), *page.all("xlink:href")]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not re.search(r"@import|fetch\(|url\((?!#)", main_report)
    assert len(main_report) < 5_000_000


def test_every_chart_has_an_alternative_text_from_the_data(main_report: str) -> None:
    page = Page(main_report)
    texts = [text for text in page.all("aria-label") if "chart" in text or "plot" in text]
    assert len(texts) == 11
    assert any("Batch size 4: math 10.40, flash 8.40" in text for text in texts)


def test_ids_are_unique(main_report: str) -> None:
    counts = Counter(Page(main_report).all("id"))
    assert [name for name, count in counts.items() if count > 1] == []


def test_the_summary_says_what_the_data_supports(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): ten(10.0), (1, "flash"): [*ten(8.0)[3:], *ten(8.0)[:3]]})
    page = Page(report(tmp_path))
    (sentence,) = (t for t in page.texts if t.startswith("flash is 1.25x faster than attention"))
    assert re.search(r"at batch 1 on EPYC \(\+19\.9 %\), 95 % interval 1\.2\d to 1\.2\d", sentence)
    assert sentence.endswith("10 rounds.")


def test_few_rounds_are_told_as_an_estimate(main_report: str) -> None:
    page = Page(main_report)
    assert "3 comparisons with a baseline: 3 too few rounds." in page.texts
    assert any(
        text.startswith("No verdict at batch 1 on EPYC: flash is est") for text in page.texts
    )


def test_a_faster_cell_with_another_output_does_not_win(tmp_path: Path) -> None:
    write_sweep(
        tmp_path,
        {(1, "math"): ten(10.0), (1, "flash"): ten(8.0)},
        changes={(1, "flash"): 0.3},
    )
    text = "\n".join(Page(report(tmp_path)).texts)
    assert "flash is 1.25x faster" not in text
    assert re.search(
        r"flash at batch 1 on EPYC does not count \(1\.25x of attention=math, 1\.\d\d to 1\.\d\d, "
        r"faster\): its output differs",
        text,
    )


def test_what_was_excluded_is_named_with_its_reason(main_report: str) -> None:
    page = Page(main_report)
    assert any("round-8.json: not readable as JSON" in text for text in page.texts)
    assert "Cell without times: flash at batch 8 on EPYC: oom: 12 GiB" in page.texts


def test_nothing_excluded_is_said(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(1.0))
    page = Page(report(tmp_path))
    assert any(text.startswith("Nothing: every record") for text in page.texts)


def test_names_from_records_cannot_break_the_page(tmp_path: Path) -> None:
    record = sample_record(1.0, gpu="<script>alert(1)</script>", precision='"><b>&amp;')
    write_sample(tmp_path, record)
    page = Page(report(tmp_path))
    assert page.open == []
    assert page.tags["script"] == 1
    assert page.tags["b"] == 0


def test_the_short_form_is_markdown(main_sweep: Path) -> None:
    text = (main_sweep / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# sd2 on EPYC\n")
    assert re.search(r"\| 4 \| flash \| 2 \| 8\.39 \| 10\.39 \| \+19\.3 %", text)
    assert "<details><summary>2 excluded</summary>" in text


@pytest.mark.parametrize("colour", ["#222222", "#ffffff"])
def test_a_charts_ink_and_paper_follow_the_theme(main_sweep: Path, colour: str) -> None:
    path = next(main_sweep.glob("*.svg"))
    text = path.read_text(encoding="utf-8")
    assert colour in text
    assert colour not in inline_svg(text, path.stem)


def test_rows_for_which_there_is_no_room_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.report.html._MOST_ROWS", 8)
    text = "\n".join(Page(report(write_main_sweep(tmp_path))).texts)
    assert "Every cell: the first 2 of 6 rows." in text


@pytest.fixture(scope="module")
def many_failures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 cells that crashed, each with another long reason, beside one that was measured."""
    root = tmp_path_factory.mktemp("failures")
    write_sample(root, sample_record(1.0))
    for at in range(300):
        reason = f"RuntimeError in {'x' * (at + 1)}: " + "illegal memory access " * 20
        record = sample_record(status="crashed", reason=reason, attention=f"backend {at}")
        write_sample(root, record)
    assert main([str(root), "--most-charts", "1"]) == 0
    return root / "analysis"


def test_the_short_form_fits_into_a_comment_and_says_what_is_missing(many_failures: Path) -> None:
    text = (many_failures / "report.md").read_text(encoding="utf-8")
    assert len(text) < 60_000
    assert re.search(r"The first \d+ of 301 rows: delta\.md has all\.", text)
    assert "<details><summary>300 excluded</summary>" in text
    assert re.search(r"\d+ further lines are not shown: cells are in summary\.csv", text)
    assert text.rstrip().endswith("</details>")


def test_an_alternative_text_and_the_list_of_exclusions_have_an_end(many_failures: Path) -> None:
    page = Page((many_failures / "report.html").read_text(encoding="utf-8"))
    (alt,) = (text for text in page.all("aria-label") if text.startswith("Bar chart"))
    assert len(alt) < 2200
    assert re.search(r"; \d\d+ further entries are in the tables\.$", alt)
    excluded = [text for text in page.texts if text.startswith("Cell without times")]
    assert sum(map(len, excluded)) <= 60_000


def test_tables_have_no_more_characters_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.report.html._MOST_TABLE_CHARACTERS", 1500)
    text = "\n".join(Page(report(write_main_sweep(tmp_path))).texts)
    assert re.search(r"EPYC: against attention=math: the first \d of 6 rows\.", text)


def test_the_csv_files_have_every_reason_whole(many_failures: Path) -> None:
    for name in ("summary.csv", "delta.csv"):
        text = (many_failures / name).read_text(encoding="utf-8")
        assert "illegal memory access " * 19 in text


@pytest.mark.parametrize(
    ("texts", "numeric"),
    [
        (["reference", "2.0e-01 ‡", "5.0e-04", "0", "- (no round 0)"], True),
        (["1.29x †", "<1e-4", "+19.2 %"], True),
        (["-", "reference"], False),
        (["", "1 of 3 rounds crashed: signal 9"], False),
        (["math", "flash"], False),
        (["4", "1 of 2"], False),
    ],
)
def test_columns_of_numbers_are_sorted_as_numbers(texts: list[str], numeric: bool) -> None:
    table = Table(title="", headings=["x"], rows=[[text] for text in texts])
    assert sorted_as_number(table, 0) is numeric


def test_the_parity_column_says_that_it_is_sorted_by_number(main_report: str) -> None:
    assert re.search(
        r'<th scope="col" data-sort="number"><button type="button">parity', main_report
    )
