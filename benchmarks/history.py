"""How often the method for histories errs, on histories whose changes are known.

Real sweeps, alternating between two histories: ``steady``, in which nothing changes, and
``changed``, in which from some sweep on an environment variable makes the cells slower. Prints the
tables of ``python -m analysis history`` as Markdown.

    python -m benchmarks.history FOLDER [--sweeps 12] [--from 8] [--variable NAME=VALUE] [OVERRIDES]

Simulated histories of normal noise between sweeps: how many without a change show one; and how
often a change of some cells is found, is found at the right place, and is covered by its interval.

    python -m benchmarks.history --simulate 1000
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.history.judgement import JudgedHistory, judge_histories
from analysis.history.points import CellHistory, Point
from analysis.ingest.rows import Named
from sd_bench.statistics.runtime import typical_runtime
from sd_bench.verdicts.axes import AXES

#: What the sweeps measure by default.
_TINY = ("gpu=cpu", "model_version=sd2_tiny", "attention=flash,math", "precision=fp32",
         "protocol.rounds=3", "protocol.worker=fork", "protocol.retry_disturbed=false")  # fmt: skip

#: oneDNN's convolutions without AVX: slower, with all choices unchanged.
_SLOWER = "ONEDNN_MAX_CPU_ISA=SSE41"

_NUM_CELLS, _NUM_SWEEPS, _NUM_ROUNDS = 6, 12, 6
_SEED = 17
_BETWEEN, _WITHIN = 0.01, 0.02  # standard deviations of logarithms


def main() -> None:
    """Measure or simulate, and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="folder for the sweeps")
    parser.add_argument(
        "--sweeps", type=int, default=12, help="sweeps of each history (default: 12)"
    )
    parser.add_argument("--from", type=int, default=8, dest="first", help="the first slower sweep")
    parser.add_argument("--variable", default=_SLOWER, metavar="NAME=VALUE")
    parser.add_argument("--simulate", type=int, metavar="N", help="simulate N histories")
    parser.add_argument("overrides", nargs="*", help="overrides of sd_bench that choose the cells")
    options = parser.parse_intermixed_args()
    if options.simulate:
        print(describe_simulations(options.simulate))
    elif options.folder is None:
        parser.error("name a FOLDER for the sweeps, or --simulate N")
    else:
        arguments = ["-m", *(options.overrides or _TINY)]
        measure(options.folder, arguments, options.sweeps, options.first, options.variable)
        for name in ("steady", "changed"):
            run_analysis(options.folder / name)
            print((options.folder / name / "history" / "history.md").read_text(encoding="utf-8"))


def measure(folder: Path, arguments: Sequence[str], sweeps: int, first: int, variable: str) -> None:
    """Alternate the sweeps of both histories, so that both see the machine in the same state."""
    for number in range(1, sweeps + 1):
        for name in ("steady", "changed"):
            changed = name == "changed" and number >= first
            extra = dict([variable.split("=", 1)]) if changed else {}
            run_sweep(arguments, folder / name / f"{number:02d}", extra)


def run_sweep(arguments: Sequence[str], folder: Path, variables: dict[str, str]) -> None:
    """Run the real command into ``folder``, unless it is there. Raises CalledProcessError."""
    if folder.exists():
        return
    command = [sys.executable, "-m", "sd_bench", *arguments, f"hydra.sweep.dir={folder}"]
    subprocess.run(command, check=True, stdout=sys.stderr, env={**os.environ, **variables})


def run_analysis(folder: Path) -> None:
    """Write the history of the sweeps below ``folder``. Raises CalledProcessError."""
    command = [sys.executable, "-m", "analysis", "history", str(folder)]
    subprocess.run(command, check=True, stdout=sys.stderr)


Numbers = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int], Numbers]


def _independent(rng: np.random.Generator, sweeps: int) -> Numbers:
    return rng.standard_normal((sweeps, _NUM_CELLS))


def _shared(rng: np.random.Generator, sweeps: int) -> Numbers:
    """Half of the variance is shared by all cells of a sweep."""
    common = rng.standard_normal((sweeps, 1))
    return math.sqrt(0.5) * (common + rng.standard_normal((sweeps, _NUM_CELLS)))


