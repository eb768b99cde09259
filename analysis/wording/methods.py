"""The paragraph for a methods section: machine, versions, workload, protocol and statistics.

Every sentence follows from records; what they lack or disagree on is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from analysis.comparison.rows import DeltaRow
from analysis.ingest.rows import RoundRow
from analysis.ingest.settings import Settings, only
from analysis.rows import keep_measured, list_rows
from analysis.wording.notes import describe_value, note_baseline
from sd_bench.statistics.sequential import TABLE_ERROR
from sd_bench.verdicts.axes import AXES, order_values
from sd_bench.verdicts.judgement import ROUNDS_FOR_A_VERDICT
from sd_bench.verdicts.names import name_optimizations

_GIB = 2**30
_COMMIT_SHOWN = 10

#: Most values of an axis that are listed; if there are more, they are counted.
_MOST_VALUES = 6

#: Most environments that are described; the others are counted.
_MOST_ENVIRONMENTS = 4

#: Axes that are not mentioned if they vary: they follow from another axis, or are the machine.
_QUIET = ("gpu", "upcast", "height", "width", "weights_seed")


def describe_methods(
    rounds: pd.DataFrame, deltas: pd.DataFrame, settings: Mapping[str, Settings]
) -> list[str]:
    """The sentences for the measured rounds and their compared cells; none if nothing was measured.

    ``settings`` are the facts of each environment (`ingest.settings.read_settings`).
    """
    measured, cells = keep_measured(rounds), keep_measured(deltas)
    if not len(measured) or not len(cells):
        return []
    ok, compared = list_rows(measured, RoundRow), list_rows(cells, DeltaRow)
    return [
        *_machines(ok, settings),
        *_workload(cells),
        *_protocol(ok, cells, [settings.get(env, {}) for env in dict.fromkeys(cells["env"])]),
        *_trust(compared),
        *_statistics(cells, compared),
    ]


def _machines(rounds: Sequence[RoundRow], settings: Mapping[str, Settings]) -> Iterator[str]:
    first_of: dict[str, RoundRow] = {}
    for row in rounds:
        first_of.setdefault(row.env, row)
    for env, row in [*first_of.items()][:_MOST_ENVIRONMENTS]:
        facts = settings.get(env, {})
        machine = f"{row.device}{_in_brackets(_hardware(facts))}"
        where = f"Measurements were made on {machine}"
        if versions := [*_versions(row, facts)]:
            where += f", with {_join(versions)}"
        yield f"{where}{_code(facts)}."
    if len(first_of) > _MOST_ENVIRONMENTS:
        more = len(first_of) - _MOST_ENVIRONMENTS
        yield f"{more} further environments are listed in the table of environments."
    days = sorted({row.started_at[:10] for row in rounds if row.started_at[:4].isdigit()})
    num_sweeps = len({row.sweep_folder for row in rounds})
    if days:
        when = f"on {days[0]}" if len(days) == 1 else f"between {days[0]} and {days[-1]}"
        yield f"They were made {when} (UTC), in {_count(num_sweeps, 'sweep')}."


def _hardware(facts: Settings) -> Iterator[str]:
    on_gpu = only(facts, "device_kind") == "cuda"
    if on_gpu and (memory := only(facts, "device_memory_bytes")):
        yield f"{memory / _GIB:.0f} GiB of device memory"
    if on_gpu and (driver := only(facts, "driver")):
        yield f"driver {driver}"
    host = only(facts, "processor")
    if on_gpu and host:
        yield f"host processor {host}"
    if cores := only(facts, "cores"):
        yield f"{cores} cores"
    if memory := only(facts, "memory_bytes"):
        yield f"{memory / _GIB:.0f} GiB of {'host ' if on_gpu else ''}memory"


def _versions(row: RoundRow, facts: Settings) -> Iterator[str]:
    if torch := only(facts, "torch"):
        cuda = only(facts, "cuda") if only(facts, "device_kind") == "cuda" else None
        yield f"PyTorch {torch}{f' (CUDA {cuda})' if cuda else ''}"
    if python := only(facts, "python"):
        yield f"Python {python}"
    if row.peer_versions:
        yield row.peer_versions
    if kernel := only(facts, "kernel"):
        yield f"Linux {kernel}" if kernel[:1].isdigit() else str(kernel)
    if threads := only(facts, "threads"):
        yield _count(int(threads), "thread")


def _code(facts: Settings) -> str:
    """The version of this project that measured the rounds."""
    version, commit = only(facts, "sd_bench"), only(facts, "commit")
    if not version or not commit:
        return f"; sd_bench {version}" if version else ""
    changed = ", with local changes" if only(facts, "is_changed") is True else ""
    return f"; sd_bench {version}, commit {commit[:_COMMIT_SHOWN]}{changed}"


def _workload(cells: pd.DataFrame) -> Iterator[str]:
    values = {axis: _values(cells, axis) for axis in AXES}
    parts = [
        f"model {_join(values['model_version'])}" if values["model_version"] else "",
        f"{_join(values['weights'])} weights" if values["weights"] else "",
        _pixels(cells),
        f"{_join(values['steps'])} steps" if values["steps"] else "",
        f"sampler {_join(values['sampler'])}" if values["sampler"] else "",
        f"precision {_join(values['precision'])}" if values["precision"] else "",
        f"batch size {_join(values['batch_size'])}" if values["batch_size"] else "",
        f"guidance scale {_join(values['guidance_scale'])}" if values["guidance_scale"] else "",
        f"seed {_join(values['seed'])}" if values["seed"] else "",
    ]
    if known := [part for part in parts if part]:
        yield f"Workload: {', '.join(known)}."
    mentioned = {"model_version", "weights", "steps", "sampler", "precision", "batch_size", *_QUIET}
    mentioned |= {"guidance_scale", "seed"}
    varying = [axis for axis in AXES if axis not in mentioned and len(set(cells[axis])) > 1]
    if len(cells) > 1 and varying:
        choices = "; ".join(f"{axis}: {_list_choices(cells, axis)}" for axis in varying)
        yield f"{len(cells)} cells were measured, which differ in {_join(varying)} ({choices})."


def _values(cells: pd.DataFrame, axis: str) -> list[str]:
    """The values on an axis, counted if there are many; none if unknown for some cells."""
    found = order_values(axis, cells[axis])
    if any(value is None or value == "" for value in found):
        return []
    words = [f"{value:g}" if isinstance(value, float) else str(value) for value in found]
    return words if len(words) <= _MOST_VALUES else [f"{len(words)} values"]


def _list_choices(cells: pd.DataFrame, axis: str) -> str:
    found = order_values(axis, cells[axis])
    named = name_optimizations if axis == "optimizations" else str
    words = ["not set" if value is None else named(value) for value in found]
    more = len(words) - _MOST_VALUES
    return ", ".join(words[:_MOST_VALUES]) + (f" and {more} more" if more > 0 else "")


def _pixels(cells: pd.DataFrame) -> str:
    sizes = dict.fromkeys(zip(cells["height"], cells["width"], strict=True))
    if any(None in size for size in sizes):
        return ""
    return f"{_join([f'{width}x{height}' for height, width in sizes])} pixels"


def _protocol(
    rounds: Sequence[RoundRow], cells: pd.DataFrame, settings: Sequence[Settings]
) -> Iterator[str]:
    least, most = int(cells["rounds"].min()), int(cells["rounds"].max())
    times = _count(least, "round") if least == most else f"{least} to {most} rounds"
    yield f"Each cell was measured in {times}{_process(settings)}."
    yield f"A round counts as {describe_value(cells)}{_warm_up(settings)}."
    if len(cells) > 1 and are_interleaved(rounds):
        yield (
            "The rounds of the cells of a sweep were interleaved: a round of every cell was begun "
            "before the next round of any."
        )
    flagged = sum(sum(map(bool, row.iteration_flags)) for row in rounds)
    total = sum(row.num_iterations for row in rounds)
    if flagged:
        yield (
            f"{flagged} of {total} timed iterations were flagged as disturbed and kept; "
            "none was dropped."
        )
    if any(True in each.get("is_second_attempt", ()) for each in settings):
        yield "Rounds that had been disturbed were measured a second time, which is what counts."


def _process(settings: Sequence[Settings]) -> str:
    kinds = {only(each, "worker") for each in settings}
    words = {"spawn": "a process that was started for it", "fork": "a process forked for it"}
    return f", each in {words[kinds.pop()]}" if len(kinds) == 1 and kinds <= words.keys() else ""


def _warm_up(settings: Sequence[Settings]) -> str:
    counts = {(only(each, "num_warmup"), only(each, "num_warmup_calls")) for each in settings}
    if len(counts) != 1:
        return ""
    iterations, calls = counts.pop()
    parts = [
        _count(int(count), what)
        for count, what in ((iterations, "whole iteration"), (calls, "UNet call"))
        if count
    ]
    return f" ({_join(parts)} untimed before)" if parts else ""


def are_interleaved(rounds: Sequence[RoundRow]) -> bool:
    """Whether in every sweep all cells began a round before any cell began the next one."""
    began: dict[str, dict[int, list[str]]] = {}
    for row in rounds:
        began.setdefault(row.sweep_folder, {}).setdefault(row.round, []).append(row.started_at)
    for of_round in began.values():
        ordered = [of_round[number] for number in sorted(of_round)]
        if len(ordered) < 2:
            return False
        if any(max(first) > min(second) for first, second in pairwise(ordered)):
            return False
    return True


def _trust(cells: Sequence[DeltaRow]) -> Iterator[str]:
    proven = sum(row.kernel_proof == "proven" for row in cells)
    if proven:
        yield (
            f"Which attention kernels ran was read from the profiler, and is proven for {proven} "
            f"of {_count(len(cells), 'cell')}."
        )
    known = [row for row in cells if row.parity_ok is not None and not row.is_baseline]
    if known:
        same = sum(bool(row.parity_ok) for row in known)
        yield (
            "Outputs were compared by the relative L2 distance of the final latents from the "
            f"baseline's: {same} of {len(known)} compared cells lie within the tolerance."
        )


def _statistics(table: pd.DataFrame, cells: Sequence[DeltaRow]) -> Iterator[str]:
    yield "Means over rounds are given with 95 % t intervals."
    judged = [row for row in cells if row.method]
    if not judged:
        return
    paired = sum(row.method == "paired" for row in judged)
    how = {len(judged): "paired round by round", 0: "without pairs"}.get(
        paired, f"{paired} of them paired round by round"
    )
    yield (
        f"Speed-ups ({_count(len(judged), 'comparison')}, {how}) are ratios of the geometric means "
        "of the baseline's rounds and the cell's, with 95 % intervals."
    )
    yield note_baseline(table)
    margin = 100 * judged[0].margin
    yield (
        "A cell is called faster or slower only if an interval that allows for all comparisons of "
        f"its machine{_looks(judged)}, at a chance of {100 * TABLE_ERROR:g} % for one wrong "
        "verdict among them, leaves out 1; the same if that interval lies within "
        f"{margin:g} % of equal; otherwise, and with fewer than {ROUNDS_FOR_A_VERDICT} rounds, "
        "no verdict is given."
    )
    if aside := sum(row.disturbed for row in judged):
        yield f"{_count(aside, 'round')} far from all others did not enter these estimates."


def _looks(judged: Sequence[DeltaRow]) -> str:
    planned = [
        row.difference is not None
        and row.difference.sides is not None
        and row.difference.sides.planned is not None
        for row in judged
    ]
    return " and for all looks that its sweep had planned" if all(planned) else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _in_brackets(parts: Iterator[str]) -> str:
    text = ", ".join(parts)
    return f" ({text})" if text else ""


def _join(words: Sequence[Any]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    texts = list(map(str, words))
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))
