"""The published study as tables and charts, against both baselines."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis.charts.colours import colour_series
from analysis.charts.kinds.bars import Bar, BarChart
from analysis.charts.kinds.runs import RunChart
from analysis.charts.kinds.sheet import save
from analysis.charts.select.runs import split_runs
from analysis.formatting import signed_percent
from analysis.published.study import (
    BASELINES,
    PublishedRow,
    check_printed_percentages,
    compute_published_improvements,
    find_largest_improvement,
    read_published_runs,
    read_published_runtimes,
)
from analysis.rows import list_rows
from analysis.tables.markup import to_markdown
from analysis.tables.page import Page, Table
from sd_bench.records import write_atomically
from sd_bench.verdicts.axes import order_values, rank
from sd_bench.verdicts.comparisons import improvement_percent

_RUNS_STEM = "original_vs_optimized_A100_n_samples_4_n_iter_2_sd2"
_NO_COMPILE = "needs compute capability 7.0"
_SOURCE = (
    "Data: Accelerated Stable Diffusion with PyTorch 2, PyTorch blog, January 2023. "
    "512x512 pixels, 50 steps, PLMS, autocast."
)
_SD2_VERSIONS = (
    "10 runs of 2 iterations each, warm-up left out. PyTorch 1.12.1 (original_no_xformers, "
    "original_xformers) and 2.0.0.dev20230111 (the others)."
)
_SD1_VERSIONS = (
    "PyTorch 1.11 (original_no_xformers) and 2.0.0.dev20221220 (optimized), no warm-up left out."
)


def make_published_page() -> Page:
    """The published tables against both baselines, with what the study's own data shows."""
    improvements = compute_published_improvements()
    sd2 = improvements[improvements["model_version"] == "sd2"]
    tables = [
        _runtime_table(cells, f"sd2, batch size {batch_size}, against {baseline}")
        for baseline in BASELINES
        for batch_size, cells in sd2[sd2["baseline"] == baseline].groupby("batch_size")
    ]
    largest, printed = find_largest_improvement(), check_printed_percentages()
    return Page(
        title="The published study",
        tables=[*tables, _headline_table(), _sd1_table()],
        notes=[
            f"The largest improvement in the data is {largest.improvement_percent:.1f} % "
            f"({largest.gpu}, batch size {largest.batch_size}, {largest.preset} "
            f"against {largest.baseline}).",
            "Runtime [s] with the improvement (baseline - x) / baseline * 100 in brackets: "
            "positive is faster. It is computed from the published seconds, which have one "
            "decimal, so its last digit can differ from the printed one.",
            f"{int(printed['agrees'].sum())} of {len(printed)} printed percentages agree with "
            "the seconds within their rounding.",
            "Kernel proof and parity were not published.",
        ],
    )


def write_published(folder: Path) -> list[Path]:
    """Write the published tables (Markdown, CSV) and charts (PNG, SVG). Raises OSError."""
    texts = {
        "published_study.md": to_markdown(make_published_page()),
        "published_improvements.csv": compute_published_improvements().to_csv(
            index=False, lineterminator="\n"
        ),
        "printed_percentages.csv": check_printed_percentages().to_csv(
            index=False, lineterminator="\n"
        ),
    }
    for name, text in texts.items():
        write_atomically(folder / name, text)
    paths = [folder / name for name in texts]
    charts: dict[str, BarChart | RunChart] = {
        **make_published_charts(),
        **make_published_run_charts(),
    }
    for stem, chart in charts.items():
        paths += save(chart.draw(), folder, stem)
    return paths


def make_published_charts() -> dict[str, BarChart]:
    """The published bar charts by file name without suffix: one per batch size, and one for sd1."""
    runtimes = read_published_runtimes()
    charts = {}
    for (model, batch_size), cells in runtimes.groupby(["model_version", "batch_size"]):
        n_iter = "" if model == "sd1" else f"_n_iter_{cells['n_iter'].iloc[0]}"
        stem = f"runtime_by_gpu_n_samples_{batch_size}{n_iter}_{model}"
        charts[stem] = _chart(cells, f"Published: runtime of {model} at batch size {batch_size}")
    return charts


