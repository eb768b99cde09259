"""How often are verdicts wrong, do intervals cover, and are differences found, before and after?

Simulates tables of five comparisons with a shared baseline, whose noise they share, under thirteen
kinds of noise, and judges them by the old rule (`calibration.old_rule`) and by the rule of
`sd_bench.statistics`: at a fixed number of rounds, and look after look. An A/A table (all cells
equal) is wrong if it has a ``faster`` or ``slower`` anywhere.

    python -m benchmarks.analysis_calibration [--tables 2000] [--parts wrong coverage ...]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration import choices, new_rule, old_rule
from benchmarks.calibration.noise import KINDS, log_ratios
from sd_bench.statistics.decision import DEFAULT_MARGIN, FASTER, SAME
from sd_bench.statistics.sequential import LookPlan, plan_fixed, plan_looks
from sd_bench.statistics.serial_correlation import flag_power

FAMILY = 5
ROUNDS = (6, 10, 20)

#: Each plan of looks, with the most rounds that it may take.
FIXED = {f"fixed {rounds}": plan_fixed(rounds) for rounds in ROUNDS}
LOOKING = {f"looks {rounds}": plan_looks(rounds) for rounds in ROUNDS[1:]}
EXTENDED = {"10, extended": plan_fixed(10), "looks 20, ext.": plan_looks(20)}


@cache
def draw(
    kind: str, rounds: int, tables: int, difference: float = 0.0, family: int = FAMILY
) -> NDArray[np.float64]:
    """Log ratios ``[tables, comparisons, rounds]``, the same for every caller."""
    chance = np.random.default_rng((sorted(KINDS).index(kind), rounds))
    return log_ratios(KINDS[kind].draw(chance, (tables, family + 1, rounds)), difference)


@cache
def before(kind: str, rounds: int, tables: int, difference: float = 0.0) -> old_rule.Outcome:
    """The old rule at a fixed number of rounds."""
    return old_rule.judge_all(draw(kind, rounds, tables, difference), float(np.log1p(difference)))


@cache
def after(
    kind: str, plan: LookPlan, tables: int, difference: float = 0.0, extended: bool = False
) -> new_rule.Outcome:
    """The new rule at the looks of a plan."""
    levels = new_rule.levels_of(plan, FAMILY, extended)
    return new_rule.follow(draw(kind, max(levels), tables, difference), levels)


def compare(
    title: str,
    lines: dict[str, tuple[str, float, str]],
    old: Callable[[old_rule.Outcome], float],
    new: Callable[[new_rule.Outcome, float], float],
    tables: int,
) -> Iterator[str]:
    """A table in percent, before and after; ``lines`` are (kind of noise, difference, goal)."""
    columns = [f"before {rounds}" for rounds in ROUNDS]
    columns += [*FIXED, *LOOKING, *EXTENDED]
    yield _heading(title, ["goal", *columns])
    for name, (kind, difference, goal) in lines.items():
        truth = float(np.log1p(difference))
        shares = [old(before(kind, rounds, tables, difference)) for rounds in ROUNDS]
        for plans, extended in ((FIXED, False), (LOOKING, False), (EXTENDED, True)):
            for plan in plans.values():
                shares.append(new(after(kind, plan, tables, difference, extended), truth))
        yield _line(name, [goal, *(f"{100 * share:.1f}" for share in shares)])


def wrong(tables: int) -> Iterator[str]:
    """Wrong tables."""
    goals = {name: kind.most_wrong for name, kind in KINDS.items()}
    lines = {
        name: (name, 0.0, f"{100 * goal:.0f}" if goal < 1 else "") for name, goal in goals.items()
    }
    yield from compare(
        "A/A tables with a wrong verdict [%]",
        lines,
        lambda o: o.wrong,
        lambda o, _: o.wrong,
        tables,
    )


def coverage(tables: int) -> Iterator[str]:
    """Plain 95 % intervals, and the family's."""
    goals = {
        name: f"{100 * k.least_cover:.0f}-97" if k.least_cover else "" for name, k in KINDS.items()
    }
    lines = {name: (name, 0.0, goals[name]) for name in KINDS}
    lines |= {
        f"normal, {100 * difference:g} % faster": ("normal", difference, "93-97")
        for difference in (0.005, 0.01, 0.02, 0.05)
    }
    yield from compare(
        "95 % intervals that cover [%]",
        lines,
        lambda o: o.coverage,
        lambda o, truth: o.coverage(truth),
        tables,
    )


