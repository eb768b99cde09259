"""The columns of the tables of cells: their headings and texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.comparison.flags import NOT_AT_PARITY, UNPROVEN, UNSEEN
from analysis.comparison.rows import JudgedRow
from analysis.formatting import factor, interval, percent, seconds, seconds_interval
from analysis.rows import varies
from analysis.series import find_naming_axes, name_env_within
from analysis.wording.answers import AnsweredRow
from sd_bench.statistics.digits import count_digits
from sd_bench.verdicts.judgement import ROUNDS_FOR_A_VERDICT, Verdict
from sd_bench.verdicts.proofs import say_proof

#: The headings of the verdict and of what would decide it.
VERDICT, DECIDES = "verdict", "what would decide"

#: Shown in a cell that has no value.
NOTHING = "-"

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and the function that gives the text of a row."""

    heading: str
    text: Callable[[AnsweredRow], str]
    numeric: bool = False


def keep_filled(columns: Sequence[Column], rows: Sequence[AnsweredRow]) -> list[Column]:
    """The columns that have a text for at least one row."""
    return [c for c in columns if any(c.text(row) not in ("", NOTHING) for row in rows)]


def place_columns(cells: pd.DataFrame) -> list[Column]:
    """The columns that identify a cell; what all cells share has no column."""
    shown = [Column("device", lambda row: str(row.machine))] if varies(cells, "machine") else []
    if _has_environments(cells):
        shown.append(Column("environment", name_env_within))
    if varies(cells, "height") or varies(cells, "width"):
        shown.append(Column("pixels", _pixels))
    shown += [_axis(axis) for axis in ("model_version", "steps", "n_iter") if varies(cells, axis)]
    return [*shown, Column("batch size", lambda row: str(row.batch_size), True), _series(cells)]


def cell_column(cells: pd.DataFrame) -> Column:
    """A single column that identifies a cell of a machine: ``flash, batch size 4``."""
    with_env = _has_environments(cells)
    with_pixels = varies(cells, "height") or varies(cells, "width")
    words = [axis for axis in ("model_version", "steps", "n_iter") if varies(cells, axis)]
    with_size = varies(cells, "batch_size")

    def parts(row: AnsweredRow) -> Iterator[str]:
        yield str(row.series)
        if with_env and not str(row.series).endswith(name_env_within(row)):
            yield name_env_within(row)
        if with_pixels:
            yield f"{_pixels(row)} pixels"
        for axis in words:
            if row[axis] is not None:
                yield str(row[axis]) if axis == "model_version" else f"{axis} {row[axis]}"
        if with_size:
            yield f"batch size {row.batch_size}"

    return Column("cell", lambda row: ", ".join(parts(row)))


def _has_environments(cells: pd.DataFrame) -> bool:
    """Whether any machine has cells in several environments."""
    return bool((cells.groupby("machine")["env"].nunique() > 1).any())


def _pixels(row: AnsweredRow) -> str:
    return f"{row.width}x{row.height}"


def _axis(name: str) -> Column:
    return Column(name, lambda row: NOTHING if row[name] is None else str(row[name]))


def _series(cells: pd.DataFrame) -> Column:
    named = cells["preset"].notna()
    varying = find_naming_axes(cells[~named]) or ["attention"]
    parts = ["preset"] if named.any() else []
    parts += [] if named.all() else [", ".join(varying).replace("_", " ")]
    return Column(" or ".join(parts), lambda row: str(row.series))


def measured_columns(cells: pd.DataFrame) -> list[Column]:
    """Runtime, rates, proof and parity."""
    return [
        *_rounds(cells),
        Column("runtime [s]", _mean, True),
        Column("95 % interval [s]", _mean_interval, True),
        Column("images/s", _images_per_s, True),
        Column("UNet calls/s", lambda row: seconds(row.unet_calls_per_s), True),
        *_trust(lambda row: str(row.reason)),
    ]


def resource_columns() -> list[Column]:
    """Rates, times of the stages of an iteration, memory and energy."""
    return [
        Column("images/s", _images_per_s, True),
        Column("sampler step [s]", lambda row: seconds(row.step_s), True),
        Column("text encoder [s]", lambda row: seconds(row.text_encode_s), True),
        Column("denoising [s]", lambda row: seconds(row.denoise_s), True),
        Column("autoencoder [s]", lambda row: seconds(row.vae_decode_s), True),
        Column("first UNet call [s]", lambda row: seconds(row.first_call_s), True),
        Column("peak memory [GiB]", lambda row: amount(row.peak_bytes / _GIB), True),
        Column("energy per image [J]", lambda row: amount(row.joules_per_image), True),
    ]


