"""The tables: every cell, differences per GPU, one axis at a time, and the environments."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from analysis.comparison.deltas import compare, varying_axes
from analysis.comparison.flags import NOT_AT_PARITY, UNPROVEN, explain
from analysis.formatting import Page, Table, factor, interval, p_value, percent, seconds
from analysis.series import naming_axes
from analysis.wording.notes import (
    DELTA_NOTE,
    common_notes,
    doubt_notes,
    runtime_note,
    sweep_names,
    value_note,
    varies,
    verdict_notes,
)
from sd_bench.verdicts.axes import Row, rows_of
from sd_bench.verdicts.judgement import DEFAULT_MARGIN, ROUNDS_FOR_A_VERDICT, Verdict

#: Characters of a fingerprint that people need to tell it from another; the CSV has them all.
_FINGERPRINT_SHOWN = 16


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    text: Callable[[Row], str]
    numeric: bool = False


def summary_page(deltas: pd.DataFrame, environments: pd.DataFrame) -> Page:
    """Every cell: runtime in seconds with its interval, rates, proof and parity."""
    table = _table("Every cell", deltas, [*_place(deltas), *_measured(deltas)])
    return Page(
        title="Summary",
        tables=[table, *_several(environments)],
        notes=[*common_notes(deltas, environments), runtime_note(deltas), *doubt_notes(deltas)],
    )


def delta_page(deltas: pd.DataFrame, environments: pd.DataFrame) -> Page:
    """A table for each GPU: every cell against its baseline cell, with interval and verdict."""
    notes = [*common_notes(deltas, environments), DELTA_NOTE, *verdict_notes(deltas)]
    notes += explain(deltas["doubts"])
    return Page(
        title="Differences from the baseline",
        tables=[*_delta_tables(deltas), *_several(environments)],
        notes=[*notes, *doubt_notes(deltas)],
    )


def axes_page(by_axis: dict[str, pd.DataFrame]) -> Page:
    """For each axis that varies, every value against the axis's baseline, all else held equal."""
    tables, notes = [], [DELTA_NOTE]
    for name, deltas in by_axis.items():
        tables += _delta_tables(_with_a_partner(deltas), f", all but {name} equal")
        notes += [value_note(deltas), *verdict_notes(deltas), *explain(deltas["doubts"])]
        notes += doubt_notes(deltas)
    return Page(title="One axis at a time", tables=tables, notes=list(dict.fromkeys(notes)))


def compare_by_axis(cells: pd.DataFrame, margin: float = DEFAULT_MARGIN) -> dict[str, pd.DataFrame]:
    """`compare` against the usual baseline of every axis that varies, by the axis's name.

    An axis on which no cell has a partner that equals it in all others is left out.
    """
    compared = {b.axis: compare(cells, f"{b.axis}={b.value}", margin) for b in varying_axes(cells)}
    return {axis: deltas for axis, deltas in compared.items() if len(_with_a_partner(deltas))}


def screen_page(deltas: pd.DataFrame, environments: pd.DataFrame) -> Page:
    """The tables of summary and delta, with every sentence once."""
    summary, delta = summary_page(deltas, environments), delta_page(deltas, environments)
    every_cell, *which_is_which = summary.tables
    differences = [table for table in delta.tables if table not in which_is_which]
    notes = dict.fromkeys((*summary.notes, *delta.notes))
    tables = [every_cell, *differences, *which_is_which]
    return Page(title="", tables=tables, notes=list(notes))


def _delta_tables(deltas: pd.DataFrame, suffix: str = "") -> list[Table]:
    return [
        _table(f"{machine}{_against(cells)}{suffix}", cells, [*_place(cells), *_delta(cells)])
        for machine, cells in deltas.groupby("machine", sort=False)
    ]


def _with_a_partner(deltas: pd.DataFrame) -> pd.DataFrame:
    """The cells that have a baseline of their own, and those baselines that have such a cell."""
    is_baseline = deltas["is_baseline"].astype(bool)
    partners = deltas[deltas["speedup"].notna() & ~is_baseline]
    served = set(partners["baseline_cell"])
    baselines = deltas[is_baseline & deltas["baseline_cell"].isin(served)]
    return deltas.loc[sorted([*partners.index, *baselines.index])]


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
        for row in rows_of(environments)
    ]
    return Table(
        title="Environments (never averaged together)",
        headings=headings,
        rows=rows,
        numeric=frozenset({"rounds"}),
    )