def found(tables: int) -> Iterator[str]:
    """Real differences."""
    lines = {
        "2 %, normal": ("normal", 0.02, "95 at 10"),
        "2 %, outliers": ("2 % outliers of 5x", 0.02, "85 at 10"),
        "1 %, normal": ("normal", 0.01, ""),
        "5 %, normal": ("normal", 0.05, ""),
        "5 %, noise of 2 %": ("coarse", 0.05, ""),
        "20 %, noise of 2 %": ("coarse", 0.20, ""),
        "20 %, log-normal": ("log-normal", 0.20, ""),
        "2 %, AR(1) 0.3": ("AR(1) 0.3", 0.02, ""),
    }
    yield from compare(
        "Comparisons found to be faster [%]",
        lines,
        lambda o: o.faster,
        lambda o, _: o.share(FASTER),
        tables,
    )


def mild(tables: int) -> Iterator[str]:
    """Slightly slower rounds: noise of 0.2 %, and 3 % of the rounds slower by 2 or 5 %."""
    yield _heading("Found where 3 % of rounds are a little slower [%]", [*FIXED, *LOOKING])
    for slower, difference in ((0.02, 0.05), (0.02, 0.2), (0.05, 0.05), (0.05, 0.2)):
        shares = []
        for plan in (*FIXED.values(), *LOOKING.values()):
            chance = np.random.default_rng((8, plan.max_rounds))
            size = (tables, FAMILY + 1, plan.max_rounds)
            logs = 0.002 * chance.standard_normal(size)
            logs += np.log1p(slower) * (chance.random(size) < 0.03)
            levels = new_rule.levels_of(plan, FAMILY)
            shares.append(new_rule.follow(log_ratios(logs, difference), levels).share(FASTER))
        name = f"{100 * difference:g} %, some rounds {100 * slower:g} % slower"
        yield _line(name, [f"{100 * share:.1f}" for share in shares])


def same(tables: int) -> Iterator[str]:
    """Equivalence: found if nothing differs, and wrong at the margin."""
    yield from compare(
        "Comparisons found to be the same [%]",
        {"normal": ("normal", 0.0, ""), "outliers": ("2 % outliers of 5x", 0.0, "")},
        lambda o: o.same,
        lambda o, _: o.share(SAME),
        tables,
    )
    kinds = ("normal", "2 % outliers of 5x", "shared by neighbours", "AR(1) 0.3")
    yield from compare(
        f"Tables with a 'same' at a true difference of {100 * DEFAULT_MARGIN:g} % [%]",
        {kind: (kind, DEFAULT_MARGIN, "5") for kind in kinds},
        lambda o: o.tables_same,
        lambda o, _: float((o.words == SAME).any(axis=1).mean()),
        tables,
    )


def flags(tables: int) -> Iterator[str]:
    """Serial correlation: how often it is flagged."""
    yield _heading("Tables flagged as serially correlated [%]", [str(n) for n in (*ROUNDS, 30)])
    for kind in KINDS:
        shares = [new_rule.flagged(draw(kind, n, tables)) for n in (*ROUNDS, 30)]
        yield _line(kind, [f"{100 * share:.1f}" for share in shares])
    for family in (1, 3, FAMILY):
        for phi in (0.3, 0.6):
            power = [f"{100 * flag_power(phi, n, family):.0f}" for n in (*ROUNDS, 30)]
            yield _line(f"stated power, {family} of {phi}", power)


def saved(tables: int) -> Iterator[str]:
    """What looks save: the mean rounds per comparison until a verdict or the end."""
    differences = (0.0, 0.005, 0.01, 0.02, 0.05, 0.2)
    names = [f"{100 * difference:g} %" for difference in differences]
    for plan in LOOKING.values():
        title = f"Mean rounds of {plan.max_rounds} at true difference"
        yield _heading(title, [*names, "mean", "saved %"])
        for name, kind in (("normal", "normal"), ("noise of 2 %", "coarse")):
            means = [float(after(kind, plan, tables, d).rounds.mean()) for d in differences]
            mean = float(np.mean(means))
            share = 100 * (1 - mean / plan.max_rounds)
            yield _line(name, [f"{value:.1f}" for value in (*means, mean, share)])


