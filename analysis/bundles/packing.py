"""One or more sweeps' folders to one bundle."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import structs

from analysis.bundles.layout import (
    LARGEST_ENTRY,
    MANIFEST,
    README,
    README_TEXT,
    VERSION,
    Manifest,
    SweepFacts,
)
from analysis.bundles.personal import Cleaner
from analysis.errors import AnalysisError
from sd_bench.records import (
    SCHEMA_VERSION,
    Record,
    RecordError,
    find_records,
    open_regular,
    read_record,
)
from sd_bench.records.files import round_number
from sd_bench.verdicts.rounds import read_round

#: A fixed date for the zip's entries, so that the same records give the same bundle.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Packed:
    """The bundle that was written. ``originals``: what was replaced, by what, and how often."""

    path: Path
    manifest: Manifest
    originals: list[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    sweep: str
    cell: int


def pack(
    folders: Iterable[Path],
    out: Path,
    latents: str = "first",
    words: Iterable[str] = (),
    on_left_out: Callable[[str], None] = lambda line: None,
) -> Packed:
    """Pack the records below ``folders`` into the file ``out``, written completely or not at all.

    ``words`` are replaced in addition to what is personal. A record that cannot be read is left
    out, and ``on_left_out`` is called with one line about it. Raises AnalysisError if there is no
    record, and OSError.
    """
    cleaner, found = Cleaner(words), list(_find(folders, on_left_out))
    if not found:
        raise AnalysisError(f"no usable record in {', '.join(map(str, folders))}: nothing to pack")
    for each in found:
        cleaner.learn(read_record(each.path))
    files: dict[str, str] = {}
    facts: dict[str, list[Record]] = defaultdict(list)
    left_out: Counter[str] = Counter()

    with _written_whole(out) as archive:

        def add(name: str, content: bytes) -> None:
            files[name] = hashlib.sha256(content).hexdigest()
            _write(archive, name, content)

        for each in found:
            original = read_record(each.path)
            record = structs.replace(cleaner.clean(original), job=str(each.cell))
            stem = f"round-{original.round}"
            folder, file = f"{each.sweep}/{each.cell}", f"{stem}-latents.npy"
            kept = _latents(each.path, original, latents)
            if kept is not None and record.output is not None:
                add(f"{folder}/{file}", kept)
                output = structs.replace(record.output, latents_file=file)
                record = structs.replace(record, output=output)
            add(f"{folder}/{stem}.json", _as_written(record))
            facts[each.sweep].append(_without_measurements(record))
            left_out += _left_out(original, is_kept=kept is not None)
        manifest = Manifest(
            format="sd_bench bundle",
            version=VERSION,
            made_by=f"sd_bench, schema version {SCHEMA_VERSION} of records",
            sweeps={sweep: _facts(records) for sweep, records in facts.items()},
            files=files,
            replaced=cleaner.replaced(),
            left_out=dict(sorted(left_out.items())),
        )
        _write(archive, README, README_TEXT.encode())
        _write(archive, MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    return Packed(out, manifest, cleaner.originals())


def _find(folders: Iterable[Path], on_left_out: Callable[[str], None]) -> Iterator[_Found]:
    """The records below the folders, with the sweep's name and the cell's number in the bundle."""
    sweeps: dict[str, str] = {}
    cells: dict[tuple[str, str], int] = {}
    seen: set[tuple[str, int, int]] = set()
    paths = dict.fromkeys(path for folder in folders for path in find_records(_there(folder)))
    for path in paths:
        try:
            record = read_record(path)
        except RecordError as error:
            on_left_out(str(error))
            continue
        folder = read_round(record, path).place.sweep_folder
        sweep = sweeps.setdefault(folder, f"sweep-{len(sweeps)}")
        cell = cells.get((sweep, str(path.parent)))
        if cell is None:
            taken = {number for (other, _), number in cells.items() if other == sweep}
            cell = _number_of(record.job, taken)
            cells[sweep, str(path.parent)] = cell
        if round_number(path) is None or (sweep, cell, record.round) in seen:
            on_left_out(f"{path}: not called as its round {record.round} is, or there twice")
            continue
        seen.add((sweep, cell, record.round))
        yield _Found(path, sweep, cell)


def _there(folder: Path) -> Path:
    if not folder.is_dir():
        raise AnalysisError(f"no folder {folder}: name a sweep's folder")
    return folder


def _number_of(job: str, taken: set[int]) -> int:
    """The number of the job as Hydra counts them, or else the next free one."""
    if job.isdecimal() and len(job) <= 7 and int(job) not in taken:
        return int(job)
    return max(taken, default=-1) + 1


def _latents(path: Path, record: Record, wanted: str) -> bytes | None:
    """The content of the latents file to pack with a record; ``None`` if missing or not wanted."""
    output = record.output
    if output is None or not output.latents_file or wanted == "none":
        return None
    if wanted == "first" and record.round != 0:
        return None
    try:
        file = path.with_name(Path(output.latents_file).name)
        with open_regular(file, LARGEST_ENTRY) as stream:
            return stream.read()
    except OSError:
        return None


def _left_out(record: Record, is_kept: bool) -> Counter[str]:
    output, profile = record.output, record.profile
    return Counter(
        images=0 if output is None else len(output.image_files),
        latents=int(output is not None and bool(output.latents_file) and not is_kept),
        traces=int(profile is not None and bool(profile.trace_file)),
    )


def _without_measurements(record: Record) -> Record:
    return structs.replace(record, times=None, telemetry=None, output=None, kernel_proof=None)


def _facts(records: list[Record]) -> SweepFacts:
    places = [read_round(record).place for record in records]
    return SweepFacts(
        name=records[0].sweep,
        records=len(records),
        devices=sorted({place.device for place in places}),
        versions=sorted({f"PyTorch {place.torch}" for place in places}),
    )


def _as_written(record: Record) -> bytes:
    text = json.dumps(record, default=structs.asdict, indent=1, allow_nan=False)
    return f"{text}\n".encode()


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED)


@contextmanager
def _written_whole(out: Path) -> Iterator[zipfile.ZipFile]:
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w") as archive:
            yield archive
        temporary.replace(out)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
