"""The pictures that a record names are beside it, whatever path it gives."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from analysis.ingest.pictures import Picture, list_pictures
from tests.support.records import sample_record


def test_pictures_lie_beside_the_record_whatever_it_says(tmp_path: Path) -> None:
    record = sample_record(1.0)
    assert record.output is not None
    files = ["../../elsewhere/a.png", "b.png"]
    output = structs.replace(record.output, image_files=files, image_seeds=[1, 2])
    found = list_pictures(tmp_path / "round-0.json", structs.replace(record, output=output))
    assert found == (
        Picture(str(tmp_path / "a.png"), "A photo", 1),
        Picture(str(tmp_path / "b.png"), "", 2),
    )


def test_a_record_without_output_has_none(tmp_path: Path) -> None:
    record = sample_record(status="oom", reason="12 GiB")
    assert list_pictures(tmp_path / "round-0.json", record) == ()
