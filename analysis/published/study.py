"""The published study: its numbers, and its percentages recomputed from its seconds.

Source of the data: *Accelerated Stable Diffusion with PyTorch 2*, PyTorch blog, January 2023.
The seconds are printed with one decimal, so every percentage computed from them is an interval.
"""

from __future__ import annotations

import math
from importlib.resources import files

import pandas as pd

from analysis.rows import Row, list_rows
from sd_bench.records.old_names import name_published, rename_setting
from sd_bench.verdicts.comparisons import improvement_percent

#: Both baselines that the study could have used; it chose the first.
BASELINES = ("original_xformers", "original_no_xformers")

#: The baseline of the study's printed percentages.
_PRINTED_BASELINES = {"sd1": "original_no_xformers", "sd2": "original_xformers"}

#: Half of the last printed digit of the seconds.
SECONDS_ROUNDING = 0.05


class PublishedRow(Row, kw_only=True):
    """A published runtime and its ``baseline``; which fields are set depends on the table.

    ``printed_percent`` is as the study printed it; for sd1 it has the opposite sign.
    """

    model_version: str
    gpu: str
    batch_size: int
    preset: str
    runtime_s: float = math.nan
    printed_percent: str = ""
    baseline: str = ""
    baseline_s: float = math.nan
    improvement_percent: float = math.nan
    lowest_percent: float = math.nan
    highest_percent: float = math.nan

    def improve_by(self, rounding_s: float) -> float:
        """The improvement in percent if rounding had made both times wrong by that much."""
        if self.preset == self.baseline:
            rounding_s = 0.0
        return improvement_percent(self.baseline_s + rounding_s, self.runtime_s - rounding_s)

    @property
    def printed_improvement_percent(self) -> float:
        """The printed percentage as an improvement."""
        return (-1 if self.model_version == "sd1" else 1) * float(self.printed_percent)

    @property
    def agrees(self) -> bool:
        """Whether the printed percentage is possible, given the rounding of the seconds."""
        rounding = 0.5 / 10 ** len(self.printed_percent.partition(".")[2])
        low, high = self.lowest_percent - rounding, self.highest_percent + rounding
        return low <= self.printed_improvement_percent <= high


def read_published_runtimes() -> pd.DataFrame:
    """Every published runtime in seconds: one row per model version, GPU, batch size and preset.

    ``printed_percent`` is the percentage as the study printed it, a text; for sd1 it has the
    opposite sign.
    """
    sd2 = _read("sd2_runtimes").rename(
        columns={"improvement_vs_original_percent": "printed_percent"}
    )
    sd1 = _read("sd1_runtimes").rename(columns={"change_vs_original_percent": "printed_percent"})
    runtimes = pd.concat([sd1, sd2], ignore_index=True)
    return runtimes.astype({"batch_size": int, "runtime_s": float})


def compute_published_improvements() -> pd.DataFrame:
    """Each published runtime against each baseline, in percent, positive is faster.

    ``lowest_percent`` and ``highest_percent`` are the bounds for any seconds that round to the
    printed ones.
    """
    runtimes = read_published_runtimes()
    place = ["model_version", "gpu", "batch_size"]
    parts = []
    for baseline in BASELINES:
        base = runtimes[runtimes["preset"] == baseline]
        base = base[[*place, "runtime_s"]].rename(columns={"runtime_s": "baseline_s"})
        part = runtimes.merge(base, on=place).assign(baseline=baseline)
        rows = list_rows(part, PublishedRow)
        parts.append(
            part.assign(
                improvement_percent=[row.improve_by(0.0) for row in rows],
                lowest_percent=[row.improve_by(-SECONDS_ROUNDING) for row in rows],
                highest_percent=[row.improve_by(SECONDS_ROUNDING) for row in rows],
            )
        )
    return pd.concat(parts, ignore_index=True).drop(columns=["n_iter", "printed_percent"])


def check_printed_percentages() -> pd.DataFrame:
    """Every percentage that the study printed, beside the one computed from its seconds.

    ``agrees`` says whether they agree within the rounding of the seconds and of the printed
    percentage. All are improvements: the sign for sd1 is reversed.
    """
    key = ["model_version", "gpu", "batch_size", "preset"]
    runtimes = read_published_runtimes()
    headline = _read("sd2_headline_improvement").astype({"batch_size": int})
    headline = headline.rename(columns={"improvement_vs_original_percent": "printed_percent"})
    headline = headline.assign(model_version="sd2", table="headline")
    printed = pd.concat([runtimes.assign(table="runtimes"), headline], ignore_index=True)
    computed = compute_published_improvements()
    printed_baseline = computed["model_version"].map(_PRINTED_BASELINES)
    computed = computed[computed["baseline"] == printed_baseline].drop(columns=["runtime_s"])
    merged = printed.drop(columns=["n_iter"]).merge(computed, on=key, how="left")
    rows = list_rows(merged, PublishedRow)
    return merged.assign(
        printed_improvement_percent=[row.printed_improvement_percent for row in rows],
        agrees=[row.agrees for row in rows],
    )


def find_largest_improvement() -> PublishedRow:
    """The row with the largest improvement over either baseline."""
    rows = list_rows(compute_published_improvements(), PublishedRow)
    return max(rows, key=lambda row: row.improvement_percent)


def read_published_runs() -> pd.DataFrame:
    """The 50 runs of sd2 on an A100 at batch size 4, read from a plot; ``runtime_s`` in seconds."""
    runs = _read("sd2_A100_batch4_per_run").astype({"run_number": int, "runtime_s": float})
    return runs.assign(series=runs["preset"])


def _read(name: str) -> pd.DataFrame:
    """A published CSV, all columns as text: the printed digits show how they were rounded.

    Presets have their present names; the study called one of them just "original".
    """
    source = files("analysis") / "published" / f"{name}.csv"
    with source.open(encoding="utf-8") as stream:
        table = pd.read_csv(stream, dtype=str).rename(columns=rename_setting)
    model = name.partition("_")[0]
    return table.assign(preset=[name_published(preset, model) for preset in table["preset"]])
