"""What happened to each cell over its sweeps, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.history.judgement import JudgedHistory, Shift
from analysis.history.points import Point
from analysis.ingest.rows import Named
from analysis.rows import to_frame
from analysis.wording.cell_names import name_cells

#: Most changes of the environment that a sentence names; tables have all.
_MOST_NAMED = 3

#: Describes the method wherever its findings are shown.
METHOD = (
    "Change points by E-Divisive (Matteson and James 2014); p by permuting whole sweeps, adjusted "
    "for all cells (Westfall and Young 1993): of histories without a change at most one in twenty "
    "shows one. Intervals of a change are over sweeps, those of a point over its rounds. Runtimes "
    "are geometric means without disturbed rounds."
)


def name_histories(judged: Sequence[JudgedHistory]) -> list[str]:
    """Each cell by what distinguishes it from the others, with its batch size."""
    frame = to_frame((each.history.row for each in judged), Named)
    machines = {each.history.machine for each in judged}
    return [
        f"{name} at batch size {each.history.row.batch_size}"
        + (f" on {each.history.machine}" if len(machines) > 1 else "")
        for name, each in zip(name_cells(frame), judged, strict=True)
    ]


def say_history(name: str, judged: JudgedHistory) -> str:
    """What the newest change was, and those before it; or what would have been found.

    It includes a warning if sweeps were measured on a busy machine, which may explain the change.
    """
    summary = _say_changes(name, judged) if judged.shifts else _say_no_change(name, judged)
    points = judged.history.points
    busy = sum(2 * point.disturbed > point.rounds for point in points)
    if not busy:
        return summary
    return f"{summary} Beware: in {busy} of {len(points)} sweeps most rounds were disturbed."


def _say_changes(name: str, judged: JudgedHistory) -> str:
    *earlier, newest = judged.shifts
    points = judged.history.points
    place = f"{_since(points, newest)}, {_why(points, newest)}"
    summary = f"{name} has been {_size(newest)} {place} (p = {newest.p:.2g})."
    if earlier:
        before = "; ".join(
            f"{_size(shift)} {_since(points, shift)}, {_why(points, shift)}"
            for shift in reversed(earlier)
        )
        summary += f" Before that: {before}."
    return summary


def say_slower(judged: Sequence[JudgedHistory]) -> str:
    """Which cells became slower with their newest change; empty if none did."""
    names = [
        name
        for name, each in zip(name_histories(judged), judged, strict=True)
        if each.shifts and each.shifts[-1].is_slower
    ]
    return f"{len(names)} of {len(judged)} cells became slower: {'; '.join(names)}" if names else ""


def size_of(shift: Shift) -> str:
    """``12 % slower``; less than half the time is ``2.31 times as fast``, and the reverse."""
    if not 0.5 <= shift.ratio <= 2:
        return f"{_times(shift.ratio)} times as {'slow' if shift.is_slower else 'fast'}"
    return f"{_digits(abs(_percent(shift.ratio)))} % {'slower' if shift.is_slower else 'faster'}"


def name_sweeps(points: Sequence[Point]) -> list[str]:
    """The date of each sweep, with the time of day if two began on the same day."""
    days = {point.at.date() for point in points}
    form = "%Y-%m-%d" if len(days) == len({point.number for point in points}) else "%m-%d %H:%M"
    return [f"{point.at:{form}}" for point in points]


def name_commit(point: Point) -> str:
    """The short commit, and whether the checkout had changes; ``unknown`` without one."""
    if not point.commit:
        return "unknown"
    return f"{point.commit} (changed)" if point.dirty else point.commit


def say_histories(judged: Sequence[JudgedHistory]) -> list[str]:
    """The sentence of each cell; cells that changed come first."""
    pairs = sorted(
        zip(name_histories(judged), judged, strict=True), key=lambda pair: not pair[1].shifts
    )
    return [say_history(name, each) for name, each in pairs]


def _size(shift: Shift) -> str:
    if not 0.5 <= shift.ratio <= 2:
        least, most = sorted((_times(shift.low), _times(shift.high)), key=float)
        return f"{size_of(shift)} ({least} to {most})"
    sign = 1 if shift.is_slower else -1
    low, high = sorted(sign * _percent(bound) for bound in (shift.low, shift.high))
    return f"{size_of(shift)} ({_digits(low)} to {_digits(high)} %)"


def _times(ratio: float) -> str:
    return f"{max(ratio, 1 / ratio):.2f}"


def _percent(ratio: float) -> float:
    return 100 * (ratio - 1)


def _digits(percent: float) -> str:
    return f"{percent:.1f}" if abs(percent) < 10 else f"{percent:.0f}"


def _since(points: Sequence[Point], shift: Shift) -> str:
    before, after = points[shift.at - 1], points[shift.at]
    when = f"{after.at:%Y-%m-%d}"
    if before.at.date() == after.at.date():
        when = f"{after.at:%Y-%m-%d %H:%M}"
    if after.commit and (after.commit, after.dirty) != (before.commit, before.dirty):
        return f"since commit {name_commit(after)} of {when} (before it {name_commit(before)})"
    return f"since the sweep of {when}"


def _why(points: Sequence[Point], shift: Shift) -> str:
    """What else changed at the same time: the first place to look."""
    changes = points[shift.at].changes
    if not changes:
        return "where nothing else that is recorded changed"
    more = len(changes) - _MOST_NAMED
    named = ", ".join(change.sentence for change in changes[:_MOST_NAMED])
    return f"where {named}" + (f" and {more} more" if more > 0 else "")


def _say_no_change(name: str, judged: JudgedHistory) -> str:
    num = len(judged.history.points)
    if judged.findable is None:
        return (
            f"No change of {name} can be found in {num} sweeps: at least {judged.needed} "
            "are needed."
        )
    if judged.findable == 0:
        return f"No change of {name} in {num} sweeps."
    return (
        f"No change of {name} in {num} sweeps; one of {_digits(100 * judged.findable)} % in the "
        "middle would have been found (chance of 80 %)."
    )
