"""What was special about the rounds of a comparison, in one sentence each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from msgspec import structs

from analysis import compare, load_records, summarise
from analysis.comparison.rows import DeltaRow
from analysis.rows import list_rows
from analysis.wording.judgements import note_verdicts
from sd_bench.records import find_records, read_record, write_record
from tests.support.records import write_sweep


def notes_on(root: Path, ratios: dict[str, np.ndarray]) -> list[str]:
    """The notes on cells with these speed-ups over math, round by round."""
    rounds = max(len(values) for values in ratios.values())
    seconds = {(1, "math"): [10.0] * rounds}
    seconds |= {(1, name): (10.0 / values).tolist() for name, values in ratios.items()}
    write_sweep(root, seconds)
    return note_verdicts(list_rows(compare(summarise(load_records(root))), DeltaRow))


def noisy(rounds: int, seed: int = 0) -> np.ndarray:
    return np.exp(0.01 * np.random.default_rng(seed).standard_normal(rounds))


def test_ordinary_rounds_have_the_rule_alone(tmp_path: Path) -> None:
    alternating = np.exp(0.01 * np.tile([1.0, -1.0], 5))
    (rule,) = notes_on(tmp_path, {"flash": alternating})
    assert rule.startswith("Verdict from log ratios round by round, at 5 % for a whole table: ")
    assert rule.endswith("none with fewer than 6 rounds.")


def test_a_difference_that_hangs_on_an_ordinary_round_is_doubtful(tmp_path: Path) -> None:
    notes = notes_on(tmp_path, {"flash": np.array([1.25, 1.251, 1.0, 1.249, 1.25, 1.252])})
    assert "Set aside as disturbed where differences were estimated: round 2 of flash" in notes[1]
    assert notes[2].startswith("1 comparison is doubtful: the difference depends on a round")


def test_rounds_like_their_neighbours_are_reported_with_the_wider_interval(tmp_path: Path) -> None:
    slow = {name: np.repeat(noisy(5, seed), 4) for seed, name in enumerate(("flash", "cudnn"))}
    *_, widened, flagged = notes_on(tmp_path, slow)
    assert widened.startswith("2 comparisons are given a wider interval, up to ")
    assert flagged.startswith("Serial correlation of the rounds: 0.")
    assert " % at 0.3 and " in flagged


def test_many_disturbed_rounds_are_counted(tmp_path: Path) -> None:
    ratios = {}
    for seed, name in enumerate(("flash", "cudnn", "auto", "xformers")):
        ratios[name] = noisy(10, seed)
        ratios[name][seed] /= 5
    note = next(n for n in notes_on(tmp_path, ratios) if n.startswith("Set aside"))
    assert note.count("times as long as usual") == 3
    assert note.endswith("; and 1 more.")


def test_a_disturbed_round_is_named_with_what_was_counted_beside_it(tmp_path: Path) -> None:
    ratios = noisy(10)
    ratios[4] /= 5
    write_sweep(tmp_path, {(1, "math"): [10.0] * 10, (1, "flash"): (10.0 / ratios).tolist()})
    for path in find_records(tmp_path):
        record = read_record(path)
        assert record.times is not None
        is_slow = record.choices["attention"] == "flash" and record.round == 4
        counters = {"steal_s": 12.0 if is_slow else 0.1, "minor_page_faults": 900.0}
        iterations = [structs.replace(i, counters=counters) for i in record.times.iterations]
        write_record(
            path,
            structs.replace(record, times=structs.replace(record.times, iterations=iterations)),
        )
    notes = note_verdicts(list_rows(compare(summarise(load_records(tmp_path))), DeltaRow))
    note = next(n for n in notes if n.startswith("Set aside"))
    num_iterations = len(iterations)
    assert f"usual: {11.9 * num_iterations:.2g} s taken by the hypervisor)" in note
