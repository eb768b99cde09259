"""Where the results of a call go, and where earlier results are."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path, PurePosixPath

from notebook import NOTEBOOK, Notebook
from session import ROOT, SetupError

ARCHIVE, SUMMARY, LOG, RECORDS = "records.tar.gz", "summary.md", "log.txt", "records"
#: The files that mark a folder of results.
_RESULTS = (ARCHIVE, SUMMARY, NOTEBOOK, f"{RECORDS}/{NOTEBOOK}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """``out`` is for summary, archive and log; ``records`` is the folder of sweeps.

    ``archive`` must first be unpacked into ``records``; ``notebook`` is the notebook found there.
    """

    out: Path
    records: Path
    notebook: Notebook
    archive: Path | None = None


def find_places(
    resume: Path | None, out: Path | None, records: Path | None, date: str, gpu: str
) -> Places:
    """Choose the places, without side effects. Raises SetupError if one already has results."""
    if resume is None:
        out = out or _unused(date, gpu)
        records = records or out / RECORDS
        _refuse_results(out)
        _refuse_results(records)
        return Places(out=out, records=records, notebook=Notebook(began=date))
    places = _earlier(resume, out, records)
    known = {Path(out) for out in places.notebook.outs} | {
        resume.absolute(),
        resume.absolute().parent,
    }
    if places.out.absolute() not in known:
        _refuse_results(places.out)
    there = places.records / NOTEBOOK
    if places.archive is None or not there.exists():
        return places
    notebook = Notebook.read(there.read_text(encoding="utf-8"))
    if notebook.began != places.notebook.began:
        raise SetupError(f"{places.records}: holds another call's records; name another --records")
    return replace(places, notebook=notebook)


def _unused(date: str, gpu: str) -> Path:
    """``results_<gpu>_<day>``, numbered if it exists; git ignores the name of a trial."""
    stem = f"{'trial' if gpu == 'cpu' else 'results'}_{gpu}_{date.partition('T')[0]}"
    names = (stem if n == 1 else f"{stem}-{n}" for n in count(1))
    return next(p for name in names if not (p := ROOT / "multirun_outputs" / name).exists())


def _refuse_results(folder: Path) -> None:
    if any((folder / name).exists() for name in _RESULTS):
        raise SetupError(
            f"{folder}: already holds results; name another folder, or go on with them: "
            f"--resume {folder}"
        )


def _earlier(resume: Path, out: Path | None, records: Path | None) -> Places:
    """The places of a call that continues with the results in ``resume``."""
    inside = next((f for f in (resume, resume / RECORDS) if (f / NOTEBOOK).is_file()), None)
    if inside is not None:
        out = out or (resume if inside != resume else resume.parent)
        notebook = Notebook.read((inside / NOTEBOOK).read_text(encoding="utf-8"))
        return Places(out=out, records=inside, notebook=notebook)
    archive = resume / ARCHIVE if resume.is_dir() else resume
    if not archive.is_file():
        raise SetupError(
            f"--resume {resume}: holds no results; name the folder of an earlier call, or its "
            f"{ARCHIVE}"
        )
    out = out or archive.parent
    notebook = _notebook_in(archive)
    return Places(out=out, records=records or out / RECORDS, archive=archive, notebook=notebook)


def _notebook_in(archive: Path) -> Notebook:
    for name, content in _members(archive):
        if name == PurePosixPath(NOTEBOOK):
            return Notebook.read(content.decode())
    raise SetupError(f"{archive}: holds no {NOTEBOOK}; it is not an archive of run.py")


def unpack(places: Places) -> None:
    """Unpack the archive's files into the records' folder; files already there stay."""
    if places.archive is None:
        return
    for name, content in _members(places.archive):
        target = places.records / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _members(archive: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The files of an archive by their path below its top folder. Raises SetupError."""
    try:
        with tarfile.open(archive) as stream:
            for member in stream:
                name = PurePosixPath(*PurePosixPath(member.name).parts[1:])
                content = stream.extractfile(member) if member.isfile() else None
                if content is not None and ".." not in name.parts:
                    yield name, content.read()
    except (tarfile.TarError, EOFError, zlib.error):
        raise SetupError(f"{archive}: does not unpack: it is broken, or no archive") from None
