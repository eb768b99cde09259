"""The tables: every cell (summary), percentages per GPU (delta), and the environments."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.choices import AXES, Row
from analysis.formats import Page, Table, factor, percent, seconds, to_markdown
from analysis.notes import (
    DELTA_NOTE,
    RUNTIME_NOTE,
    common_notes,
    doubt_notes,
    sweep_names,
    varies,
)
from analysis.series import NAMING_AXES
from sd_bench.records import write_atomically

#: Characters of a fingerprint that people need to tell it from another; the CSV has them all.
_FINGERPRINT_SHOWN = 16

_CSV_LAST = ("reason", "proof_detail", "parity_reason", "no_delta_reason", "scaled", "sweeps")
_CSV_LEFT_OUT = ("started_at", "latents_path", "latents_reason")
_DELTA_COLUMNS = (
    *("machine", "env", *AXES, "series", "status", "rounds", "mean_s"),
    *("baseline", "is_baseline", "baseline_s", "improvement_percent", "speedup"),
    *("kernel_proof", "parity", "parity_ok", "marks", "best"),
    *("reason", "parity_reason", "no_delta_reason", "cell_hash"),
)


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    text: Callable[[Row], str]
    numeric: bool = False


def summary_page(deltas: pd.DataFrame, environments: pd.DataFrame) -> Page:
    """Every cell: runtime in seconds with its interval, images/s, proof and parity."""
    table = _table("Every cell", deltas, [*_place(deltas), *_measured(deltas)])
    return Page(
        title="Summary",
        tables=[table, *_several(environments)],
        notes=[*common_notes(deltas, environments), RUNTIME_NOTE, *doubt_notes(deltas)],
    )


def delta_page(deltas: pd.DataFrame, environments: pd.DataFrame) -> Page:
    """A table for each GPU: every cell against its baseline cell."""
    tables = [
        _table(f"{machine}{_against(cells)}", cells, [*_place(cells), *_delta(cells)])
        for machine, cells in deltas.groupby("machine", sort=False)
    ]
    return Page(
        title="Differences from the baseline",
        tables=[*tables, *_several(environments)],
        notes=[*common_notes(deltas, environments), DELTA_NOTE, *doubt_notes(deltas)],
    )


def screen_page(deltas: pd.DataFrame, environments: pd.DataFrame) -> Page:
    """The tables of both pages, with every sentence once."""
    summary, delta = summary_page(deltas, environments), delta_page(deltas, environments)
    every_cell, *which_is_which = summary.tables
    differences = [table for table in delta.tables if table not in which_is_which]
    notes = dict.fromkeys((*summary.notes, *delta.notes))
    tables = [every_cell, *differences, *which_is_which]
    return Page(title="", tables=tables, notes=list(notes))


def environment_table(environments: pd.DataFrame) -> Table:
    """Which environment is which: rounds of two environments are never averaged together."""
    headings = ["env", "machine", "device", "torch_env", "PyTorch", "Python", "commit", "sweeps"]
    headings += ["rounds", "fingerprint"]
    rows = [
        [
            str(row["env"]),
            str(row["machine"]),
            str(row["device"]),
            str(row["torch_env"]),
            str(row["torch"]),
            str(row["python"]),
            str(row["commit"]),
            sweep_names(row["sweeps"]),
            str(row["rounds"]),
            _short_fingerprint(str(row["fingerprint"])),
        ]
        for row in environments.to_dict("records")
    ]
    return Table(
        title="Environments (never averaged together)",
        headings=headings,
        rows=rows,
        numeric=frozenset({"rounds"}),
    )


def _short_fingerprint(fingerprint: str) -> str:
    return fingerprint if " " in fingerprint else fingerprint[:_FINGERPRINT_SHOWN]


def write_tables(deltas: pd.DataFrame, environments: pd.DataFrame, folder: Path) -> list[Path]:
    """Write summary and delta as Markdown and CSV (full precision). Raises OSError."""
    summary = deltas.drop(columns=list(_CSV_LEFT_OUT))
    summary = summary[[c for c in summary.columns if c not in _CSV_LAST] + list(_CSV_LAST)]
    joined = {name: summary[name].map("; ".join) for name in ("scaled", "sweeps")}
    contents = {
        "summary.md": to_markdown(summary_page(deltas, environments)),
        "summary.csv": summary.assign(**joined).to_csv(index=False, lineterminator="\n"),
        "delta.md": to_markdown(delta_page(deltas, environments)),
        "delta.csv": deltas[list(_DELTA_COLUMNS)].to_csv(index=False, lineterminator="\n"),
    }
    for name, text in contents.items():
        write_atomically(folder / name, text)
    return [folder / name for name in contents]


def _table(title: str, cells: pd.DataFrame, columns: list[_Column]) -> Table:
    rows = cells.to_dict("records")
    return Table(
        title=title,
        headings=[column.heading for column in columns],
        rows=[[column.text(row) for column in columns] for row in rows],
        numeric=frozenset(column.heading for column in columns if column.numeric),
        bold=frozenset(at for at, row in enumerate(rows) if row["best"]),
    )


def _place(cells: pd.DataFrame) -> list[_Column]:
    """The columns that say which cell it is; what all cells share has no column."""
    shown = [_axis("machine")] if cells["machine"].nunique() > 1 else []
    shown += [_axis("env")] if cells["env"].nunique() > 1 else []
    if varies(cells, "height") or varies(cells, "width"):
        shown.append(_Column("pixels", lambda row: f"{row['width']}x{row['height']}"))
    shown += [_axis(axis) for axis in ("model_version", "steps", "n_iter") if varies(cells, axis)]
    return [*shown, _Column("batch size", lambda row: str(row["batch_size"]), True), _series(cells)]


def _axis(name: str) -> _Column:
    return _Column(name, lambda row: str(row[name]))


def _series(cells: pd.DataFrame) -> _Column:
    named = cells["configuration"].notna()
    varying = [axis for axis in NAMING_AXES if varies(cells[~named], axis)] or ["attention"]
    parts = ["configuration"] if named.any() else []
    parts += [] if named.all() else [", ".join(varying)]
    return _Column(" or ".join(parts), lambda row: str(row["series"]))


def _measured(cells: pd.DataFrame) -> list[_Column]:
    return [
        *_rounds(cells),
        _Column("runtime [s]", _runtime, True),
        _Column("95 % interval [s]", _interval, True),
        _Column("images/s", lambda row: seconds(row["images_per_s"]), True),
        *_trust(cells, lambda row: str(row["reason"])),
    ]


def _against(cells: pd.DataFrame) -> str:
    """The baseline for the title; where there are several, they have a column."""
    baselines = list(dict.fromkeys(cells["baseline"]))
    return f" against {baselines[0]}" if len(baselines) == 1 and baselines[0] else ""


def _delta(cells: pd.DataFrame) -> list[_Column]:
    several = varies(cells, "baseline")
    return [
        *_rounds(cells),
        *([_Column("baseline", lambda row: str(row["baseline"] or "-"))] if several else []),
        _Column("runtime [s]", _runtime, True),
        _Column("baseline [s]", lambda row: seconds(row["baseline_s"]), True),
        _Column("improvement", _improvement, True),
        _Column("speed-up", lambda row: factor(row["speedup"]), True),
        *_trust(cells, lambda row: str(row["reason"] or row["no_delta_reason"])),
    ]


def _rounds(cells: pd.DataFrame) -> list[_Column]:
    column = _Column("rounds", lambda row: str(row["rounds"]), True)
    return [column] if cells["rounds"].nunique() > 1 else []


def _trust(cells: pd.DataFrame, note: Callable[[Row], str]) -> list[_Column]:
    """Proof and parity in every table; notes only where there is something to note."""
    columns = [
        _Column("kernel proof", lambda row: row["kernel_proof"] if row["status"] == "ok" else "-"),
        _Column("parity", _parity),
    ]
    noted = any(note(row) for row in cells.to_dict("records"))
    return [*columns, _Column("note", note)] if noted else columns


def _runtime(row: Row) -> str:
    return f"{seconds(row['mean_s'])} {row['marks']}".rstrip()


def _interval(row: Row) -> str:
    if math.isnan(row["ci_low_s"]):
        return "-"
    return f"{seconds(row['ci_low_s'])} to {seconds(row['ci_high_s'])}"


def _improvement(row: Row) -> str:
    return "baseline" if row["is_baseline"] else percent(row["improvement_percent"])


def _parity(row: Row) -> str:
    if row["status"] != "ok":
        return "-"
    if math.isnan(row["parity"]):
        return f"- ({row['parity_reason']})"
    return str(row["parity_reason"]) or (f"{row['parity']:.1e}" if row["parity"] else "0")


def _several(environments: pd.DataFrame) -> list[Table]:
    """The table of environments, where there is more than one."""
    return [environment_table(environments)] if len(environments) > 1 else []