def _short_fingerprint(fingerprint: str) -> str:
    return fingerprint if " " in fingerprint else fingerprint[:_FINGERPRINT_SHOWN]


def _table(title: str, cells: pd.DataFrame, columns: list[_Column]) -> Table:
    rows = rows_of(cells)
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
    return _Column(name, lambda row: "-" if row[name] is None else str(row[name]))


def _series(cells: pd.DataFrame) -> _Column:
    named = cells["configuration"].notna()
    varying = naming_axes(cells[~named]) or ["attention"]
    parts = ["configuration"] if named.any() else []
    parts += [] if named.all() else [", ".join(varying)]
    return _Column(" or ".join(parts), lambda row: str(row["series"]))


def _measured(cells: pd.DataFrame) -> list[_Column]:
    return [
        *_rounds(cells),
        _Column("runtime [s]", _runtime, True),
        _Column("95 % interval [s]", _interval, True),
        _Column("images/s", lambda row: seconds(row["images_per_s"]), True),
        _Column("UNet calls/s", lambda row: seconds(row["unet_calls_per_s"]), True),
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
        _Column("speed-up", _speedup, True),
        _Column("95 % interval", _speedup_interval, True),
        *_tested(cells),
        *_trust(cells, _delta_note),
    ]


def _delta_note(row: Row) -> str:
    told = (str(row["reason"] or row["no_delta_reason"]), str(row["pairing"]))
    return "; ".join(text for text in told if text)


def _rounds(cells: pd.DataFrame) -> list[_Column]:
    column = _Column("rounds", lambda row: str(row["rounds"]), True)
    return [column] if cells["rounds"].nunique() > 1 else []


def _trust(cells: pd.DataFrame, note: Callable[[Row], str]) -> list[_Column]:
    """Proof and parity in every table; notes only where there is something to note."""
    columns = [
        _Column("kernel proof", lambda row: row["kernel_proof"] if row["status"] == "ok" else "-"),
        _Column("parity", _parity),
    ]
    noted = any(note(row) for row in rows_of(cells))
    return [*columns, _Column("note", note)] if noted else columns


def _runtime(row: Row) -> str:
    return f"{seconds(row['mean_s'])} {row['marks']}".rstrip()


def _interval(row: Row) -> str:
    if math.isnan(row["ci_low_s"]):
        return "-"
    low_s = max(row["ci_low_s"], 0.0)  # of few rounds the t interval may reach below
    return f"{seconds(low_s)} to {seconds(row['ci_high_s'])}"


def _improvement(row: Row) -> str:
    return "baseline" if row["is_baseline"] else percent(row["improvement_percent"])


def _speedup(row: Row) -> str:
    return f"{factor(row['speedup'])} {_distrust(row)}".rstrip()


def _distrust(row: Row) -> str:
    """The signs that forbid to believe a speed-up."""
    own = "".join(sign for sign in (UNPROVEN, NOT_AT_PARITY) if sign in row["marks"])
    return f"{own}{row['doubts']}"


def _speedup_interval(row: Row) -> str:
    return interval(row["speedup_low"], row["speedup_high"])


def _tested(cells: pd.DataFrame) -> list[_Column]:
    """The corrected p-value where a comparison has one, and the verdict."""
    columns = [_Column("verdict", _verdict)] if (cells["verdict"] != "").any() else []
    if cells["p_holm"].notna().any():
        columns.insert(0, _Column("p (Holm)", lambda row: p_value(row["p_holm"]), True))
    return columns


def _verdict(row: Row) -> str:
    if not row["verdict"]:
        return "-"
    if row["verdict"] == "too few rounds" and row["pairing"]:
        return f"too few rounds ({int(row['pairs'])} paired rounds, needs {ROUNDS_FOR_A_VERDICT})"
    needed = None if math.isnan(row["rounds_needed"]) else int(row["rounds_needed"])
    return str(Verdict(row["verdict"], row["p_holm"], needed))


def _parity(row: Row) -> str:
    if row["status"] != "ok":
        return "-"
    if math.isnan(row["parity"]):
        return f"- ({row['parity_reason']})"
    return str(row["parity_reason"]) or (f"{row['parity']:.1e}" if row["parity"] else "0")


def _several(environments: pd.DataFrame) -> list[Table]:
    """The table of environments, where there is more than one."""
    return [environment_table(environments)] if len(environments) > 1 else []
