"""The answer of a tune in words, which claims nothing beyond the verdicts of its final."""

from __future__ import annotations

from collections.abc import Iterator

from sd_bench.screens.tables import ScreenTable
from sd_bench.statistics.digits import count_digits, format_factor, format_factors
from sd_bench.tuning.answers import name_workload
from sd_bench.tuning.candidates import name_overrides, shorten_overrides
from sd_bench.tuning.final import Versus
from sd_bench.tuning.tune import Outcome


def paragraph(outcome: Outcome) -> Iterator[str]:
    """The sentences of the answer: what to set, what it gains, and where that was measured."""
    answer, final = outcome.answer, outcome.final
    choice = name_overrides(final.choice)
    over_default = next((v for v in final.versus if not v.against), None)
    workload = name_workload(answer.workload)
    if not final.choice:
        yield f"Keep the defaults for {workload}: no other finalist is faster by verdict."
    elif over_default is not None and over_default.word == "faster":
        yield f"Set {choice} for {workload}: {_gain(over_default)} the default's."
    else:
        yield (
            f"The fastest in the race for {workload} is {choice}; whether it gains anything over "
            "the default is undecided."
        )
    for versus in final.versus:
        if versus.sentence:
            yield versus.sentence
    for overrides, reason in outcome.lined_up.left_out.items():
        yield f"No verdict against {name_overrides(overrides)}: {reason}."
    device, torch = answer.machine["device"], answer.machine["versions"]["torch"]
    yield (
        f"Measured on {device} with PyTorch {torch} at this image size and batch size only; "
        "at another one another choice may be the fastest."
    )


def _gain(versus: Versus) -> str:
    """The gain in the study's measure, (default - choice) / default of an iteration's time."""
    saved = [100 * (1 - 1 / factor) for factor in (versus.speedup, versus.low, versus.high)]
    return (
        f"an iteration takes {saved[0]:.0f} % less time ({saved[1]:.0f} to {saved[2]:.0f} %, "
        f"{versus.rounds} rounds) than"
    )


def table_of(outcome: Outcome) -> ScreenTable:
    """A table with a row per finalist: seconds per iteration, and how the choice compares."""
    final = outcome.final
    versus = {each.against: each for each in final.versus}
    rows = []
    for finalist in outcome.lined_up.finalists:
        overrides = finalist.candidate.overrides
        seconds = final.runtimes_s.get(overrides)
        runtime = "-" if seconds is None else f"{seconds:.{count_digits(seconds)}f}"
        is_choice = overrides == final.choice
        found = versus.get(overrides)
        word = "the choice" if is_choice else "-" if found is None else found.word
        rows.append([shorten_overrides(overrides), runtime, word, _times(found)])
    return ScreenTable(
        headings=("finalist", "iteration [s]", "the choice is", "times as fast as it"),
        rows=rows,
        numeric=frozenset({"iteration [s]"}),
        styles={"faster": "green", "slower": "red"},
    )


def _times(versus: Versus | None) -> str:
    if versus is None or versus.word not in ("faster", "slower", "same", "unclear"):
        return "-"
    times = format_factor(versus.speedup, versus.low, versus.high)
    return f"{times} ({format_factors(versus.low, versus.high)})"
