"""The screen of ``dry_run=true``: each cell, its rounds, whether they run, and their time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console

from sd_bench.execution.finished_rounds import Finished
from sd_bench.execution.plan import PlannedCell, flaws_in, scaled_in
from sd_bench.execution.sweep_looks import SweepLooks, plan_looks_of
from sd_bench.execution.time_estimate import Estimate
from sd_bench.screens.lines import print_line
from sd_bench.screens.tables import ScreenTable, print_unbroken

_HEADINGS = ("cell", "choices", "rounds", "done", "runs here", "time of a round")


def show_plan(
    console: Console,
    plan: Sequence[PlannedCell],
    finished: Finished,
    estimates: Sequence[Estimate | None],
) -> None:
    """Print the plan; ``estimates`` has the time of one round for each cell."""
    for sentence in say_scaled(plan):
        print_line(console, sentence)
    for sentence in flaws_in(plan):
        print_line(console, f"warning: {sentence}")
    for path, reason in finished.unusable.items():
        print_line(console, f"not a valid record, would be set aside: {path}: {reason}")
    rows: list[list[str]] = []
    looks = plan_looks_of(plan, finished, plan[0].cell.config.protocol.max_rounds)
    missing = [
        [r for r in range(looks.first_target(planned)) if (index, r) not in finished.records]
        for index, planned in enumerate(plan)
    ]
    for index, (planned, left, estimate) in enumerate(zip(plan, missing, estimates, strict=True)):
        asked_for = range(looks.first_target(planned))
        done = [r for r in asked_for if r not in left]
        rows.append(
            [
                str(index),
                planned.cell.label,
                compact(asked_for) + (" or more" if planned.rounds is None else ""),
                compact(done) or "-",
                _runs_here(planned),
                _time(planned, estimate),
            ]
        )
    print_unbroken(ScreenTable(headings=_HEADINGS, rows=rows), console)
    print_line(console, _total(plan, missing, estimates))
    for line in verdicts_ahead(looks):
        print_line(console, line)


def say_scaled(plan: Sequence[PlannedCell]) -> list[str]:
    """A line that says how the cells are smaller than published; none if they are not."""
    sentences = scaled_in(plan)
    return [f"scaled down: {'; '.join(sentences)}"] if sentences else []


def verdicts_ahead(looks: SweepLooks) -> list[str]:
    """A line that says how many rounds a verdict needs; none without comparisons."""
    family, fewest, last = sum(looks.family.values()), looks.fewest_deciding, looks.stops[-1]
    if not family or looks.plan is None:
        return []
    if fewest is None or fewest > last:
        least = "" if fewest is None else f": a verdict needs at least {fewest}"
        return [f"verdicts: none for {family} comparison(s) with {last} round(s){least}"]
    stops = ", ".join(map(str, looks.stops))
    return [
        f"verdicts: {family} comparison(s), judged after {stops} rounds; a verdict needs at "
        f"least {fewest}"
    ]


def compact(rounds: Iterable[int]) -> str:
    """Ascending numbers as ranges: ``0-3, 5``."""
    runs: list[list[int]] = []
    for number in rounds:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _runs_here(planned: PlannedCell) -> str:
    if planned.reason is not None:
        return f"unsupported: {planned.reason}"
    return "yes" if planned.flaw is None else f"invalid: {planned.flaw}"


def _time(planned: PlannedCell, estimate: Estimate | None) -> str:
    if planned.reason is not None:
        return "-"
    return "no estimate" if estimate is None else str(estimate)


def _total(
    plan: Sequence[PlannedCell], missing: Sequence[list[int]], estimates: Sequence[Estimate | None]
) -> str:
    """The number of rounds that would run, and their time estimated from earlier records."""
    runs = [
        (len(left), estimate)
        for planned, left, estimate in zip(plan, missing, estimates, strict=True)
        if planned.reason is None
    ]
    rounds = sum(count for count, _ in runs)
    unknown = sum(count for count, estimate in runs if estimate is None)
    known_s = sum(count * estimate.seconds for count, estimate in runs if estimate is not None)
    if rounds == 0:
        return "no round to run"
    if unknown == rounds:
        return f"{rounds} round(s) to run, no estimate: no earlier record of such cells"
    rest = f", and {unknown} round(s) without an estimate" if unknown else ""
    return f"{rounds} round(s) to run: about {known_s:.0f} s one after another{rest}"
