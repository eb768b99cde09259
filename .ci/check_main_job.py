"""Fail unless the main job left what the README promises: valid records, charts and tables."""

import sys
from collections import Counter
from pathlib import Path

from analysis.ingest.newest_sweep import find_newest
from sd_bench.records import find_records, read_record

#: The fewest rounds per cell that can decide, and the worker seconds of an exhausted budget.
ENOUGH_ROUNDS, SPENT_S = 6, 180


def main(outputs: Path) -> None:
    """Check the newest sweep. Raises AssertionError naming what is missing from it."""
    newest = find_newest(outputs)
    assert newest is not None, f"no sweep in {outputs}"
    (folder,) = newest.folders
    records = [read_record(path) for path in find_records(folder)]
    rounds = Counter((r.choices["batch_size"], r.choices["attention"]) for r in records)
    assert rounds.keys() == {(b, a) for b in (1, 2, 4) for a in ("flash", "math")}, rounds
    for record in records:
        assert record.status == "ok", (record.status, record.reason)
        assert record.kernel_proof is not None
        assert record.kernel_proof.proven, record.kernel_proof
        assert record.choices["model_version"] == "sd2"
        assert record.looks is not None
        assert record.looks.family == 3, record.looks
    disturbed = [read_record(path) for path in folder.rglob("disturbed*.json")]
    spent_s = sum(r.times.worker_s or 0 for r in records + disturbed if r.times is not None)
    assert min(rounds.values()) >= ENOUGH_ROUNDS or spent_s > SPENT_S, (rounds, spent_s)
    for suffix in (".png", ".svg", ".md", ".csv"):
        found = [p for p in folder.rglob(f"*{suffix}") if "analysis" in p.parts]
        assert found, f"no {suffix} from the analysis"
    print(f"{dict(rounds)} rounds in {spent_s:.0f} s, all proven; charts and tables are present")


main(Path(sys.argv[1]))