def _in_published_order(cells: pd.DataFrame) -> tuple[list[str], list[str]]:
    gpus, names = (order_values(axis, cells[axis]) for axis in ("gpu", "preset"))
    return [str(gpu) for gpu in gpus], [str(name) for name in names]


def _runtime_table(cells: pd.DataFrame, title: str) -> Table:
    gpus, presets = _in_published_order(cells)
    text = {
        (row.gpu, row.preset): (f"{row.runtime_s:.1f} ({signed_percent(row.improvement_percent)})")
        for row in list_rows(cells, PublishedRow)
    }
    return Table(
        title=title,
        headings=["GPU", *presets],
        rows=[[gpu, *(text.get((gpu, c), f"- ({_NO_COMPILE})") for c in presets)] for gpu in gpus],
        numeric=frozenset(presets),
    )


def _headline_table() -> Table:
    printed = check_printed_percentages()
    headline = printed[printed["table"] == "headline"]
    text = {
        (row.gpu, row.batch_size): (
            f"{row.printed_percent} % ({signed_percent(row.improvement_percent)})"
        )
        for row in list_rows(headline, PublishedRow)
    }
    sizes = sorted(set(headline["batch_size"]))
    gpus, _ = _in_published_order(headline)
    return Table(
        title="sd2, optimized_compile (P100: optimized) against original_xformers: "
        "printed (computed)",
        headings=["GPU", *(f"batch size {size}" for size in sizes)],
        rows=[[gpu, *(text[gpu, size] for size in sizes)] for gpu in gpus],
        numeric=frozenset(f"batch size {size}" for size in sizes),
    )


def _sd1_table() -> Table:
    printed = check_printed_percentages()
    rows = list_rows(printed[printed["model_version"] == "sd1"], PublishedRow)
    rows.sort(key=lambda row: rank("gpu", row.gpu))
    headings = ["GPU", "preset", "runtime [s]", "printed change", "improvement"]
    return Table(
        title="sd1, batch size 2, against original_no_xformers "
        "(the printed change has the other sign)",
        headings=headings,
        rows=[
            [
                str(row.gpu),
                str(row.preset),
                f"{row.runtime_s:.1f}",
                f"{row.printed_percent} %",
                signed_percent(row.improvement_percent),
            ]
            for row in rows
        ],
        numeric=frozenset(headings[2:]),
    )


def _chart(cells: pd.DataFrame, title: str) -> BarChart:
    gpus, presets = _in_published_order(cells)
    bars = {(gpu, name): Bar(gap=_NO_COMPILE) for gpu in gpus for name in presets}
    for row in list_rows(cells, PublishedRow):
        bars[str(row.gpu), str(row.preset)] = Bar(value=row.runtime_s, text=f"{row.runtime_s:.1f}")
    sd1 = set(cells["model_version"]) == {"sd1"}
    return BarChart(
        title=title,
        x_label="Device",
        y_label="Runtime [s]",
        groups=gpus,
        series=presets,
        colours=colour_series(presets),
        bars=bars,
        caption=[
            "Lower is better. Means; no spread was published.",
            _SD1_VERSIONS if sd1 else _SD2_VERSIONS,
        ],
        origin=_SOURCE,
    )


def make_published_run_charts() -> dict[str, RunChart]:
    """The one per-run plot whose runs are known, by the file name of the study."""
    runs = read_published_runs()
    means = runs.groupby("preset")["runtime_s"].mean()
    gains = ", ".join(
        f"{signed_percent(improvement_percent(means[baseline], means['optimized_compile']))} "
        f"over {baseline}"
        for baseline in BASELINES
    )
    chart = RunChart(
        title=f"Published runs of sd2 on A100 at batch size 4. optimized_compile: {gains}",
        runs=split_runs(runs),
        caption=[
            "Lower is better. Read off the published plot; ± is the standard deviation.",
            _SD2_VERSIONS,
        ],
        origin=_SOURCE,
    )
    return {_RUNS_STEM: chart}
