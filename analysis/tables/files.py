"""The tables as files: Markdown, CSV (full precision), LaTeX and HTML."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis.tables.markup import to_html, to_latex, to_markdown
from analysis.tables.page import Page
from analysis.tables.pages import make_axes_page, make_delta_page, make_summary_page
from sd_bench.records import write_atomically
from sd_bench.verdicts.axes import AXES

_JOINED = ("scaled", "sweeps", "disturbed_by", "warnings")
_LAST = ("reason", "proof_detail", "parity_reason", "no_delta_reason", *_JOINED)
_LEFT_OUT = (
    *("full_reason", "started_at", "sweep_folders", "latents_path", "latents_reason", "runs", "pictures"),
    *("profile", "baseline_cell", "planned", "comparison", "difference", "verdict_said", "scales"),
)
_DELTA_COLUMNS = (
    *("machine", "env", *AXES, "series", "status", "rounds", "value", "mean_s"),
    *("baseline", "is_baseline", "baseline_s", "cell_s", "improvement_percent", "improvement_low"),
    *("improvement_high", "speedup", "speedup_low", "speedup_high", "verdict", "margin"),
    *("further_rounds", "new_sweep_rounds", "method", "pairs", "pairing", "unplanned", "p"),
    *("level", "adjusted_low", "adjusted_high", "widening", "disturbed", "doubtful"),
    *("kernel_proof", "baseline_proof", "parity", "parity_ok", "flags", "baseline_flags", "best"),
    *("reason", "parity_reason", "no_delta_reason", "cell_hash"),
)


def write_tables(
    deltas: pd.DataFrame,
    environments: pd.DataFrame,
    by_axis: dict[str, pd.DataFrame],
    folder: Path,
) -> list[Path]:
    """Write summary, delta and, where ``by_axis`` says more than delta, one axis at a time.

    Raises OSError.
    """
    paths = _write("summary", make_summary_page(deltas, environments), _summary_csv(deltas), folder)
    paths += _write("delta", make_delta_page(deltas, environments), _delta_csv(deltas), folder)
    said = {str(baseline).partition("=")[0] for baseline in deltas["baseline"]}
    if not said.issuperset(by_axis):
        table = pd.concat([d.assign(axis=axis) for axis, d in by_axis.items()], ignore_index=True)
        csv = _delta_csv(table[table["speedup"].notna()], "axis")
        paths += _write("delta_by_axis", make_axes_page(by_axis), csv, folder)
    return paths


def _write(stem: str, page: Page, csv: str, folder: Path) -> list[Path]:
    texts = {"md": to_markdown(page), "csv": csv, "tex": to_latex(page), "html": to_html(page)}
    for suffix, text in texts.items():
        write_atomically(folder / f"{stem}.{suffix}", text)
    return [folder / f"{stem}.{suffix}" for suffix in texts]


def _summary_csv(deltas: pd.DataFrame) -> str:
    summary = _in_full(deltas).drop(columns=list(_LEFT_OUT))
    summary = summary[[c for c in summary.columns if c not in _LAST] + list(_LAST)]
    joined = {name: summary[name].map("; ".join) for name in _JOINED}
    return summary.assign(**joined).to_csv(index=False, lineterminator="\n")


def _delta_csv(deltas: pd.DataFrame, *first: str) -> str:
    return _in_full(deltas)[[*first, *_DELTA_COLUMNS]].to_csv(index=False, lineterminator="\n")


def _in_full(deltas: pd.DataFrame) -> pd.DataFrame:
    """The cells with their reasons whole: only what people read is cut."""
    return deltas.assign(reason=deltas["full_reason"])
