"""Fail unless the main job left what the README promises: 12 sound records, charts, tables."""

import sys
from pathlib import Path

from sd_bench.records import find_records, read_record


def main(folder: Path) -> None:
    """Raises AssertionError naming what is missing."""
    records = [read_record(path) for path in find_records(folder)]
    cells = {(r.choices["batch_size"], r.choices["attention"]) for r in records}
    assert cells == {(b, a) for b in (1, 2, 4) for a in ("flash", "math")}, cells
    assert len(records) == 12, len(records)
    for record in records:
        assert record.status == "ok", (record.status, record.reason)
        assert record.kernel_proof is not None
        assert record.kernel_proof.proven, record.kernel_proof
        assert record.choices["model_version"] == "sd2"
    for suffix in (".png", ".svg", ".md", ".csv"):
        found = [p for p in folder.rglob(f"*{suffix}") if "analysis" in p.parts]
        assert found, f"no {suffix} from the analysis"
    print(f"{len(records)} records of {len(cells)} cells, all proven; charts and tables are there")


main(Path(sys.argv[1]))
