"""``analysis paper``: tables, charts and methods for a paper, sized for its columns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.charts.kinds.sizes import fit_column
from analysis.charts.select.all_groups import select_charts
from analysis.comparison.deltas import compare
from analysis.ingest.cells import summarise
from analysis.ingest.rounds import load_records
from tests.support.figures import assert_texts_are_readable, fontsizes_of
from tests.support.latex import compile_latex
from tests.support.records import sample_record, write_main_sweep, write_sample

#: A text with every character that is special in LaTeX, and some that pdfTeX does not know.
PROMPT = r"50 % of a_cat & {dog} #1 $x$ \frac ~^ 猫 é"


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paper on a small sweep with that prompt."""
    root = tmp_path_factory.mktemp("sweep")
    write_main_sweep(root)
    record = sample_record(
        2.2, attention="mem_efficient", config={"prompt": PROMPT, "workload": {"seed": 1}}
    )
    write_sample(root, record)
    assert main(["paper", str(root), "--most-charts", "4"]) == 0
    return root / "paper"


@pytest.mark.slow
def test_a_paper_has_tables_charts_methods_and_a_document_that_shows_them(paper: Path) -> None:
    tables = {"summary.tex", "delta.tex", "resources.tex"}
    texts = {"figures.tex", "methods.tex", "methods.txt", "paper.tex"}
    found = {path.name for path in paper.iterdir()}
    charts = {name for name in found if name.endswith(".pdf")}
    assert found - charts >= tables | texts
    assert len(charts) == 4
    shown = (paper / "paper.tex").read_text(encoding="utf-8")
    for name in (*tables, "methods.tex", "figures.tex"):
        assert f"\\input{{{name.removesuffix('.tex')}}}" in shown
    figures = (paper / "figures.tex").read_text(encoding="utf-8")
    assert set(re.findall(r"\\includegraphics\{(.*)\}", figures)) == charts


def test_it_compiles_and_nothing_sticks_out_of_its_column(paper: Path) -> None:
    compile_latex(paper / "paper.tex")


def test_every_page_of_a_chart_is_a_column_wide_or_the_whole_page(paper: Path) -> None:
    for path in paper.glob("*.pdf"):
        if path.name != "paper.pdf":
            (width,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ", path.read_bytes())
            assert float(width) / 72 == pytest.approx(3.3) or float(width) / 72 == pytest.approx(7)


@pytest.mark.slow
def test_a_chart_of_a_column_has_the_columns_text_and_can_be_read(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    rounds = load_records(tmp_path)
    for chart in select_charts(rounds, compare(summarise(rounds))).values():
        drawn = chart.draw(fit_column(3.3, 7.0, 8.0))
        assert fontsizes_of(drawn) == {8.0}
        assert_texts_are_readable(drawn)
        assert chart.title not in {text.get_text() for text in drawn.texts}


@pytest.mark.parametrize(
    ("option", "value"), [("--column", "0"), ("--text", "huge"), ("--page", "nan")]
)
def test_an_invalid_size_is_refused_in_one_line(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["paper", str(tmp_path), option, value]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{value!r} is not a number from " in error