def advice(tables: int) -> Iterator[str]:
    """Users who measure as many more rounds as the table recommends."""
    few = max(1, tables // 4)
    share = old_rule.wrong_after_advice(draw("coarse", 200, few))
    yield _heading("A/A tables at 2 % noise, advice followed [%]", ["wrong"])
    yield _line("before, from 6, to 200 at most", [f"{100 * share:.1f}"])
    for name, plan in {
        "after, 10 extended to 20": plan_fixed(10),
        "after, 20 to 40": plan_looks(20),
    }.items():
        outcome = after("coarse", plan, tables, 0.0, True)
        yield _line(name, [f"{100 * outcome.wrong:.1f}"])


def bootstrap(tables: int) -> Iterator[str]:
    """The percentile bootstrap interval that was shown beside the old one."""
    rounds = (3, 6, 10, 20)
    yield _heading("Bootstrap intervals that cover [%]", [str(n) for n in rounds])
    shares = [old_rule.bootstrap_coverage(draw("normal", n, tables)) for n in rounds]
    yield _line("normal", [f"{100 * share:.1f}" for share in shares])


def families(tables: int) -> Iterator[str]:
    """Tables of one and three comparisons."""
    plans = (*FIXED.values(), *LOOKING.values())
    for family in (1, 3):
        yield _heading(f"Families of {family}: wrong, coverage [%]", [*FIXED, *LOOKING])
        for kind in KINDS:
            outcomes = [_of_family(family, kind, plan, tables) for plan in plans]
            yield _line(kind, [f"{100 * o.wrong:.1f} {100 * o.coverage():.1f}" for o in outcomes])
        for difference in (0.02, 0.05):
            outcomes = [_of_family(family, "normal", plan, tables, difference) for plan in plans]
            found = [f"{100 * outcome.share(FASTER):.1f}" for outcome in outcomes]
            yield _line(f"normal, {100 * difference:g} % found", found)


def _of_family(
    family: int, kind: str, plan: LookPlan, tables: int, difference: float = 0.0
) -> new_rule.Outcome:
    ratios = draw(kind, plan.max_rounds, tables, difference, family)
    return new_rule.follow(ratios, new_rule.levels_of(plan, family))


def unpaired(tables: int) -> Iterator[str]:
    """Two sweeps in which nothing differs, compared without pairs."""
    yield _heading("Two sweeps of 5 cells: wrong, coverage [%]", list(FIXED))
    for kind in KINDS:
        cells = []
        for plan in FIXED.values():
            chance = np.random.default_rng((7, plan.max_rounds))
            size = (tables, 2 * FAMILY, plan.max_rounds)
            halves = np.split(KINDS[kind].draw(chance, size), 2, axis=1)
            level = plan.level(plan.max_rounds, FAMILY)
            wrong, cover = new_rule.judge_unpaired(halves[0], halves[1], level)
            cells.append(f"{100 * wrong:.1f} {100 * cover:.1f}")
        yield _line(kind, cells)


def choose(tables: int) -> Iterator[str]:
    """The alternatives to the rule that was chosen."""
    yield "\nChoices, at 6, 10, 20 fixed rounds and looks until 20: wrong tables [%] (coverage)"
    yield choices.HEADING
    yield from choices.rows(tables)


_PARTS = (
    wrong,
    coverage,
    found,
    mild,
    same,
    flags,
    saved,
    advice,
    bootstrap,
    families,
    unpaired,
    choose,
)

PARTS: dict[str, Callable[[int], Iterator[str]]] = {part.__name__: part for part in _PARTS}


def main() -> None:
    """Print the parts, one line per kind of noise."""
    parser = argparse.ArgumentParser(description="Are verdicts and intervals calibrated?")
    parser.add_argument("--tables", type=int, default=2000, help="tables of each kind and size")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    began = time.monotonic()
    for part in options.parts:
        for line in PARTS[part](options.tables):
            print(line, flush=True)
    print(f"\n{options.tables} tables each, {time.monotonic() - began:.0f} s")


def _heading(title: str, columns: Sequence[str]) -> str:
    return f"\n{title:56}" + "".join(f"{column:>15}" for column in columns)


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:56}" + "".join(f"{cell:>15}" for cell in cells)


if __name__ == "__main__":
    main()
