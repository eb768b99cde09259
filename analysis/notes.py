"""The sentences below tables and charts: what is shared, how it was measured, what to doubt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pandas as pd

from analysis.choices import WORKLOAD_AXES, Row, in_order, rows_of
from analysis.marks import BOLD_EXPLANATION, DRIFTING, THROTTLED, explain
from analysis.series import NAMING_AXES
from analysis.verdicts import ROUNDS_FOR_A_VERDICT

#: Sweeps that are named where many went into a table; the others are counted.
_NUM_SWEEPS_NAMED = 3

#: What a round's value is, by what it was summarised to.
_VALUE_NOTES = {
    "runtime": "Runtime is the sum of the timed iterations of a round, warm-up left out",
    "median-iteration": "Runtime is the median timed iteration of a round, warm-up left out",
}

DELTA_NOTE = (
    "Improvement is (baseline - x) / baseline * 100, positive is faster; speed-up is baseline / x. "
    "Both, as their 95 % interval, are of the geometric mean over the rounds that were compared, "
    "with a single round on a side of the mean runtimes. Baseline [s] is the baseline's mean over "
    "the rounds that were compared, runtime [s] the cell's over all of its rounds. "
    "Parity is the relative L2 distance of the final latents of round 0 from the baseline's."
)


def runtime_note(cells: pd.DataFrame) -> str:
    """What the seconds and the rates of a table are."""
    value = _VALUE_NOTES[str(cells["value"].iloc[0])]
    return (
        f"{value}; the table has its mean over rounds and the 95 % t interval of that mean. "
        "Images/s count all images of the timed iterations, UNet calls/s one call a step on the "
        "whole guided batch (PLMS makes one more), over the denoising stage."
    )


def verdict_notes(deltas: pd.DataFrame) -> list[str]:
    """How the differences were tested, if any was."""
    methods = set(deltas["method"]) - {""}
    if not methods:
        return []
    test = {
        "paired": "a paired t test on log ratios by round",
        "welch": "Welch's t test on logarithms (their rounds did not run interleaved)",
    }
    how = " or ".join(text for name, text in test.items() if name in methods)
    margin = f"{100 * deltas['margin'].iloc[0]:g} %"
    return [
        f"Verdict by {how}, corrected after Holm over the table of a machine: same if the interval "
        f"lies within {margin} of equal, else faster or slower if significant, else unclear; with "
        f"fewer than {ROUNDS_FOR_A_VERDICT} rounds none."
    ]


def common_notes(cells: pd.DataFrame, environments: pd.DataFrame) -> list[str]:
    """What all cells share, which has no column, and what they are compared against."""
    first: Row = rows_of(cells)[0]
    words = workload_words(first) | {
        "compile": f"compile {first['compile']}",
        "torch_env": f"torch_env {first['torch_env']}",
        "weights": f"weights {first['weights']}",
        "rounds": _counted(first["rounds"]),
    }
    shared = {
        axis: words.get(axis, str(first[axis]))
        for axis in ("machine", *WORKLOAD_AXES, *NAMING_AXES, "rounds")
        if axis != "upcast" and not varies(cells, axis) and first[axis] is not None
    }
    if {"height", "width"} <= shared.keys():
        shared["height"] = f"{first['width']}x{first['height']} pixels"
        del shared["width"]
    sentences = [f"All cells: {', '.join(shared.values())}."] if shared else []
    if len(environments) == 1:
        sentences.append(_environment_sentence(rows_of(environments)[0]))
    return [*sentences, baseline_note(cells)]


def baseline_note(cells: pd.DataFrame) -> str:
    """What the cells are compared against; by machine where that differs."""
    machines_of: dict[str, list[str]] = defaultdict(list)
    for row in rows_of(cells[["baseline", "machine"]].drop_duplicates()):
        if row["baseline"]:
            machines_of[str(row["baseline"])].append(str(row["machine"]))
    if not machines_of and not (cells["status"] == "ok").any():
        return "No baseline: no cell was measured."
    if not machines_of:
        return "No baseline: nothing varies between cells."
    if len(machines_of) == 1:
        return f"Baseline: {next(iter(machines_of))}."
    named = (f"{name} on {', '.join(machines)}" for name, machines in machines_of.items())
    return f"Baselines: {'; '.join(named)}."


def _environment_sentence(row: Row) -> str:
    return (
        f"Environment: {row['device']}; PyTorch {row['torch']} on Python {row['python']}; "
        f"commit {row['commit']}; {_counted(row['rounds'])} of {sweep_names(row['sweeps'])}."
    )


def doubt_notes(deltas: pd.DataFrame) -> list[str]:
    """What the signs and bold mean, whether these are estimates, and what was scaled down."""
    measured = deltas[deltas["status"] == "ok"]
    notes = explain(measured["marks"])
    if measured["best"].any():
        notes.append(BOLD_EXPLANATION)
    fewest = measured["rounds"].min() if len(measured) else ROUNDS_FOR_A_VERDICT
    if fewest < ROUNDS_FOR_A_VERDICT:
        notes.append(f"Fewer than {ROUNDS_FOR_A_VERDICT} rounds: estimates, not verdicts.")
    if fewest == 1:
        notes.append("A cell with one round has no interval.")
    return notes + disturbance_notes(measured) + scaled_note(deltas)


def disturbance_notes(measured: pd.DataFrame) -> list[str]:
    """How much was throttled, and which cells drift by how much."""
    notes = []
    if num_throttled := int(measured["throttled"].sum()):
        reasons = dict.fromkeys(reason for each in measured["disturbed_by"] for reason in each)
        notes.append(
            f"{num_throttled} of {int(measured['iterations'].sum())} timed iterations were "
            f"throttled ({'; '.join(reasons)}): marked {THROTTLED}, not dropped."
        )
    for column, along in (("drift_rounds", "rounds"), ("drift_iterations", "iterations")):
        drifting = measured[measured[column].notna()]
        if len(drifting):
            least, most = drifting[column].min(), drifting[column].max()
            notes.append(
                f"{len(drifting)} of {len(measured)} cells drift along their {along}, by "
                f"{100 * least:+.1f} to {100 * most:+.1f} % from first to last: marked {DRIFTING}."
            )
    return notes


def scaled_note(cells: pd.DataFrame) -> list[str]:
    """How the workload differs from the published one: every statement once, with its machines."""
    machines_of: dict[str, list[str]] = defaultdict(list)
    for machine, group in cells.groupby("machine", sort=False):
        for statement in dict.fromkeys(s.rstrip(" .") for each in group["scaled"] for s in each):
            machines_of[statement].append(str(machine))
    together: dict[str, list[str]] = defaultdict(list)
    for statement, machines in machines_of.items():
        together[", ".join(machines)].append(statement)
    several = cells["machine"].nunique() > 1
    return [
        f"Scaled down{f' on {machines}' if several else ''}: {'; '.join(statements)}."
        for machines, statements in together.items()
    ]


def workload_words(row: Row) -> dict[str, str]:
    """The workload axes of a cell as people read them, by axis."""
    return {
        "model_version": str(row["model_version"]),
        "height": f"height {row['height']}",
        "width": f"width {row['width']}",
        "steps": f"{row['steps']} steps",
        "n_iter": f"n_iter {row['n_iter']}",
    }


def varies(cells: pd.DataFrame, axis: str) -> bool:
    """Whether the cells have more than one value on the axis."""
    return len(in_order(axis, cells[axis])) > 1


def sweep_names(names: Sequence[str]) -> str:
    """The first few sweeps by name, and how many more there are."""
    more = len(names) - _NUM_SWEEPS_NAMED
    named = ", ".join(names[:_NUM_SWEEPS_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def _counted(rounds: int) -> str:
    return f"{rounds} round" if rounds == 1 else f"{rounds} rounds"
