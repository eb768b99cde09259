"""Sentences below tables and charts: what is shared, how it was measured, what to doubt."""

from __future__ import annotations

from collections import defaultdict

import pandas as pd

from analysis.comparison.flags import BOLD_EXPLANATION, explain
from analysis.formatting import count_rounds, join_sweeps
from analysis.ingest.rows import CellRow, EnvironmentRow
from analysis.rows import first_row, keep_measured, varies
from analysis.series import NAMING_AXES
from analysis.wording.cell_names import name_picture
from analysis.wording.disturbances import note_disturbances
from sd_bench.verdicts.attention_dtype import name_attention
from sd_bench.verdicts.axes import WORKLOAD_AXES
from sd_bench.verdicts.judgement import ROUNDS_FOR_A_VERDICT
from sd_bench.verdicts.names import is_worth_saying, name_optimizations, name_workload

DELTA_NOTE = (
    "Improvement is (baseline - x) / baseline * 100, positive is faster; speed-up is baseline / x. "
    "Both, their 95 % interval, runtime [s] and baseline [s] come from one estimate: the geometric "
    "mean over the rounds that were compared, without disturbed ones. "
    "Parity is the relative L2 distance of the final latents of round 0 from the baseline's."
)

FEW_ROUNDS = f"Fewer than {ROUNDS_FOR_A_VERDICT} rounds: estimates, not verdicts."
ONE_ROUND = "A cell with one round has no interval."

RESOURCES_NOTE = (
    "Images/s count all images of the timed iterations. A sampler step is the median step of a "
    "round, the stages are means over the timed iterations; all are means over the rounds. "
    "1 GiB is 1024^3 bytes."
)


def name_value(cells: pd.DataFrame) -> str:
    """The time that a round counts as, in a word or two, as chosen on the command line."""
    return "Median iteration" if cells["value"].iloc[0] == "median-iteration" else "Runtime"


def describe_value(cells: pd.DataFrame) -> str:
    """What the seconds of a round mean, as far as it is known."""
    measured = keep_measured(cells)
    if not measured["iterations"].all():
        return "as given in its file"
    counts = set(measured["n_iter"])
    count = counts.pop() if len(counts) == 1 else None
    known = isinstance(count, int)
    if count == 1:
        what = "one timed iteration"
    else:
        of = f"{count} timed iterations" if known else "its timed iterations"
        what = f"the {'sum' if name_value(cells) == 'Runtime' else 'median'} of {of}"
    return f"{what}{_warm_up(measured)}"


def _warm_up(measured: pd.DataFrame) -> str:
    counts = set(measured["num_warmup"])
    if not counts or None in counts:
        return ""
    if counts == {0}:
        return ", without a warm-up"
    return ", warm-up left out" if 0 not in counts else ""


def note_value(cells: pd.DataFrame) -> str:
    """What the runtime in a table or chart means."""
    return f"Runtime of a round: {describe_value(cells)}."


def note_runtime(cells: pd.DataFrame) -> str:
    """What the seconds and the rates in a table mean."""
    return (
        "'Every cell' has the mean runtime over all rounds and the 95 % t interval of that mean. "
        "Images/s count all images of the timed iterations, UNet calls/s one call per step on the "
        "whole guided batch (PLMS makes one more), over the denoising stage."
    )


def note_common(cells: pd.DataFrame, environments: pd.DataFrame) -> list[str]:
    """What all cells share and so has no column, and what they are compared against."""
    sentences = note_shared(cells)
    if len(environments) == 1:
        sentences.append(_environment_sentence(first_row(environments, EnvironmentRow)))
    return [*sentences, note_value(cells), note_baseline(cells)]


