"""The published study: its numbers, and its percentages recomputed from its seconds.

Source of the data: *Accelerated Stable Diffusion with PyTorch 2*, PyTorch blog, January 2023.
The seconds are printed with one decimal, so every percentage computed from them is an interval.
"""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

from analysis.rows import Row, list_rows
from sd_bench.records.old_names import name_published, rename_setting
from sd_bench.verdicts.comparisons import improvement_percent

#: Both baselines that the study could have been told against; it chose the first.
BASELINES = ("original_xformers", "original_no_xformers")

#: What the study's printed percentages are told against.
_PRINTED_BASELINES = {"sd1": "original_no_xformers", "sd2": "original_xformers"}

#: Half of the last printed digit of the seconds.
SECONDS_ROUNDING = 0.05


def read_published_runtimes() -> pd.DataFrame:
    """Every published runtime in seconds: a row a model version, GPU, batch size, preset.

    ``printed_percent`` is the percentage as the study printed it, a text; sd1's has the other
    sign.
    """
    sd2 = _read("sd2_runtimes").rename(
        columns={"improvement_vs_original_percent": "printed_percent"}
    )
    sd1 = _read("sd1_runtimes").rename(columns={"change_vs_original_percent": "printed_percent"})
    runtimes = pd.concat([sd1, sd2], ignore_index=True)
    return runtimes.astype({"batch_size": int, "runtime_s": float})


def compute_published_improvements() -> pd.DataFrame:
    """Each published runtime against each baseline, in percent, positive is faster.

    ``lowest_percent`` and ``highest_percent`` bound what the unrounded seconds can have given.
    """
    runtimes = read_published_runtimes()
    place = ["model_version", "gpu", "batch_size"]
    rows = []
    for baseline in BASELINES:
        base = runtimes[runtimes["preset"] == baseline]
        base = base[[*place, "runtime_s"]].rename(columns={"runtime_s": "baseline_s"})
        for row in list_rows(runtimes.merge(base, on=place)):
            rows.append(row | {"baseline": baseline} | _improvement(row, baseline))
    return pd.DataFrame(rows).drop(columns=["n_iter", "printed_percent"])


def check_printed_percentages() -> pd.DataFrame:
    """Every percentage that the study printed beside what its seconds give.

    ``agrees`` says whether the printed one lies within what the rounding of the seconds and of
    the printed percentage allows. All as improvements: sd1's sign is turned.
    """
    key = ["model_version", "gpu", "batch_size", "preset"]
    runtimes = read_published_runtimes()
    headline = _read("sd2_headline_improvement").astype({"batch_size": int})
    headline = headline.rename(columns={"improvement_vs_original_percent": "printed_percent"})
    headline = headline.assign(model_version="sd2", table="headline")
    printed = pd.concat([runtimes.assign(table="runtimes"), headline], ignore_index=True)
    computed = compute_published_improvements()
    told_against = computed["model_version"].map(_PRINTED_BASELINES)
    computed = computed[computed["baseline"] == told_against].drop(columns=["runtime_s"])
    merged = printed.drop(columns=["n_iter"]).merge(computed, on=key, how="left")
    rows = [row | _agreement(row) for row in list_rows(merged)]
    return pd.DataFrame(rows)


def find_largest_improvement() -> Row:
    """The row of `published_improvements` with the largest improvement over either baseline."""
    improvements = compute_published_improvements().sort_values("improvement_percent")
    largest: Row = list_rows(improvements)[-1]
    return largest


def read_published_runs() -> pd.DataFrame:
    """The 50 runs of sd2 on A100 at batch size 4, read off a plot; ``runtime_s`` in seconds."""
    runs = _read("sd2_A100_batch4_per_run").astype({"run_number": int, "runtime_s": float})
    return runs.assign(series=runs["preset"])


def _read(name: str) -> pd.DataFrame:
    """A published CSV, all columns as text: the printed digits say how far they are rounded.

    Its presets bear their present names; the study called one of them just "original".
    """
    source = files("analysis") / "published" / f"{name}.csv"
    with source.open(encoding="utf-8") as stream:
        table = pd.read_csv(stream, dtype=str).rename(columns=rename_setting)
    model = name.partition("_")[0]
    return table.assign(preset=[name_published(preset, model) for preset in table["preset"]])


def _improvement(row: Row, baseline: str) -> Row:
    base, runtime = row["baseline_s"], row["runtime_s"]
    rounding = 0.0 if row["preset"] == baseline else SECONDS_ROUNDING
    return {
        "improvement_percent": improvement_percent(base, runtime),
        "lowest_percent": improvement_percent(base - rounding, runtime + rounding),
        "highest_percent": improvement_percent(base + rounding, runtime - rounding),
    }


def _agreement(row: Row) -> Row:
    text = str(row["printed_percent"])
    sign = -1 if row["model_version"] == "sd1" else 1
    printed = sign * float(text)
    rounding = 0.5 / 10 ** len(text.partition(".")[2])
    low, high = row["lowest_percent"] - rounding, row["highest_percent"] + rounding
    return {"printed_improvement_percent": printed, "agrees": low <= printed <= high}
