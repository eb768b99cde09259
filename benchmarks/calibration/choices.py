"""The choices in the rule, each beside the alternatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from benchmarks.calibration.new_rule import Rule, follow, levels_of
from benchmarks.calibration.noise import KINDS, log_ratios
from sd_bench.statistics.decision import DEFAULT_MARGIN, FASTER, SAME
from sd_bench.statistics.robust_mean import RobustMean
from sd_bench.statistics.sequential import look_levels, plan_fixed, plan_looks

Numbers = NDArray[np.float64]

FAMILY = 5
_FIXED = (6, 10, 20)
_LONGEST = 20
_KINDS = ("normal", "two speeds", "2 % outliers of 5x", "AR(1) 0.3", "AR(1) 0.6")


@dataclass(frozen=True, slots=True)
class Choice:
    """A rule, and the levels of its looks if they differ from the plan's."""

    subject: str
    name: str
    rule: Rule = field(default_factory=Rule)
    spent: Callable[[float], float] | None = None


def plain_mean(values: Numbers) -> RobustMean:
    """The mean of all rounds, as before."""
    return trimmed_mean(values, share=0.0)


def trimmed_mean(values: Numbers, share: float = 0.1) -> RobustMean:
    """Tukey and McLaughlin's (1963) trimmed mean, with a share (rounded up) cut off each end."""
    n = values.shape[-1]
    off = int(np.ceil(share * n))
    order = np.sort(values, axis=-1)
    low, high = order[..., off, None], order[..., n - 1 - off, None]
    left = n - 2 * off
    center = order[..., off : n - off].mean(axis=-1)
    spread = np.clip(values, low, high).std(axis=-1, ddof=1)
    se = spread * np.sqrt((n - 1) / (left * (left - 1)))
    ranks = values.argsort(axis=-1).argsort(axis=-1)
    kept = (ranks >= off) & (ranks < n - off)
    return RobustMean(center, se, np.full(center.shape, left - 1.0), kept)


def hodges_lehmann(values: Numbers) -> RobustMean:
    """The median of all pairs' means, with a t interval from their median deviation."""
    n = values.shape[-1]
    first, second = np.triu_indices(n)
    center = np.median((values[..., first] + values[..., second]) / 2, axis=-1)
    deviations = np.abs(values - center[..., None])
    se = 1.4826 * np.median(deviations, axis=-1) / np.sqrt(n) * np.sqrt(np.pi / 3)
    return RobustMean(center, se, np.full(center.shape, n - 1.0), np.ones(values.shape, dtype=bool))


def pocock(share: float) -> float:
    """Lan and DeMets' (1983) spending function near Pocock's boundary."""
    return float(np.log(1 + (np.e - 1) * share))


def linear(share: float) -> float:
    """A spending function proportional to the rounds."""
    return share


def obrien_fleming(share: float, error: float = 0.04 / FAMILY) -> float:
    """Lan and DeMets' (1983) spending function near O'Brien and Fleming's boundary."""
    return float(2 * (1 - ndtr(-ndtri(error / 2) / np.sqrt(share))) / error)


CHOICES = (
    Choice("as it is", "ESD, caution 0.1, square spending"),
    Choice("estimate", "mean of all rounds", Rule(mean=plain_mean, doubt=False)),
    Choice("estimate", "10 % trimmed mean", Rule(mean=trimmed_mean, doubt=False)),
    Choice("estimate", "Hodges-Lehmann, MAD", Rule(mean=hodges_lehmann, doubt=False)),
    Choice("guard", "none", Rule(doubt=False)),
    Choice("guard", "sign flip p <= 5 % instead", Rule(doubt=False, sign_flip=0.05)),
    Choice("serial", "not paid for", Rule(caution=None)),
    Choice("serial", "caution 0", Rule(caution=0.0)),
    Choice("serial", "caution 0.3", Rule(caution=0.3)),
    Choice("serial", "caution 1", Rule(caution=1.0)),
    Choice("spending", "Pocock-like", spent=pocock),
    Choice("spending", "linear", spent=linear),
    Choice("spending", "O'Brien-Fleming-like", spent=obrien_fleming),
    Choice("same", "at half the level", Rule(same_at_half_level=True)),
)

HEADING = (
    f"{'':10}{'':38}"
    + "".join(f"{kind[:18]:>24}" for kind in _KINDS)
    + f"{'2 % found':>18}{'with outliers':>18}{'same':>18}{'same at 1 %':>18}{'rounds':>14}"
)


def rows(tables: int) -> Iterator[str]:
    """For each choice: wrong tables and coverage by kind of noise, then differences found.

    Four numbers each: at a fixed 6, 10 and 20 rounds, and with looks up to 20.
    """
    for choice in CHOICES:
        parts = [_wrong(choice, kind, tables) for kind in _KINDS]
        parts += [_found(choice, kind, tables) for kind in ("normal", "2 % outliers of 5x")]
        parts += _same(choice, tables)
        yield f"{choice.subject:10}{choice.name:38}" + "  ".join(parts)


def _levels(choice: Choice) -> Iterator[dict[int, float]]:
    for rounds in _FIXED:
        yield levels_of(plan_fixed(rounds), FAMILY)
    plan = plan_looks(_LONGEST)
    if choice.spent is None:
        yield levels_of(plan, FAMILY)
        return
    error = plan.spent(plan.max_rounds) / FAMILY
    spent = tuple(error * choice.spent(n / plan.max_rounds) for n in plan.looks)
    yield dict(zip(plan.looks, look_levels(plan.looks, spent), strict=True))


def _ratios(kind: str, tables: int, levels: dict[int, float], difference: float = 0.0) -> Numbers:
    rounds = max(levels)
    chance = np.random.default_rng((2, rounds))
    return log_ratios(KINDS[kind].draw(chance, (tables, FAMILY + 1, rounds)), difference)


def _wrong(choice: Choice, kind: str, tables: int) -> str:
    found = [
        follow(_ratios(kind, tables, levels), levels, choice.rule) for levels in _levels(choice)
    ]
    wrong = " ".join(f"{100 * outcome.wrong:.1f}" for outcome in found)
    covers = [100 * outcome.coverage() for outcome in found]
    return f"{wrong} ({min(covers):.0f}-{max(covers):.0f})"


def _found(choice: Choice, kind: str, tables: int) -> str:
    found = [
        follow(_ratios(kind, tables, levels, 0.02), levels, choice.rule)
        for levels in _levels(choice)
    ]
    return " ".join(f"{100 * outcome.share(FASTER):.0f}" for outcome in found)


def _same(choice: Choice, tables: int) -> list[str]:
    equal, apart, last = [], [], 0.0
    for levels in _levels(choice):
        outcome = follow(_ratios("normal", tables, levels), levels, choice.rule)
        equal.append(f"{100 * outcome.share(SAME):.0f}")
        last = float(outcome.rounds.mean())
        outcome = follow(_ratios("normal", tables, levels, DEFAULT_MARGIN), levels, choice.rule)
        apart.append(f"{100 * float((outcome.words == SAME).any(axis=1).mean()):.1f}")
    return [" ".join(equal), " ".join(apart), f"{last:.1f}"]
