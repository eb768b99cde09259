"""Documents: the text between marks comes from the data, and the rest is unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.report.document_marks import publish
from tests.support.peers import write_peers
from tests.support.records import write_main_sweep

DOCS = Path(__file__).parents[3] / "docs"
RESULTS = DOCS.parent / "multirun_outputs" / "results_peers"


def document(root: Path, mark: str, old: str = "old numbers\n") -> Path:
    write_main_sweep(root / "records")
    path = root / "page.md"
    path.write_text(f"# Mine\n\n<!-- analysis: {mark} -->\n{old}<!-- /analysis -->\n\nStays.\n")
    return path


def part(path: Path) -> str:
    return publish(path).text.partition("-->\n")[2].partition("<!-- /analysis")[0]


def test_only_what_stands_between_marks_is_replaced(tmp_path: Path) -> None:
    text = publish(document(tmp_path, "table delta records attention=math")).text
    assert text.startswith("# Mine\n\n<!-- analysis: table delta records attention=math -->\n")
    assert text.endswith("<!-- /analysis -->\n\nStays.\n")
    assert "old numbers" not in text
    assert "| +19.3 % | 8.39 | 10.39 |" in text
    assert "| flash, batch size 4 | too few rounds | 1.24x | 1.10 to 1.39 |" in text


def test_a_baseline_can_be_named_in_a_mark(tmp_path: Path) -> None:
    text = part(document(tmp_path, "table delta records attention=flash"))
    assert "| math, batch size 4 | too few rounds | 0.81x | 0.72 to 0.91 | -23.9 % |" in text


def test_summaries_and_findings(tmp_path: Path) -> None:
    assert "| 4 | flash | 8.4 | 3.3 to 13.5 |" in part(document(tmp_path, "table summary records"))
    assert part(document(tmp_path, "findings records")).startswith("- 3 comparisons")


def test_a_chart_is_a_picture_with_words(tmp_path: Path) -> None:
    path = document(tmp_path, "chart stages_EPYC_n_iter_1_sd2 records")
    assert main(["publish", str(path)]) == 0
    picture = tmp_path / "images" / "stages_EPYC_n_iter_1_sd2.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "![Stacked bar chart. Stages of an iteration on EPYC" in path.read_text()
    assert "](images/stages_EPYC_n_iter_1_sd2.png)" in path.read_text()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (
            "findings",
            "- At batch size 1, each at its best, sd_bench loses to diffusers and is ahead",
        ),
        ("short", "| openvino | 2.51 | faster |"),
        ("whole", "| diffusers_pipeline | slower |"),
        ("stages", "| diffusers_pipeline | 8.02 | - | - | - |"),
        ("best", "| openvino | slower |"),
        ("chart", "](images/peers_EPYC_batch_1_n_iter_1_sd2.png)"),
    ],
)
def test_how_implementations_compare(tmp_path: Path, wanted: str, expected: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"<!-- analysis: peers {wanted} records -->\n<!-- /analysis -->\n")
    write_peers(tmp_path / "records")
    assert expected in part(path)


@pytest.mark.slow
def test_the_page_of_peers_is_up_to_date() -> None:
    if not RESULTS.is_dir():
        pytest.skip("no sweep of peers is published")
    assert main(["publish", "--check", str(DOCS / "peers.md")]) == 0


def test_check_writes_nothing_and_fails_until_the_document_is_up_to_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = document(tmp_path, "table delta records")
    before = path.read_text()
    assert main(["publish", "--check", str(path)]) == 1
    assert capsys.readouterr().err == f"analysis: not up to date: {path}\n"
    assert path.read_text() == before
    assert main(["publish", str(path)]) == 0
    assert main(["publish", "--check", str(path)]) == 0


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ("table gamma records", "docs/analysis.md lists the marks"),
        ("table delta nowhere", "no folder"),
        ("table delta records attention=cudnn", "there are: attention=math"),
        ("chart nothing records", "there are: speedup_EPYC"),
        ("peers whole records", "one implementation only"),
        ("peers nothing records", "docs/analysis.md lists the marks"),
        ("published table nothing", "there are: sd2, batch size 1"),
        ('table "delta', "No closing quotation"),
    ],
)
def test_a_mark_that_cannot_be_followed_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mark: str, expected: str
) -> None:
    path = document(tmp_path, mark)
    before = path.read_text()
    assert main(["publish", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"analysis: {path}: mark {mark!r}: ")
    assert expected in error
    assert error.count("\n") == 1
    assert path.read_text() == before


MARK = "<!-- analysis: findings records -->"
END = "<!-- /analysis -->"


@pytest.mark.parametrize(
    ("lines", "line", "expected"),
    [
        ([MARK, "forgotten", "", "My prose.", "", MARK, END], 3, "'findings records' has no end"),
        ([MARK, "old", END, "My prose.", MARK], 7, "'findings records' has no end"),
        ([MARK, "old", f"My prose. {END}"], 3, "has no end: write <!-- /analysis --> on a line"),
        ([MARK, MARK, END, END], 3, "has no end"),
        ([MARK, "old", END, "My prose.", END], 7, "without a mark before it"),
        (["<!-- analysis: findings", "My prose.", MARK, END, END], 7, "without a mark before it"),
    ],
)
def test_a_mark_without_its_end_is_refused_and_no_prose_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[str], line: int, expected: str
) -> None:
    write_main_sweep(tmp_path / "records")
    path = tmp_path / "page.md"
    before = "\n".join(["# Mine", "", *lines, "The rest.", ""])
    path.write_text(before)
    for command in (["publish"], ["publish", "--check"]):
        assert main([*command, str(path)]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"analysis: {path}:{line}: ")
        assert expected in error
        assert error.count("\n") == 1
    assert path.read_text() == before


def test_spaces_around_a_mark_and_several_parts_stay(tmp_path: Path) -> None:
    path = document(tmp_path, "findings records")
    path.write_text(f"- A list\n\n  {MARK} \nold\n  {END}\n\nBetween.\n\n{MARK}\n{END}\nEnd.\n")
    text = publish(path).text
    assert text.startswith(f"- A list\n\n  {MARK} \n- 3 comparisons")
    assert f"\n  {END}\n\nBetween.\n\n{MARK}\n- 3 comparisons" in text
    assert text.endswith(f"\n{END}\nEnd.\n")
    assert "old" not in text


def test_records_that_are_left_out_are_named_once_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = document(tmp_path, "findings records")
    path.write_text(path.read_text() + f"\n{MARK}\n{END}\n")
    torn = tmp_path / "records" / "round-8.json"
    torn.write_text("{")
    assert main(["publish", str(path), str(path)]) == 0
    first, count = capsys.readouterr().err.splitlines()
    assert first.startswith(f"analysis: left out: {torn}: ")
    assert count == "analysis: warning: 1 record left out"


def test_where_all_records_are_left_out_they_are_named_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "round-8.json").write_text("{")
    (tmp_path / "page.md").write_text(f"{MARK}\n{END}\n")
    assert main(["publish", str(tmp_path / "page.md")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "round-8.json: is not readable as JSON" in lines[0]
    assert "no usable record" in lines[-1]


def test_a_document_without_marks_or_that_is_missing_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.md").write_text("# Mine\n")
    assert main(["publish", str(tmp_path / "page.md")]) == 2
    assert "no part between" in capsys.readouterr().err
    assert main(["publish", str(tmp_path / "nowhere.md")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_the_published_study_in_the_documentation_is_up_to_date() -> None:
    assert main(["publish", "--check", str(DOCS / "published_study.md")]) == 0
    assert "55.7 % (A10, batch size 4" in (DOCS / "published_study.md").read_text(encoding="utf-8")
