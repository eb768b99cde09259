"""How often are verdicts wrong where nothing differs, and how often is a real difference found?

Simulates tables of five cells against a baseline, as a sweep would leave them, and judges them with
the same functions as ``python -m analysis``. An A/A table (all cells equal) that holds a ``faster``
or ``slower`` anywhere is wrong.

    python benchmarks/analysis_calibration.py [--tables 2000]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sd_bench.statistics.significance import SpeedupTest, paired, welch
from sd_bench.verdicts.judgement import judge_table

CELLS = 5
ROUNDS = range(3, 11)
SPREAD = 0.005

Noise = Callable[[np.random.Generator, int], NDArray[np.float64]]
Test = Callable[[list[float], list[float]], SpeedupTest]


def normal(chance: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """Seconds ``[cells, rounds]`` with a coefficient of variation of 0.5 %."""
    return 10 * (1 + SPREAD * chance.standard_normal((CELLS + 1, rounds)))


def log_normal(chance: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """Seconds with a long tail: a coefficient of variation of about 10 %."""
    return 10 * np.exp(0.1 * chance.standard_normal((CELLS + 1, rounds)))


def drifting(chance: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """A device that grows 5 % slower over the sweep, all cells alike."""
    return normal(chance, rounds) * np.linspace(1, 1.05, rounds)


def bimodal(chance: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """Every other round, by chance, runs 5 % slower."""
    return normal(chance, rounds) * chance.choice((1.0, 1.05), (CELLS + 1, rounds))


#: Each kind of noise with the tests that may meet it: a drift is only met where rounds interleave.
KINDS: dict[str, tuple[Noise, tuple[Test, ...]]] = {
    "normal": (normal, (paired, welch)),
    "log-normal": (log_normal, (paired, welch)),
    "drifting": (drifting, (paired,)),
    "bimodal": (bimodal, (paired, welch)),
}


def words(seconds: NDArray[np.float64], test: Test) -> list[str]:
    """The verdicts of a table whose first row is the baseline."""
    baseline, *cells = seconds.tolist()
    return [verdict.word for verdict in judge_table([test(baseline, cell) for cell in cells])]


def wrong_share(kind: str, test: Test, rounds: int, tables: int, seed: int = 0) -> float:
    """The share of A/A tables that hold a ``faster`` or ``slower``."""
    chance = np.random.default_rng((seed, rounds))
    noise, _ = KINDS[kind]
    wrong = ("faster", "slower")
    found = [any(w in wrong for w in words(noise(chance, rounds), test)) for _ in range(tables)]
    return float(np.mean(found))


def found_share(difference: float, test: Test, tables: int, rounds: int = 10) -> float:
    """The share of cells, each faster by ``difference``, that are found to be ``faster``."""
    chance = np.random.default_rng(1)
    verdicts = []
    for _ in range(tables):
        seconds = normal(chance, rounds)
        seconds[1:] /= 1 + difference
        verdicts += words(seconds, test)
    return verdicts.count("faster") / len(verdicts)


def main() -> None:
    """Print both figures, one line a kind of noise and a test."""
    parser = argparse.ArgumentParser(description="Are the verdicts calibrated?")
    parser.add_argument("--tables", type=int, default=2000, help="tables of each kind and size")
    tables = parser.parse_args().tables
    print(f"A/A tables of {CELLS} comparisons that hold a wrong verdict, of {tables} each [%]")
    print(f"{'rounds':22}" + "".join(f"{rounds:6}" for rounds in ROUNDS))
    for kind, (_, tests) in KINDS.items():
        for test in tests:
            shares = [wrong_share(kind, test, rounds, tables) for rounds in ROUNDS]
            line = "".join(f"{100 * share:6.1f}" for share in shares)
            print(f"{f'{kind}, {test.__name__}':22}{line}", flush=True)
    print("\nCells that are 2 % faster and found so (0.5 % spread, 10 rounds) [%]")
    for test in (paired, welch):
        print(f"{test.__name__:22}{100 * found_share(0.02, test, tables):6.1f}")


if __name__ == "__main__":
    main()
