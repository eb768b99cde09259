"""How files are read: only regular ones, of bounded size, text in UTF-8, without waiting."""

from __future__ import annotations

import os
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from sd_bench.records import RecordError, read_record
from sd_bench.regular_files import (
    UnusableFileError,
    open_to_append,
    parse_json,
    read_bytes,
    read_json,
    read_text,
    reason_of,
)
from sd_bench.verdicts.parity import read_latents

REPOSITORY = Path(__file__).parents[1]


def not_files(folder: Path) -> dict[str, Path]:
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    return {"a pipe": folder / "pipe", "a folder": folder / "folder", "a device": Path("/dev/zero")}


@pytest.mark.timeout(20)
def test_what_is_not_a_file_is_named_and_never_waited_for(tmp_path: Path) -> None:
    for kind, path in not_files(tmp_path).items():
        for use in (lambda p: read_bytes(p, 9), open_to_append):
            with pytest.raises(UnusableFileError) as caught:
                use(path)
            assert reason_of(caught.value) == f"is {kind}, not a file"
        assert read_latents(str(path)) == "latents file not readable"


@pytest.mark.timeout(20)
def test_a_record_that_is_not_a_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "round-0.json")
    with pytest.raises(RecordError, match=r"round-0\.json: is a pipe, not a file"):
        read_record(tmp_path / "round-0.json")


def test_a_file_is_no_larger_than_whoever_asks_can_use(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", 5) == b"12345"
    with pytest.raises(UnusableFileError, match="has 5 bytes, where at most 4 are expected"):
        read_bytes(tmp_path / "a", 4)
    with pytest.raises(UnusableFileError, match="more than the 9 bytes"):
        read_bytes(Path("/proc/self/status"), 9)  # its size is reported as 0


def test_text_may_have_an_editors_mark_before_it(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}', encoding="utf-8-sig")
    assert read_json(tmp_path / "a.json", 99) == {"a": 1}
    for encoding in ("utf-16", "utf-32"):
        (tmp_path / "a.txt").write_text("abc", encoding=encoding)
        with pytest.raises(UnusableFileError, match=f"in {encoding.upper()}: save it as UTF-8"):
            read_text(tmp_path / "a.txt", 99)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[1,]", '{"a": ' * 9000, ""])
def test_what_is_not_json_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="is not readable as JSON") as caught:
        parse_json(text)
    assert "\n" not in str(caught.value)


def test_json_of_more_values_than_memory_is_refused_unread() -> None:
    with pytest.raises(ValueError, match="holds more than 500000 values"):
        parse_json("[" + "[]," * 600_000 + "[]]")


def test_latents_that_say_to_be_larger_than_their_file_are_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3), dtype=np.float32))
    assert np.array_equal(read_latents(str(tmp_path / "a.npy")), np.zeros((2, 3)))
    data = (tmp_path / "a.npy").read_bytes()
    for shape in (b"(2**9, 3), }   ", b"(99999999999,)}", b"(99999999, 9, ", b"((((((((((((((("):
        changed = data.replace(b"(2, 3), }".ljust(len(shape)), shape)
        assert changed != data
        (tmp_path / "a.npy").write_bytes(changed)
        assert read_latents(str(tmp_path / "a.npy")) == "latents file not readable"


def test_nothing_else_opens_what_users_and_workers_name() -> None:
    """Every reader of a file that is named on a command line or is in a sweep's folder."""
    opening = re.compile(r"\.open\(\"rb?\"|\.read_text\(|\.read_bytes\(|np\.load\((?!stream)")
    readers = (
        *(REPOSITORY / "sd_bench" / "weights").glob("*.py"),
        *(REPOSITORY / "sd_bench" / "records").glob("*.py"),
        *(REPOSITORY / "analysis" / "ingest").glob("*.py"),
        REPOSITORY / "sd_bench" / "execution" / "pinning.py",
        REPOSITORY / "sd_bench" / "execution" / "sweep_folder.py",
        REPOSITORY / "sd_bench" / "verdicts" / "parity.py",
    )
    for file in readers:
        assert not opening.search(file.read_text(encoding="utf-8")), file


def test_a_small_file_costs_no_memory_of_the_largest_one_that_may_be_read(tmp_path: Path) -> None:
    path = tmp_path / "small.json"
    path.write_bytes(b"{}")
    tracemalloc.start()
    try:
        assert read_bytes(path, 2**26) == b"{}"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20