def delta_columns(cells: pd.DataFrame) -> list[Column]:
    """Each cell against its baseline, the verdict first. The rows must have answers."""
    several = varies(cells, "baseline")
    return [
        Column(VERDICT, lambda row: row.word),
        Column("speed-up", _speedup, True),
        Column("95 % interval", _speedup_interval, True),
        Column("improvement", _improvement, True),
        Column("runtime [s]", lambda row: _flagged(seconds(row.cell_s), row), True),
        Column("baseline [s]", lambda row: seconds(row.baseline_s), True),
        *([Column("baseline", lambda row: str(row.baseline or NOTHING))] if several else []),
        *_rounds(cells),
        *_trust(_delta_note),
        Column(DECIDES, what_decides),
    ]


def what_decides(row: JudgedRow) -> str:
    """How many rounds would decide a comparison; empty if it is settled."""
    verdict = None if row.difference is None else row.difference.verdict
    if not isinstance(verdict, Verdict) or verdict.is_settled:
        return ""
    if verdict.word == "too few rounds":
        return f"at least {ROUNDS_FOR_A_VERDICT} rounds"
    return verdict.what_decides


def _delta_note(row: AnsweredRow) -> str:
    texts = (row.reason or row.no_delta_reason, row.pairing, row.parity_where)
    return "; ".join(str(text) for text in texts if text)


def _rounds(cells: pd.DataFrame) -> list[Column]:
    column = Column("rounds", lambda row: str(row.rounds), True)
    return [column] if cells["rounds"].nunique() > 1 else []


def _trust(note: Callable[[AnsweredRow], str]) -> list[Column]:
    """Parity, proof and notes."""
    return [
        Column("parity", show_parity),
        Column("kernel proof", _proof),
        Column("note", note),
    ]


def _proof(row: AnsweredRow) -> str:
    if row.status != "ok":
        return NOTHING
    return say_proof(str(row.kernel_proof), str(row.proof_detail))


def _flagged(text: str, row: AnsweredRow) -> str:
    return f"{text} {row.flags}".rstrip()


def _mean(row: AnsweredRow) -> str:
    return _flagged(seconds(row.mean_s, row.ci_low_s, row.ci_high_s), row)


def _mean_interval(row: AnsweredRow) -> str:
    low_s = max(row.ci_low_s, 0.0)  # with few rounds the t interval may reach below zero
    if math.isnan(row.ci_low_s):
        return NOTHING
    return seconds_interval(row.mean_s, low_s, row.ci_high_s)


def _images_per_s(row: AnsweredRow) -> str:
    """The rate, with digits that fit the interval of the mean runtime."""
    rate, mean_s, low_s = row.images_per_s, row.mean_s, row.ci_low_s
    if math.isnan(rate) or math.isnan(low_s) or low_s <= 0:
        return seconds(rate)
    return seconds(rate, rate * mean_s / row.ci_high_s, rate * mean_s / low_s)


def amount(value: float) -> str:
    """A number of three significant digits; `NOTHING` for NaN."""
    return NOTHING if math.isnan(value) else f"{value:.{count_digits(value)}f}"


def _improvement(row: AnsweredRow) -> str:
    if row.is_baseline:
        return NOTHING
    return percent(row.improvement_percent, row.improvement_low, row.improvement_high)


def _speedup(row: AnsweredRow) -> str:
    text = factor(row.speedup, row.speedup_low, row.speedup_high)
    return f"{text} {_distrust(row)}".rstrip()


def _distrust(row: AnsweredRow) -> str:
    """The flags that a reader of the speed-up must see."""
    own = "".join(sign for sign in (UNPROVEN, UNSEEN, NOT_AT_PARITY) if sign in row.flags)
    return f"{own}{row.baseline_flags}"


def _speedup_interval(row: AnsweredRow) -> str:
    return interval(row.speedup_low, row.speedup_high)


def show_parity(row: AnsweredRow) -> str:
    """The distance from the baseline's output, or why it is unknown."""
    if row.status != "ok":
        return NOTHING
    if math.isnan(row.parity):
        return f"{NOTHING} ({row.parity_reason})"
    return str(row.parity_reason) or (f"{row.parity:.1e}" if row.parity else "0")