def note_shared(cells: pd.DataFrame) -> list[str]:
    """What all cells share and so has no column; empty if they share nothing."""
    first = first_row(cells, CellRow)
    dtype = "" if varies(cells, "attention_dtype") else first.attention_dtype
    words = name_workload(first) | {
        "attention": name_attention(str(first.attention), dtype),
        "compile": f"compile {first.compile}",
        "torch_env": f"torch_env {first.torch_env}",
        "allocator": f"allocator {first.allocator}",
        "threads": f"threads {first.threads}",
        "optimizations": name_optimizations(first.optimizations),
        "weights": f"weights {first.weights}",
        **name_picture(first),
        "rounds": count_rounds(first.rounds),
    }
    shared = {
        axis: words.get(axis, str(first[axis]))
        for axis in ("machine", *WORKLOAD_AXES, *NAMING_AXES, "rounds")
        if axis != "upcast" and not varies(cells, axis) and is_worth_saying(axis, first[axis])
    }
    if {"height", "width"} <= shared.keys():
        shared["height"] = f"{first.width}x{first.height} pixels"
        del shared["width"]
    return [f"All cells: {', '.join(shared.values())}."] if shared else []


def note_memory(measured: pd.DataFrame) -> list[str]:
    """Whether the peak memory is that of the device or of the process."""
    kinds = sorted(set(measured["memory_kind"]) - {""})
    return [f"Peak memory: {', '.join(kinds)}."] if kinds else []


def note_baseline(cells: pd.DataFrame) -> str:
    """What the cells are compared against; by machine if that differs."""
    machines_of: dict[str, list[str]] = defaultdict(list)
    for baseline, machine in dict.fromkeys(zip(cells["baseline"], cells["machine"], strict=True)):
        if baseline:
            machines_of[baseline].append(machine)
    if not machines_of and not (cells["status"] == "ok").any():
        return "No baseline: no cell was measured."
    if not machines_of:
        reasons = filter(None, dict.fromkeys(cells["no_delta_reason"]))
        reason = next(reasons, "no baseline")
        return f"{reason[0].upper()}{reason[1:]}."
    if len(machines_of) == 1:
        return f"Baseline: {next(iter(machines_of))}."
    named = (f"{name} on {', '.join(machines)}" for name, machines in machines_of.items())
    return f"Baselines: {'; '.join(named)}."


def _environment_sentence(row: EnvironmentRow) -> str:
    return (
        f"Environment: {row.device}; PyTorch {row.torch} on Python {row.python}; "
        f"commit {row.commit}; {count_rounds(row.rounds)} of {join_sweeps(row.sweeps)}."
    )


def note_doubts(deltas: pd.DataFrame) -> list[str]:
    """What signs and bold mean, whether rounds are few, disturbances, and what was scaled down."""
    measured = keep_measured(deltas)
    notes = explain(measured["flags"])
    if measured["best"].any():
        notes.append(BOLD_EXPLANATION)
    fewest = measured["rounds"].min() if len(measured) else ROUNDS_FOR_A_VERDICT
    if fewest < ROUNDS_FOR_A_VERDICT:
        notes.append(FEW_ROUNDS)
    if fewest == 1:
        notes.append(ONE_ROUND)
    return notes + note_disturbances(measured) + note_scaling(deltas)


def note_scaling(cells: pd.DataFrame) -> list[str]:
    """How the workload differs from the published one: each statement once, with its machines."""
    several = cells["machine"].nunique() > 1
    return [
        f"Scaled down{f' on {machines}' if several else ''}: {'; '.join(statements)}."
        for machines, statements in group_scaling(cells).items()
    ]


def group_scaling(cells: pd.DataFrame) -> dict[str, list[str]]:
    """Statements on how the workload is smaller than the published one, by machines."""
    machines_of: dict[str, list[str]] = defaultdict(list)
    for machine, group in cells.groupby("machine", sort=False):
        for statement in dict.fromkeys(s.rstrip(" .") for each in group["scaled"] for s in each):
            machines_of[statement].append(str(machine))
    together: dict[str, list[str]] = defaultdict(list)
    for statement, machines in machines_of.items():
        together[", ".join(machines)].append(statement)
    return together
