"""The report is self-contained, and its summary, exclusions and charts match the data."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.report.figures import inline_svg
from tests.support.pictures import add_pictures
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


@pytest.mark.slow
def test_the_report_is_whole_and_needs_nothing_else(main_report: str, main_sweep: Path) -> None:
    page = Page(main_report)
    assert page.open == []
    assert page.tags["svg"] == len(list(main_sweep.glob("*.svg"))) > 3
    assert page.tags["iframe"] == 0
    addresses = [*page.all("src"), *page.all("href"), *page.all("xlink:href")]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not re.search(r"@import|fetch\(|url\((?!#)", main_report)
    assert len(main_report) < 5_000_000


def test_every_chart_has_an_alternative_text_from_the_data(main_report: str) -> None:
    page = Page(main_report)
    texts = [text for text in page.all("aria-label") if text]
    texts = [text for text in texts if re.match(r"[A-Z][a-z -]+\. ", text)]
    assert len(texts) == page.tags["svg"]
    assert any("Batch size 4: math 10.40, flash 8.40" in text for text in texts)


def test_ids_are_unique(main_report: str) -> None:
    counts = Counter(Page(main_report).all("id"))
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.slow
def test_the_answers_say_what_the_data_supports(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): ten(10.0), (1, "flash"): [*ten(8.0)[3:], *ten(8.0)[:3]]})
    page = Page(report(tmp_path))
    (sentence,) = {t for t in page.texts if t.startswith("flash is 1.2") and t.endswith(".")}
    assert re.fullmatch(
        r"flash is 1\.2\d+ times as fast as math at batch size 1, 1\.2\d+ to 1\.2\d+; "
        r"same picture within 1e-3\.",
        sentence,
    )


def test_few_rounds_are_called_an_estimate(main_report: str) -> None:
    page = Page(main_report)
    assert page.texts.count("too few rounds") == 2 * 3  # among the answers, and in the table
    assert any(t.startswith("No verdict on flash against math at batch size 1") for t in page.texts)


@pytest.mark.slow
def test_a_faster_cell_with_another_output_does_not_win(tmp_path: Path) -> None:
    write_sweep(
        tmp_path,
        {(1, "math"): ten(10.0), (1, "flash"): ten(8.0)},
        changes={(1, "flash"): 0.3},
    )
    page = Page(report(tmp_path))
    text = "\n".join(page.texts)
    assert not re.search(r"\d times as fast", text)
    assert "faster" not in page.texts  # not even as the verdict of a row or an answer
    assert "No claim on flash against math at batch size 1: they draw different pictures" in text


def test_what_was_excluded_is_named_with_its_reason(main_report: str) -> None:
    page = Page(main_report)
    assert any("round-8.json: is not readable as JSON" in text for text in page.texts)
    assert "Cell without times: flash at batch 8 on EPYC: oom: 12 GiB" in page.texts


def test_a_report_states_that_nothing_was_excluded(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(1.0))
    page = Page(report(tmp_path))
    assert any(text.startswith("Nothing: every record") for text in page.texts)


@pytest.mark.slow
def test_names_from_records_cannot_break_the_page(tmp_path: Path) -> None:
    record = sample_record(1.0, gpu="<script>alert(1)</script>", precision='"><b>&amp;')
    write_sample(tmp_path, record)
    page = Page(report(tmp_path))
    assert page.open == []
    assert page.tags["script"] == 1
    assert page.tags["b"] == 0


@pytest.mark.parametrize("colour", ["#222222", "#ffffff"])
def test_a_charts_ink_and_paper_follow_the_theme(main_sweep: Path, colour: str) -> None:
    path = next(main_sweep.glob("*.svg"))
    text = path.read_text(encoding="utf-8")
    assert colour in text
    assert colour not in inline_svg(text, path.stem)


@pytest.mark.slow
def test_rows_that_do_not_fit_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.report.table_views._MOST_ROWS", 8)
    text = "\n".join(Page(report(write_main_sweep(tmp_path))).texts)
    assert "Every cell: the first 2 of 6 rows." in text


@pytest.fixture(scope="module")
def many_failures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 cells that crashed, each with a different long reason, and one that was measured."""
    root = tmp_path_factory.mktemp("failures")
    write_sample(root, sample_record(1.0))
    for at in range(300):
        reason = f"RuntimeError in {'x' * (at + 1)}: " + "illegal memory access " * 20
        record = sample_record(status="crashed", reason=reason, attention=f"backend {at}")
        write_sample(root, record)
    assert main([str(root), "--most-charts", "1"]) == 0
    return root / "analysis"


