"""What would decide undecided comparisons: how many rounds, how long, and the command to run."""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sd_bench.command_lines import shown, words_to_resume
from sd_bench.errors import ConfigError
from sd_bench.paths import shortened
from sd_bench.records.sweep_file import is_packed, started_with
from sd_bench.verdicts.cells import Cell
from sd_bench.verdicts.comparisons import Comparison


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FurtherRounds:
    """Further rounds of the sweep in ``folder``: ``rounds`` of each of the ``cells``.

    They would decide ``num_comparisons`` comparisons, each with a chance of 80 %.
    """

    rounds: int
    num_comparisons: int
    cells: tuple[Cell, ...]
    folder: Path

    @property
    def seconds(self) -> float:
        """How long they will take, judged by earlier rounds; NaN if no record says."""
        return self.rounds * _round_s(self.cells)

    @property
    def command(self) -> str:
        """The command that adds these rounds, for this shell and from any folder."""
        return shown("sd_bench", *self._words(self.folder.absolute()))

    @property
    def command_elsewhere(self) -> str:
        """The same command for a document, which may be read on other machines."""
        return shlex.join(["python", "-m", "sd_bench", *self._words(shortened(self.folder))])

    def _words(self, folder: Path) -> list[str]:
        try:
            begun_with = started_with(self.folder) or []
        except (ConfigError, OSError):  # the folder still has the records
            begun_with = []
        return words_to_resume(folder, begun_with, self.rounds)

    @property
    def sentence(self) -> str:
        """What the rounds would decide, ending with a colon, to be followed by the `command`."""
        rounds = "1 more round" if self.rounds == 1 else f"{self.rounds} more rounds"
        return (
            f"{rounds} of {len(self.cells)} cells{_about(self.seconds)} would probably decide "
            f"{_comparisons(self.num_comparisons)}:"
        )


def find_further_rounds(
    comparisons: Iterable[Comparison], folder: Path | None = None
) -> list[FurtherRounds]:
    """The further rounds that would decide undecided comparisons, for each sweep that has some.

    ``folder`` is the sweep's, if the rounds do not have it. Sweeps that came in a bundle are left
    out, because they cannot be continued.
    """
    undecided: dict[str, list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        difference, verdict = comparison.difference, comparison.verdict
        if difference and difference.sides and verdict and verdict.further_rounds:
            sides = difference.sides
            sweep, _ = next(key for key in sides.cell_s if key in sides.baseline_s)
            undecided[sweep].append(comparison)
    return [
        FurtherRounds(
            rounds=max(c.verdict.further_rounds or 0 for c in listed if c.verdict),
            num_comparisons=len(listed),
            cells=tuple(dict.fromkeys(cell for c in listed for cell in c.both_cells)),
            folder=folder or Path(sweep),
        )
        for sweep, listed in undecided.items()
        if not is_packed(Path(sweep))
    ]


def say_what_decides(comparisons: Iterable[Comparison], folder: Path | None = None) -> list[str]:
    """The results of `find_what_decides` as lines of text for a document."""
    listed = list(comparisons)
    further = find_further_rounds(listed, folder)
    return [*(f"{each.sentence} {each.command_elsewhere}" for each in further), *_beyond(listed)]


def find_what_decides(
    comparisons: Iterable[Comparison], folder: Path | None = None
) -> list[tuple[str, str]]:
    """Sentences on what would decide undecided comparisons, each with a command or "".

    There is one with a command for each sweep of `find_further_rounds`, and one without for what a
    new sweep would decide; none if all is decided.
    """
    listed = list(comparisons)
    lines = [(each.sentence, each.command) for each in find_further_rounds(listed, folder)]
    return [*lines, *((sentence, "") for sentence in _beyond(listed))]


def _beyond(listed: Sequence[Comparison]) -> list[str]:
    """A sentence on what a new sweep would decide, if anything."""
    verdicts = [c.verdict for c in listed if c.verdict and not c.verdict.is_settled]
    beyond = [verdict for verdict in verdicts if not verdict.further_rounds]
    if rounds := [each.new_sweep_rounds for each in beyond if each.new_sweep_rounds]:
        about = _about(max(rounds) * _round_s(cell for c in listed for cell in c.both_cells))
        return [
            f"A new sweep with protocol.rounds={max(rounds)}{about} would probably decide "
            f"{_comparisons(len(rounds))}."
        ]
    return []


def _comparisons(count: int) -> str:
    return "1 comparison" if count == 1 else f"{count} comparisons"


def _round_s(cells: Iterable[Cell]) -> float:
    """The total seconds of one round of each cell; NaN if a cell's time is unknown."""
    return math.fsum(cell.worker_s for cell in set(cells) if cell.is_measured)


def _about(seconds: float) -> str:
    if math.isnan(seconds):
        return ""
    minutes = round(seconds / 60)
    short = f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min"
    return f", about {short if minutes < 90 else f'{seconds / 3600:.1f} h'},"
