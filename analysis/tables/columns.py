"""The columns of the tables of cells, and what each says of a cell."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from analysis.comparison.flags import (
    BASELINE_UNPROVEN,
    NOT_AT_PARITY,
    PARITY_UNKNOWN,
    UNPROVEN,
)
from analysis.formatting import factor, interval, percent, seconds
from analysis.rows import Row, list_rows, varies
from analysis.series import find_naming_axes
from sd_bench.verdicts.answers import NO_CLAIM

#: The heading of the column of verdicts.
VERDICT = "verdict"

#: What forbids a claim, by the sign that says so.
_NO_CLAIM = {
    NOT_AT_PARITY: "different picture",
    PARITY_UNKNOWN: "picture not compared",
    UNPROVEN: "kernels not proven",
    BASELINE_UNPROVEN: "baseline's kernels not proven",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and the text that a row has below it."""

    heading: str
    text: Callable[[Row], str]
    numeric: bool = False


def place_columns(cells: pd.DataFrame) -> list[Column]:
    """The columns that say which cell it is; what all cells share has no column."""
    shown = [_axis("machine")] if cells["machine"].nunique() > 1 else []
    shown += [_axis("env")] if cells["env"].nunique() > 1 else []
    if varies(cells, "height") or varies(cells, "width"):
        shown.append(Column("pixels", lambda row: f"{row['width']}x{row['height']}"))
    shown += [_axis(axis) for axis in ("model_version", "steps", "n_iter") if varies(cells, axis)]
    return [*shown, Column("batch size", lambda row: str(row["batch_size"]), True), _series(cells)]


def _axis(name: str) -> Column:
    return Column(name, lambda row: "-" if row[name] is None else str(row[name]))


def _series(cells: pd.DataFrame) -> Column:
    named = cells["preset"].notna()
    varying = find_naming_axes(cells[~named]) or ["attention"]
    parts = ["preset"] if named.any() else []
    parts += [] if named.all() else [", ".join(varying)]
    return Column(" or ".join(parts), lambda row: str(row["series"]))


def measured_columns(cells: pd.DataFrame) -> list[Column]:
    """Runtime, rates, proof and parity."""
    return [
        *_rounds(cells),
        Column("runtime [s]", lambda row: _flagged(row, "mean_s"), True),
        Column("95 % interval [s]", _interval, True),
        Column("images/s", lambda row: seconds(row["images_per_s"]), True),
        Column("UNet calls/s", lambda row: seconds(row["unet_calls_per_s"]), True),
        *_trust(cells, lambda row: str(row["reason"])),
    ]


def delta_columns(cells: pd.DataFrame) -> list[Column]:
    """What a cell is worth against its baseline, the verdict first.

    Each cell needs its ``answer``, as `analysis.wording.answers` gives it.
    """
    several = varies(cells, "baseline")
    return [
        Column(VERDICT, _verdict),
        *_rounds(cells),
        *([Column("baseline", lambda row: str(row["baseline"] or "-"))] if several else []),
        Column("runtime [s]", lambda row: _flagged(row, "cell_s"), True),
        Column("baseline [s]", lambda row: seconds(row["baseline_s"]), True),
        Column("improvement", _improvement, True),
        Column("speed-up", _speedup, True),
        Column("95 % interval", _speedup_interval, True),
        *_trust(cells, _delta_note),
    ]


def _delta_note(row: Row) -> str:
    told = (str(row["reason"] or row["no_delta_reason"]), str(row["pairing"]))
    return "; ".join(text for text in told if text)


def _rounds(cells: pd.DataFrame) -> list[Column]:
    column = Column("rounds", lambda row: str(row["rounds"]), True)
    return [column] if cells["rounds"].nunique() > 1 else []


def _trust(cells: pd.DataFrame, note: Callable[[Row], str]) -> list[Column]:
    """Proof and parity in every table; notes only where there is something to note."""
    columns = [
        Column("kernel proof", lambda row: row["kernel_proof"] if row["status"] == "ok" else "-"),
        Column("parity", _parity),
    ]
    noted = any(note(row) for row in list_rows(cells))
    return [*columns, Column("note", note)] if noted else columns


def _flagged(row: Row, column: str) -> str:
    return f"{seconds(row[column])} {row['flags']}".rstrip()


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
    """The flags that mean a speed-up must not be trusted."""
    own = "".join(sign for sign in (UNPROVEN, NOT_AT_PARITY) if sign in row["flags"])
    return f"{own}{row['baseline_flags']}"


def _speedup_interval(row: Row) -> str:
    return interval(row["speedup_low"], row["speedup_high"])


def _verdict(row: Row) -> str:
    """The word of the row's `Answer`, with what would decide it or what forbids a claim."""
    word: str = row["answer"].word
    if word == NO_CLAIM:
        signs = f"{row['flags']}{row['baseline_flags']}"
        return f"{word} ({', '.join(why for sign, why in _NO_CLAIM.items() if sign in signs)})"
    return str(row["verdict_said"] or word)


def _parity(row: Row) -> str:
    if row["status"] != "ok":
        return "-"
    if math.isnan(row["parity"]):
        return f"- ({row['parity_reason']})"
    return str(row["parity_reason"]) or (f"{row['parity']:.1e}" if row["parity"] else "0")