@pytest.mark.slow
def test_an_alternative_text_and_the_list_of_exclusions_have_an_end(many_failures: Path) -> None:
    page = Page((many_failures / "report.html").read_text(encoding="utf-8"))
    (alt,) = (text for text in page.all("aria-label") if text.startswith("Bar chart"))
    assert len(alt) < 2200
    assert re.search(r"; \d\d+ further entries are in the tables\.$", alt)
    excluded = [text for text in page.texts if text.startswith("Cell without times")]
    assert sum(map(len, excluded)) <= 60_000


@pytest.mark.slow
def test_tables_have_no_more_characters_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.report.table_views._MOST_CHARACTERS", 1500)
    text = "\n".join(Page(report(write_main_sweep(tmp_path))).texts)
    assert re.search(r"EPYC: against attention=math: the first \d of 6 rows\.", text)


def test_the_csv_files_have_every_reason_whole(many_failures: Path) -> None:
    for name in ("summary.csv", "delta.csv"):
        text = (many_failures / name).read_text(encoding="utf-8")
        assert "illegal memory access " * 19 in text


def test_the_parity_column_says_that_it_is_sorted_by_number(main_report: str) -> None:
    assert re.search(
        r'<th scope="col" data-sort="number"><button type="button">parity', main_report
    )


def headings(text: str) -> list[str]:
    return re.findall(r"<h2[^>]*>([^<]*)</h2>", text)


def test_the_sections_stand_in_the_order_in_which_one_asks(main_report: str) -> None:
    assert headings(main_report) == [
        *("Answers", "The same for every cell", "Charts", "Tables", "Excluded"),
        "How to read this",
    ]
    assert main_report.index("<h1>") < main_report.index('class="answers"')


def test_the_verdict_is_the_second_column(main_report: str) -> None:
    table = main_report[main_report.index('<table id="table-1-1"') :]
    names = re.findall(r'<th scope="col"[^>]*><button type="button">([^<]*)', table)
    assert names[:2] == ["cell", "verdict"]
    row = re.search(r'<th scope="row">flash, batch size 4</th>\s*<td class="verdicts">(.*)', table)
    assert row is not None
    assert re.match(
        r'<span class="verdict open">too few rounds</span><small>needs at least 6', row[1]
    )


def test_what_is_shared_is_stated_once(main_sweep: Path, main_report: str) -> None:
    short = (main_sweep / "report.md").read_text(encoding="utf-8")
    for text in (main_report, short):
        assert text.count("Scaled down") == 1
        assert text.count("4 sampler steps instead of 50") == 1
        assert text.count("0123456789") == 1  # the commit
    facts = main_report[main_report.index('id="shared"') : main_report.index('id="charts"')]
    terms = re.findall(r"<dt>([^<]*)</dt>", facts)
    assert {"Machine", "Versions", "Code", "Model", "Rounds", "Baseline", "Scaled down"} <= {*terms}


def test_captions_are_text_of_the_page_and_short(main_report: str) -> None:
    charts = main_report[main_report.index('class="charts"') : main_report.index('id="tables"')]
    captions = re.findall(r"<figcaption>([^<]*)</figcaption>", charts)
    assert len(captions) == charts.count("<svg")
    assert all(0 < len(caption) <= 190 for caption in captions)


def test_how_to_read_this_is_the_end_and_explains_the_columns(main_report: str) -> None:
    reading = main_report[main_report.index('id="reading"') :]
    terms = re.findall(r"<dt>([^<]*)</dt>", reading)
    assert {"verdict", "speed-up", "runtime [s]", "parity", "kernel proof"} <= {*terms}
    assert "<section" not in reading[20:]


@pytest.mark.slow
def test_the_pictures_stand_in_the_page_with_their_parity(verdicts_sweep: Path) -> None:
    text = (verdicts_sweep / "report.html").read_text(encoding="utf-8")
    assert headings(text)[4] == "Pictures"
    pictures = text[text.index('id="pictures"') : text.index('id="excluded"')]
    sources = re.findall(r'<img src="([^"]*)"', pictures)
    assert len(sources) == 3 * 6
    assert all(source.startswith("data:image/") for source in sources)
    assert "The weights are random, so the pictures are noise" in pictures
    assert "Same picture: the latents differ by 0, of 0.001 allowed." in pictures
    assert "Another picture: the latents differ by 0.3, of 0.001 allowed." in pictures
    assert len(text) < 5_000_000


@pytest.mark.slow
def test_a_prompt_cannot_break_the_page(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): ten(10.0), (1, "flash"): ten(8.0)})
    add_pictures(tmp_path, prompt='"><script>alert(1)</script><b>')
    page = Page(report(tmp_path))
    assert page.open == []
    assert page.tags["script"] == 1
    assert page.tags["b"] == 0
    assert page.tags["img"] == 3
