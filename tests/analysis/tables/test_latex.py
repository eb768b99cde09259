"""Tables in LaTeX: at most six columns, a caption and a label, and no text that breaks them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis.tables.latex import MOST_COLUMNS, to_latex
from analysis.tables.latex_text import to_latex_text
from analysis.tables.page import Page, Table
from tests.support.latex import compile_latex, document

HEADINGS = [
    *("cell", "verdict", "speed-up", "95 % interval", "improvement", "runtime [s]", "baseline [s]"),
    *("parity", "kernel proof", "note", "what would decide"),
]
TABLE = Table(
    title="H100: against math",
    headings=HEADINGS,
    rows=[
        ["math", "baseline", "-", "-", "-", "2.05 †", "-", "reference", "proven", "", ""],
        ["flash", "faster", "1.31x", "1.29 to 1.33", "+23.7 %", "1.56", "2.05", "1e-3", "", "", ""],
    ],
    numeric=frozenset(HEADINGS[2:7]),
    bold=frozenset({1}),
)
NOTES = [
    "All cells: sd2, 512x512 pixels, 50 steps, 10 rounds.",
    "† the attention kernels that ran are not proven to be the ones named.",
    "~ times drift.",
    "Baseline: attention=math.",
]
PAGE = Page(title="Differences", tables=[TABLE], notes=NOTES)

NASTY = (
    r"""a_b & 50 % <i>x</i> {y} #1 $z$ \ ~^|† "quoted" it's `b` --flag ?` !` "" " é ő ß ł"""
    " 猫 😀 Ж \N{EM DASH} \N{LEFT DOUBLE QUOTATION MARK}q\N{RIGHT DOUBLE QUOTATION MARK} ◊ ▲ "
    "\N{MULTIPLICATION SIGN} ≤ \u202e \x07"
)


def rows_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.endswith(r"\\")]


def test_a_table_has_rules_of_booktabs_a_caption_and_a_label() -> None:
    text = to_latex(PAGE, "delta")
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1
    assert r"\hline" not in text
    assert r"\caption{H100: against math. All cells: sd2, 512x512 pixels, 50 steps," in text
    assert r"\label{tab:delta}" in text


def test_a_table_has_six_columns_of_those_that_tell_most_and_names_the_others() -> None:
    text = to_latex(PAGE, "delta")
    heading, *rows = rows_of(text)
    assert [line.count(" & ") for line in (heading, *rows)] == [MOST_COLUMNS - 1] * 3
    assert [cell.split()[0] for cell in rows[0].split(" & ")] == [
        *("math", "baseline", "-", "-", "2.05", "-")
    ]
    assert rows[1].startswith(r"\textbf{flash} & \textbf{faster} & \textbf{1.31x}")
    left_out = "improvement, parity, kernel proof, note, what would decide"
    assert f"% Left out: {left_out}\n" in text


def test_what_names_a_row_is_one_column() -> None:
    table = Table(
        title="Every cell",
        headings=["batch size", "attention", "runtime [s]"],
        rows=[["1", "flash", "2.0"], ["2", "math", "3.0"]],
        numeric=frozenset({"batch size", "runtime [s]"}),
        num_naming=2,
    )
    _, first, second = rows_of(to_latex(Page(title="t", tables=[table]), "t"))
    assert first == r"flash, batch size 1 & 2.0 \\"
    assert second == r"math, batch size 2 & 3.0 \\"


def test_only_the_signs_in_a_table_are_explained_below_it_and_other_notes_are_comments() -> None:
    text = to_latex(PAGE, "delta")
    (foot,) = re.findall(r"\\par\\smallskip\\raggedright (.*)", text)
    assert foot == r"\dag{} the attention kernels that ran are not proven to be the ones named."
    assert "\n% ~ times drift.\n" in text
    assert "\n% Baseline: attention=math.\n" in text


def test_a_long_table_goes_on_in_the_next_float() -> None:
    rows = [[f"cell {at}", "1.0"] for at in range(80)]
    table = Table(title="Long", headings=["cell", "s"], rows=rows, bold=frozenset({79}))
    text = to_latex(Page(title="t", tables=[table]), "long")
    captions = re.findall(r"\\caption\{(.*)\}", text)
    assert captions == [f"Long (part {part} of 3)." for part in (1, 2, 3)]
    assert re.findall(r"\\label\{(.*)\}", text) == ["tab:long", "tab:long-2", "tab:long-3"]
    assert [line for line in rows_of(text) if "bf" in line] == [
        r"\textbf{cell 79} & \textbf{1.0} \\"
    ]
    assert sum(line.startswith(("cell ", r"\textbf")) for line in rows_of(text)) == 80 + 3


@pytest.mark.parametrize("cell", ["[1] x", "*x"])
def test_the_first_cell_of_a_row_is_not_an_argument_of_the_line_break_before_it(cell: str) -> None:
    table = Table(title="t", headings=["h"], rows=[["a"], [cell]])
    assert f"{{}}{cell} \\\\" in to_latex(Page(title="t", tables=[table]), "t")


def test_every_special_character_is_set_as_it_is() -> None:
    assert to_latex_text(r"50 % of a_b & {x} #1 $z$ \ ~^|<>") == (
        r"50 \% of a\_\allowbreak{}b \& \{x\} \#1 \$z\$ \textbackslash{} "
        r"\textasciitilde{}\textasciicircum{}\textbar{}\textless{}\textgreater{}"
    )
    assert to_latex_text('"a cat"') == "``{}a cat''{}"
    assert to_latex_text("--flag") == "-{}-flag"
    assert to_latex_text("é ő") == r"\'{e} \H{o}"


def test_what_pdftex_has_no_glyph_for_is_called_by_its_number() -> None:
    assert to_latex_text("猫") == r"\anycharacter{732B}"
    assert to_latex_text("a\x07\u202eb\nc") == "ab c"


def test_no_word_is_too_long_to_be_broken() -> None:
    pieces = re.split(r"\\allowbreak\{\}", to_latex_text("x" * 300 + "_" + "y" * 5))
    assert max(map(len, pieces)) <= 12


def test_latex_compiles_whatever_is_in_a_table(tmp_path: Path) -> None:
    nasty = Table(
        title=NASTY,
        headings=["cell", NASTY, "runtime [s]"],
        rows=[[NASTY, "[x", "1"], [f"[{NASTY}", NASTY, "2"], ["x" * 300, "*", NASTY]],
        numeric=frozenset({"runtime [s]"}),
        bold=frozenset({0}),
    )
    page = Page(title=NASTY, tables=[TABLE, nasty], notes=[NASTY, *NOTES])
    (tmp_path / "delta.tex").write_text(to_latex(page, "delta"), encoding="utf-8")
    file = tmp_path / "paper.tex"
    file.write_text(document(r"\input{delta} Table~\ref{tab:delta}"), encoding="utf-8")
    compile_latex(file)