def _with_outliers(rng: np.random.Generator, sweeps: int) -> Numbers:
    """One sweep in twenty is ten deviations slower."""
    return _independent(rng, sweeps) + 10 * (rng.random((sweeps, 1)) < 0.05)


def _serial(rng: np.random.Generator, sweeps: int) -> Numbers:
    """AR(1) of 0.3: neighbouring sweeps are similar."""
    noise = _independent(rng, sweeps)
    for at in range(1, sweeps):
        noise[at] = 0.3 * noise[at - 1] + math.sqrt(1 - 0.3**2) * noise[at]
    return noise


NOISES: dict[str, Noise] = {
    "normal": _independent,
    "half shared by the cells": _shared,
    "1 sweep in 20 slower by 10 deviations": _with_outliers,
    "AR(1) 0.3": _serial,
}


def simulate(
    rng: np.random.Generator,
    noise: Noise = _independent,
    shift: float = 0.0,
    at: int = _NUM_SWEEPS,
    num_shifted: int = 0,
    sweeps: int = _NUM_SWEEPS,
) -> list[JudgedHistory]:
    """A judged history of six cells; ``shift`` changes the log runtimes of the first cells."""
    levels = _BETWEEN * noise(rng, sweeps)
    levels[at:, :num_shifted] += shift
    rounds = levels[..., None] + _WITHIN * rng.standard_normal((*levels.shape, _NUM_ROUNDS))
    begin = datetime(2026, 1, 1, tzinfo=timezone.utc)
    histories = [
        CellHistory(
            row=Named(**dict.fromkeys(AXES, "")),
            machine="simulated",
            points=tuple(
                Point(
                    number=number,
                    sweep=str(number),
                    at=begin + timedelta(days=number),
                    commit="",
                    dirty=False,
                    torch="",
                    rounds=_NUM_ROUNDS,
                    disturbed=0,
                    runtime=typical_runtime(np.exp(rounds[number, cell]).tolist()),
                    changes=(),
                )
                for number in range(sweeps)
            ),
        )
        for cell in range(_NUM_CELLS)
    ]
    return judge_histories(histories)


def describe_simulations(count: int) -> str:
    """Both tables as Markdown, from ``count`` histories per row of the first."""
    lines = ["| noise between sweeps | histories without a change that show one |", "|---|--:|"]
    for name, noise in NOISES.items():
        rng = np.random.default_rng(_SEED)
        wrong = sum(any(each.shifts for each in simulate(rng, noise)) for _ in range(count))
        lines.append(f"| {name} | {100 * wrong / count:.1f} % |")
        print(lines[-1], file=sys.stderr, flush=True)
    headings = (
        *("change", "of cells", "after sweep", "found", "at the very sweep", "interval covers"),
        "another cell or place",
    )
    lines += ["", f"| {' | '.join(headings)} |", "|--:" * len(headings) + "|"]
    lines += _changes(max(count // 10, 20))
    return "\n".join(lines)


def _changes(count: int) -> Iterator[str]:
    for num_shifted, at in ((1, 6), (1, 9), (6, 6), (6, 9), (6, 10)):
        for shift in (0.03, 0.04, 0.06, 0.08):
            rng = np.random.default_rng(_SEED)
            judged = [
                simulate(rng, shift=shift, at=at, num_shifted=num_shifted) for _ in range(count)
            ]
            first = [each[0].shifts for each in judged]
            found = [shifts[0] for shifts in first if shifts]
            exact = sum(each.at == at for each in found)
            covers = sum(math.log(each.low) <= shift <= math.log(each.high) for each in found)
            wrong = sum(
                len(each[0].shifts) > 1 or any(other.shifts for other in each[num_shifted:])
                for each in judged
            )
            shares = [f"{100 * len(found) / count:.0f} %"]
            shares += [f"{100 * n / len(found):.0f} %" if found else "-" for n in (exact, covers)]
            shares += [f"{100 * wrong / count:.1f} %"]
            line = f"| {100 * shift:.0f} % | {num_shifted} of 6 | {at} | {' | '.join(shares)} |"
            print(line, file=sys.stderr, flush=True)
            yield line


if __name__ == "__main__":
    main()
