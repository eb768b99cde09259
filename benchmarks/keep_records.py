"""Copies records into the project, without paths of the machine that measured them.

    python -m benchmarks.keep_records results_NAME FOLDER...

Each FOLDER, a sweep or a folder of sweeps, is copied to multirun_outputs/results_NAME/ under its
own name: its records, and the latents of each cell that parity needs. README.md there states
machine, versions and date; any other text in it is kept below.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import structs

from analysis.ingest.newest_sweep import KEPT_PREFIX
from sd_bench.records import Record, find_records, read_record, write_record

OUTPUTS = Path(__file__).parents[1] / "multirun_outputs"
#: The folders before the last part of an absolute path.
_FOLDERS = re.compile(r"(?<![\w./+-])/(?!/)(?:[\w.+-]+/)*(?=[\w.+-])")
_PACKAGES = ("torch", "xformers", "diffusers", "triton")


def main() -> int:
    """Copy the records; the exit code is 2, with one line, for a usage error."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", help=f"name of the folder, {KEPT_PREFIX}...")
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    options = parser.parse_args()
    if not options.name.startswith(KEPT_PREFIX) or "/" in options.name:
        parser.error(f"{options.name}: the name of a folder that begins with {KEPT_PREFIX}")
    if empty := [folder for folder in options.folders if not list(find_records(folder))]:
        parser.error(f"{empty[0]}: holds no record")
    kept = OUTPUTS / options.name
    for folder in options.folders:
        copy_records(folder, kept / folder.name)
    lines = describe_machines(read_record(path) for path in find_records(kept))
    note = kept / "README.md"
    own = note.read_text().partition("\n\n")[2] if note.exists() else ""
    note.write_text("\n".join(lines) + "\n" + (f"\n{own}" if own else ""))
    return 0


def copy_records(sweep: Path, place: Path) -> None:
    """Copy the records of ``sweep``, and each cell's latents, to ``place``, in the same folders."""
    for path in find_records(sweep):
        folder = place / path.parent.relative_to(sweep)
        folder.mkdir(parents=True, exist_ok=True)
        record = read_record(path)
        environment = without_paths(record.environment)
        write_record(folder / path.name, structs.replace(record, environment=environment))
        if record.round == 0 and record.output is not None and record.output.latents_file:
            shutil.copy(path.parent / record.output.latents_file, folder)


def describe_machines(records: Iterable[Record]) -> list[str]:
    """One line for each device, set of versions and day that the records were measured with."""
    found: dict[str, int] = {}
    for record in records:
        environment = record.environment
        if not environment:
            continue
        versions = environment.get("packages", {})
        packages = ", ".join(f"{name} {versions[name]}" for name in _PACKAGES if name in versions)
        device = environment["device"]
        driver = f", driver {device['driver']}" if device.get("driver") else ""
        day = record.started_at[:10]
        text = f"{device['name']}{driver}; Python {environment['python']}, {packages}; {day}"
        found[text] = found.get(text, 0) + 1
    return [f"{text}: {count} records." for text, count in sorted(found.items())]


def without_paths(value: Any) -> Any:
    """The environment with every path, even inside a text, reduced to its last part."""
    if isinstance(value, dict):
        return {name: without_paths(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_paths(each) for each in value]
    return _FOLDERS.sub("", value) if isinstance(value, str) else value


if __name__ == "__main__":
    sys.exit(main())
