"""Updates docs/peers.md, the README's table and their pictures from one sweep of peers.

    python -m benchmarks.publish_peers SWEEP [--check]

SWEEP is the folder of `python -m sd_bench experiment=peers`. Its records, without paths of the
machine, and the latents that parity needs replace those in multirun_outputs/results_peers, which
are committed; then every document with marks for them is rewritten. ``--check`` reports whether
that was done.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from analysis.comparison.deltas import compare
from analysis.comparison.peers import find_peers
from analysis.ingest.cells import summarise
from analysis.ingest.rounds import load_records
from analysis.wording.peers import describe_sweep
from benchmarks.keep_records import OUTPUTS, copy_records

_ROOT = Path(__file__).parents[1]
#: Where the records are committed, and the documents that show their numbers.
RECORDS = OUTPUTS / "results_peers"
DOCUMENTS = (_ROOT / "docs" / "peers.md", _ROOT / "README.md")


def main() -> int:
    """Publish a sweep; the exit code is that of `python -m analysis publish`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sweep", type=Path, nargs="?", help="the sweep's folder")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    if options.sweep is None and not options.check:
        parser.error("name the folder of a sweep, or --check")
    if options.sweep is not None and not options.check:
        keep(options.sweep, RECORDS)
    documents = [str(path) for path in DOCUMENTS if "<!-- analysis: peers" in path.read_text()]
    flags = ["--check"] if options.check else []
    command = [sys.executable, "-m", "analysis", "publish", *flags, *documents]
    return subprocess.run(command, cwd=_ROOT, check=False).returncode


def keep(sweep: Path, folder: Path) -> None:
    """Replace the contents of ``folder`` by the records and latents of ``sweep``.

    Exits with one line if the sweep has fewer than two implementations.
    """
    peers = find_peers(compare(summarise(load_records(sweep))))
    if peers is None:
        sys.exit(f"{sweep}: holds one implementation only; give a sweep of experiment=peers")
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary) / "fresh"
        copy_records(sweep, fresh)
        (fresh / "README.md").write_text(f"`experiment=peers`. {describe_sweep(peers)}\n")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(fresh, folder)


if __name__ == "__main__":
    sys.exit(main())
