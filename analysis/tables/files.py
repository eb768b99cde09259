"""The tables as files: Markdown, CSV (full precision), LaTeX and HTML."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.comparison.deltas import margin_of
from analysis.comparison.machines import find_machines
from analysis.comparison.peers import STAGE_COLUMNS, add_stages, find_peers
from analysis.ingest.measures import STAGES
from analysis.rows import keep_measured, uncollected
from analysis.tables.efficiency import keep_counted, make_efficiency_page
from analysis.tables.latex import to_latex
from analysis.tables.machines import list_lines, make_machines_page
from analysis.tables.markup import to_html, to_markdown
from analysis.tables.page import Page
from analysis.tables.pages import (
    make_axes_page,
    make_delta_page,
    make_resources_page,
    make_summary_page,
)
from analysis.tables.peers import make_peers_page
from sd_bench.records import write_atomically
from sd_bench.verdicts.axes import AXES

_PLACE = ("machine", "env", "series")
_CHOICES = (
    *("model_version", "preset", "attention", "compile", "precision", "torch_env", "batch_size"),
)
_SUMMARY = (
    *(*_PLACE, *_CHOICES, "status", "rounds", "mean_s", "sd_s", "ci_low_s", "ci_high_s"),
    *("images_per_s", "step_s", "peak_bytes", "joules_per_image", "kernel_proof", "parity"),
    *("flags", "reason"),
)
_DELTA = (
    *(*_PLACE, "verdict", "speedup", "speedup_low", "speedup_high", "improvement_percent"),
    *("cell_s", "baseline_s", "baseline", "is_baseline", *_CHOICES, "status", "rounds"),
    *("kernel_proof", "parity", "parity_ok", "reason"),
)
_DELTA_FULL = (
    *("machine", "env", *AXES, "series", "status", "rounds", "value", "mean_s"),
    *("baseline", "is_baseline", "baseline_s", "cell_s", "improvement_percent", "improvement_low"),
    *("improvement_high", "speedup", "speedup_low", "speedup_high", "verdict", "margin"),
    *("further_rounds", "new_sweep_rounds", "method", "pairs", "pairing", "unplanned", "p"),
    *("level", "adjusted_low", "adjusted_high", "widening", "disturbed", "doubtful"),
    *("kernel_proof", "baseline_proof", "parity", "parity_allowed", "parity_ok", "parity_stage"),
    *(
        "parity_stage_distance",
        "flags",
        "baseline_flags",
        "best",
        "reason",
        "proof_detail",
        "parity_reason",
    ),
    *("no_delta_reason", "cell_hash"),
)
_RESOURCES = (
    *(*_PLACE, *_CHOICES, "images_per_s", "unet_calls_per_s", "step_s", "text_encode_s"),
    *("denoise_s", "vae_decode_s", "first_call_s", "peak_bytes", "memory_kind"),
    *("joules_per_image", "unet_call_flop", "iteration_flop"),
)
_PEERS = (
    *(*_PLACE, "implementation", "optimizations", *_CHOICES, "status", "rounds", "verdict"),
    *("speedup", "speedup_low", "speedup_high", "cell_s", "baseline_s", "is_baseline"),
    *(f"{stage}{what}" for stage in STAGES for what in STAGE_COLUMNS),
    *("ready_cold_s", "ready_warm_s", "kernel_proof", "parity", "parity_ok", "reason"),
)
_EFFICIENCY = (
    *(*_PLACE, *_CHOICES, "tflop_per_s", "text_encode_tflop_per_s", "denoise_tflop_per_s"),
    *("vae_decode_tflop_per_s", "matmul_tflop_per_s", "matmul_percent", "peak_percent"),
    "gpu_idle_percent",
)
_MACHINES = (
    *("machines_row", "machine", "env", "series", "fastest", "times_slowest"),
    *("typical_images_per_s", "typical_s", "rounds", "differs", "torch", *AXES),
    *("kernel_proof", "parity_ok", "flags", "reason"),
)
#: Columns that come last because they are long.
_LAST = (
    *("reason", "proof_detail", "parity_reason", "no_delta_reason"),
    *("scaled", "sweeps", "disturbed_by", "warnings"),
)
_INNER = (
    *("full_reason", "baseline_cell", "sweep_folders", "latents_path", "verdict_said", "runs"),
    *("stage_runs", "planned", "profile", "comparison", "difference", "pictures", "sketches"),
    "parity_where",
)

_PLAIN_TYPES = (str, float, int, type(None))

#: Where a formula begins in a spreadsheet; the full-width signs come from East Asian keyboards.
_FORMULA_BEGIN = re.compile(r"(^\s*|;\s*)(?=[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])")


@uncollected()
def write_tables(
    deltas: pd.DataFrame,
    environments: pd.DataFrame,
    by_axis: dict[str, pd.DataFrame],
    folder: Path,
) -> list[Path]:
    """Write the pages of `make_pages` as Markdown, LaTeX, HTML and CSV; returns the files.

    The CSV files of summary and delta have the columns that people use, ``summary_full.csv`` and
    ``delta_full.csv`` all of them. Raises OSError.
    """
    pages = make_pages(deltas, environments, by_axis)
    paths = _write(
        "summary",
        pages["summary"],
        {"summary": _SUMMARY, "summary_full": _all_columns(deltas)},
        deltas,
        folder,
    )
    paths += _write(
        "delta",
        pages["delta"],
        {"delta": _DELTA, "delta_full": _DELTA_FULL},
        deltas,
        folder,
    )
    if resources := pages.get("resources"):
        measured = keep_measured(deltas)
        paths += _write("resources", resources, {"resources": _RESOURCES}, measured, folder)
    if efficiency := pages.get("efficiency"):
        counted = keep_counted(deltas)
        paths += _write("efficiency", efficiency, {"efficiency": _EFFICIENCY}, counted, folder)
    if page := pages.get("delta_by_axis"):
        table = pd.concat([d.assign(axis=axis) for axis, d in by_axis.items()], ignore_index=True)
        columns = ("axis", *_DELTA_FULL)
        compared = table[table["speedup"].notna()]
        paths += _write("delta_by_axis", page, {"delta_by_axis": columns}, compared, folder)
    peers = find_peers(deltas, margin_of(deltas))
    if peers is not None:
        paths += _write("peers", pages["peers"], {"peers": _PEERS}, add_stages(peers), folder)
    machines = find_machines(deltas, environments)
    if machines is not None:
        lines = list_lines(machines)
        paths += _write("machines", pages["machines"], {"machines": _MACHINES}, lines, folder)
    return paths


def make_pages(
    deltas: pd.DataFrame, environments: pd.DataFrame, by_axis: dict[str, pd.DataFrame]
) -> dict[str, Page]:
    """The pages by file name without suffix; those without a table are left out.

    They are summary, delta, resources and efficiency, one axis at a time if ``by_axis`` has more
    than delta, and the comparison of implementations if there are several.
    """
    pages = {
        "summary": make_summary_page(deltas, environments),
        "delta": make_delta_page(deltas, environments),
        "resources": make_resources_page(deltas),
        "efficiency": make_efficiency_page(deltas),
    }
    baseline_axes = {str(baseline).partition("=")[0] for baseline in deltas["baseline"]}
    if not baseline_axes.issuperset(by_axis):
        pages["delta_by_axis"] = make_axes_page(by_axis)
    if (peers := find_peers(deltas, margin_of(deltas))) is not None:
        pages["peers"] = make_peers_page(peers)
    if (machines := find_machines(deltas, environments)) is not None:
        pages["machines"] = make_machines_page(machines)
    return {stem: page for stem, page in pages.items() if page.tables}


def _write(
    stem: str,
    page: Page,
    csv_columns: Mapping[str, Iterable[str]],
    cells: pd.DataFrame,
    folder: Path,
) -> list[Path]:
    texts = {f"{stem}.md": to_markdown(page)}
    texts |= {f"{name}.csv": to_csv(cells, columns) for name, columns in csv_columns.items()}
    texts |= {f"{stem}.tex": to_latex(page, stem), f"{stem}.html": to_html(page)}
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return [folder / name for name in texts]


def to_csv(cells: pd.DataFrame, columns: Iterable[str]) -> str:
    """The columns as CSV: numbers in full precision, plain text, empty if unknown.

    Reasons are not cut here.
    """
    whole = cells.assign(reason=cells["full_reason"])
    by_column = {name: map(_plain, whole[name].tolist()) for name in columns}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(by_column)
    writer.writerows(zip(*by_column.values(), strict=True))
    return text.getvalue()


def _plain(value: Any) -> Any:
    """A value as a number, or as text that no spreadsheet takes for a formula."""
    if type(value) is str:  # most values are text or numbers
        return harmless(value)
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = [f"{text} ({count})" for text, count in value.items()]
    if isinstance(value, list | tuple):
        value = "; ".join(map(str, value))
    return harmless(value) if isinstance(value, str) else value


@lru_cache(maxsize=4096)  # most texts of a column occur in several rows
def harmless(text: str) -> str:
    """Text for a CSV file that no spreadsheet takes for a formula.

    If ``;`` separates columns, a spreadsheet takes the text after it as a separate cell.
    """
    return _FORMULA_BEGIN.sub(r"\1'", text)


def _all_columns(deltas: pd.DataFrame) -> list[str]:
    """All columns with plain values; nested objects mean nothing outside the program."""
    names = [n for n in map(str, deltas.columns) if n not in (*_INNER, *_LAST)]
    return [*(n for n in names if all(map(_is_plain, deltas[n].tolist()))), *_LAST]


def _is_plain(value: Any) -> bool:
    if type(value) in _PLAIN_TYPES:
        return True
    if isinstance(value, Mapping):
        return all(isinstance(count, int) for count in value.values())
    if isinstance(value, list | tuple):
        return all(isinstance(each, str) for each in value)
    return value is None or isinstance(value, str | int | float)
