"""The table of efficiency: rates by stage, shares, and shares above 100 %."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis import compare, compare_by_axis, list_environments, load_records, summarise
from analysis.report.contents import ReportData
from analysis.report.html import write_html
from analysis.report.outline import make_outline
from analysis.tables.efficiency import ABOVE_NOTE, EFFICIENCY_NOTE, make_efficiency_page
from analysis.tables.files import write_tables
from analysis.tables.page import Page
from sd_bench.records import Flops, MatmulRate
from tests.support.records import sample_record, write_main_sweep, write_sample

WORK = Flops(unet_call=2e12, text_encode=1e12, vae_decode=1e12, iteration=10e12)
RATE = MatmulRate(dtype="float32", size=2048, flop_per_s=4e12)


def sweep(root: Path) -> pd.DataFrame:
    """Two cells, one of which is faster than the matrix product was."""
    for attention, runtime_s in (("math", 4.0), ("flash", 2.0)):
        extra = {"flops": WORK, "matmul_rate": RATE}
        write_sample(root, sample_record(runtime_s, attention=attention, extra=extra))
    return compare(summarise(load_records(root)))


def rows(page: Page) -> list[dict[str, str]]:
    (table,) = page.tables
    return [dict(zip(table.headings, row, strict=True)) for row in table.rows]


def test_rates_by_stage_and_the_share_of_the_machine(tmp_path: Path) -> None:
    page = make_efficiency_page(sweep(tmp_path))
    assert rows(page)[0] == {
        "batch size": "1",
        "attention": "math",
        "TFLOP/s": "2.50",
        "text encoder [TFLOP/s]": "2.50",
        "denoising [TFLOP/s]": "2.50",
        "autoencoder [TFLOP/s]": "2.50",
        "matrix product [TFLOP/s]": "4.00",
        "share of it": "62 %",
    }
    assert page.notes[0] == EFFICIENCY_NOTE


def test_a_share_above_a_hundred_percent_is_shown_and_flagged(tmp_path: Path) -> None:
    page = make_efficiency_page(sweep(tmp_path))
    assert [row["share of it"] for row in rows(page)] == ["62 %", "125 % ▲"]
    assert page.notes == [EFFICIENCY_NOTE, ABOVE_NOTE]


def test_without_counted_work_there_is_no_table(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    assert make_efficiency_page(compare(summarise(load_records(tmp_path)))).tables == []


def test_the_files_have_it(tmp_path: Path) -> None:
    deltas = sweep(tmp_path / "records")
    environments = list_environments(load_records(tmp_path / "records"))
    paths = write_tables(deltas, environments, {}, tmp_path)
    names = {path.name for path in paths}
    assert {f"efficiency.{suffix}" for suffix in ("md", "csv", "tex", "html")} <= names
    assert "125 % ▲" in (tmp_path / "efficiency.md").read_text()
    assert r"\ensuremath{\triangle}" in (tmp_path / "efficiency.tex").read_text()
    for name in ("efficiency", "summary_full"):
        table = pd.read_csv(tmp_path / f"{name}.csv")
        assert list(table["tflop_per_s"]) == [2.5, 5.0]
        assert list(table["matmul_percent"]) == [62.5, 125.0]


def test_the_report_has_it_with_its_sentence_below(tmp_path: Path) -> None:
    deltas = sweep(tmp_path)
    data = ReportData(
        deltas=deltas,
        environments=list_environments(load_records(tmp_path)),
        by_axis=compare_by_axis(deltas),
        charts={},
        left_out=[],
    )
    outline = make_outline(data)
    (section,) = (page for page in outline.sections if page.title == "Efficiency")
    assert section.notes == [EFFICIENCY_NOTE, ABOVE_NOTE]
    assert EFFICIENCY_NOTE not in outline.remarks
    html = write_html(data, make_outline(data), tmp_path)
    assert EFFICIENCY_NOTE.replace("'", "&#39;") in html
    assert "125 % ▲" in html
