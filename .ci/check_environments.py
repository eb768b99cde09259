"""Fail unless a sweep measured both environments, with equal latents, and compared them."""

import sys
from pathlib import Path

import pandas as pd

from sd_bench.records import find_records, read_record

#: The most that the final latents may differ in fp32, relative L2.
TOLERANCE = 1e-4


def main(folder: Path) -> None:
    """Check the sweep in ``folder``. Raises AssertionError naming what is missing."""
    records = [read_record(path) for path in find_records(folder)]
    cells = {(r.choices["torch_env"], r.choices["attention"], r.round) for r in records}
    envs, attentions = ("original", "optimized"), ("original", "math")
    assert cells == {(e, a, n) for e in envs for a in attentions for n in (0, 1)}, cells
    assert len(records) == 8, len(records)
    for record in records:
        assert record.status == "ok", (record.status, record.reason)
        assert record.kernel_proof is not None
        assert record.kernel_proof.proven, record.kernel_proof
        wanted = {"original": "1.12.1", "optimized": "2."}[record.choices["torch_env"]]
        assert str(record.environment["torch"]).startswith(wanted), record.environment["torch"]
    table = pd.read_csv(folder / "analysis" / "delta.csv")
    compared = table[~table["is_baseline"]]
    assert set(compared["torch_env"]) == {"optimized"}, compared
    assert len(compared) == 2, compared
    assert compared["speedup"].notna().all(), compared
    assert (compared["parity"] < TOLERANCE).all(), compared["parity"]
    print(f"{folder}: both environments, proven and compared, latents equal to {TOLERANCE}")


main(Path(sys.argv[1]))
