"""The glossary has exactly the columns and headings that the analysis writes."""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis import compare, compare_by_axis, list_environments, load_records, summarise
from analysis.__main__ import main
from analysis.glossary import COLUMNS, HEADINGS
from analysis.tables.files import write_tables
from sd_bench.verdicts.axes import AXES
from tests.support.commands import REPOSITORY
from tests.support.histories import with_change, write_days
from tests.support.records import PRESETS, sample_environment, write_main_sweep, write_sweep

#: Published records of real implementations, with stages, conversions and counted operations.
PEERS = REPOSITORY / "multirun_outputs" / "results_peers"


def write_all_tables(root: Path, out: Path) -> None:
    out.mkdir(parents=True)
    rounds = load_records(root)
    cells = summarise(rounds)
    write_tables(compare(cells), list_environments(rounds), compare_by_axis(cells), out)


def write_two_environments(root: Path) -> Path:
    for torch in ("1.12.1", "2.15.0"):
        cells: dict[tuple[str, ...], list[float]] = {(name,): [4.0, 4.1] for name in PRESETS}
        environment = sample_environment(fingerprint=torch, torch=torch)
        write_sweep(root, cells, axes=("preset",), sweep=f"day/{torch}", environment=environment)
    return root


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of table, from sample sweeps and from published records."""
    root = tmp_path_factory.mktemp("tables")
    out = root / "out"
    write_all_tables(PEERS, out / "peers")
    write_all_tables(write_main_sweep(root / "sweep"), out / "sweep")
    write_all_tables(write_two_environments(root / "two"), out / "two")
    write_days(root / "days", {(1, "flash"): with_change(6, 1.1), (1, "math"): with_change(6, 1)})
    assert main(["history", str(root / "days"), "--out", str(out / "history")]) == 0
    comparison = ["--out", str(out / "comparison.md")]
    assert main(["compare", str(root / "sweep"), str(root / "sweep"), *comparison]) == 0
    return out


def read_columns(folder: Path) -> set[str]:
    found: set[str] = set()
    for path in folder.rglob("*.csv"):
        found |= set(next(csv.reader(path.read_text(encoding="utf-8").splitlines())))
    return found


def read_headings(folder: Path) -> set[str]:
    found: set[str] = set()
    for path in folder.rglob("*.md"):
        for line in re.findall(r"^(\|.*)\n\|[ :|-]+$", path.read_text(encoding="utf-8"), re.M):
            found |= {re.sub(r"\\(.)", r"\1", text.strip()) for text in line.split("|")[1:-1]}
    return found


def names_axes(heading: str) -> bool:
    """Whether a heading consists of axes, such as ``attention, compile``."""
    return {word.replace(" ", "_") for word in re.split(", | or ", heading)} <= {*AXES}


def without_machine(heading: str) -> str:
    """A heading as the glossary has it, without the name of a machine at its start."""
    return re.sub(r"^.+(?= \[images/s\]$)", "MACHINE", heading)


@pytest.mark.slow
def test_every_column_of_every_csv_file_is_in_the_glossary_and_no_other(written: Path) -> None:
    assert read_columns(written) == COLUMNS.keys()


def test_every_heading_of_every_table_is_in_the_glossary(written: Path) -> None:
    found = read_headings(written)
    assert {without_machine(h) for h in found if not names_axes(h)} <= HEADINGS.keys()
    assert "MACHINE [images/s]" in map(without_machine, found)
    assert len(found) > 30


def texts_of(package: Path) -> Iterator[str]:
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_the_glossary_has_no_heading_that_no_table_has(written: Path) -> None:
    analysis = REPOSITORY / "analysis"
    texts = {text for room in ("tables", "published") for text in texts_of(analysis / room)}
    assert HEADINGS.keys() - read_headings(written) <= texts


def test_a_heading_names_columns_that_there_are() -> None:
    named = {column for heading in HEADINGS.values() for column in heading.columns}
    assert named <= COLUMNS.keys()
