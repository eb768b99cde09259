"""The cache of converted networks: made once, complete or not at all, and never mixed up."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from sd_bench.implementations.conversion_cache import (
    ConversionError,
    cache_folder,
    conversion_key,
    converted,
)
from tests.support.composition import Compose


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SD_BENCH_CACHE_DIR", str(tmp_path / "kept"))
    return cache_folder()


def convert(folder: Path) -> None:
    (folder / "unet.bin").write_bytes(b"weights")


def must_not(folder: Path) -> None:
    raise AssertionError("was there already")


def test_it_is_made_once(folder: Path) -> None:
    place, cache = converted("key", convert)
    assert (place.parent, cache) == (folder, "cold")
    assert converted("key", must_not) == (place, "warm")
    assert converted("other", convert)[1] == "cold"
    assert converted("key", convert, again=True) == (place, "cold")


@pytest.mark.parametrize("fault", ["cut", "changed", "lost", "more", "no contents"])
def test_what_is_not_as_it_was_written_is_made_again(fault: str) -> None:
    place, _ = converted("key", convert)
    file = place / "unet.bin"
    if fault == "cut":
        file.write_bytes(b"weigh")
    elif fault == "changed":
        time.sleep(0.01)
        file.write_bytes(b"WEIGHTS")
    elif fault == "lost":
        file.unlink()
    elif fault == "more":
        (place / "other.bin").touch()
    else:
        (place / "contents.json").write_text("[")
    assert converted("key", convert) == (place, "cold")
    assert [f.name for f in sorted(place.iterdir())] == ["contents.json", "unet.bin"]
    assert file.read_bytes() == b"weights"


def used(folder: Path, key: str, hours_ago: float) -> None:
    when = time.time() - 3600 * hours_ago
    os.utime(folder / f"{key}.lock", (when, when))


def test_beyond_the_limit_what_was_not_used_for_longest_makes_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ("old", "older", "held", "recent")
    for key in keys:
        converted(key, convert)
    for key, hours_ago in zip(keys, (5, 9, 8, 0.5), strict=True):
        used(folder, key, hours_ago)
    one = sum(file.stat().st_size for file in (folder / "old").iterdir())
    with (folder / "held.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setenv("SD_BENCH_CACHE_GB", str(3.5 * one / 1e9))
        converted("new", convert)
        assert not (folder / "older").exists()
        assert all((folder / key).exists() for key in ("old", "held", "recent", "new"))
        monkeypatch.setenv("SD_BENCH_CACHE_GB", "0")
        converted("another", convert)
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {
        *("held", "recent", "new", "another"),
    }, "what is in use, or was within the hour, stays"
    assert converted("old", convert)[1] == "cold"


@pytest.mark.parametrize("limit", ["many", "-1", "nan", ""])
def test_a_limit_that_is_not_a_number_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setenv("SD_BENCH_CACHE_GB", limit)
    with pytest.raises(ConversionError, match=f"^SD_BENCH_CACHE_GB={limit}: give a number"):
        converted("key", convert)


def test_of_a_conversion_that_fails_or_is_killed_nothing_stays(folder: Path) -> None:
    def fail(folder: Path) -> None:
        convert(folder)
        raise RuntimeError("no such operator")

    with pytest.raises(RuntimeError, match="no such operator"):
        converted("key", fail)
    assert [path.name for path in folder.iterdir()] == ["key.lock"]
    (folder / "key.making-killed").mkdir()
    converted("key", convert)
    assert sorted(path.name for path in folder.iterdir()) == ["key", "key.lock"]


def _convert_slowly(tally: Path) -> None:
    def slowly(folder: Path) -> None:
        with tally.open("a") as stream:
            stream.write("x")
        time.sleep(0.3)
        convert(folder)

    place, _ = converted("key", slowly)
    assert (place / "unet.bin").read_bytes() == b"weights"


def test_two_processes_convert_once(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("fork")
    both = [processes.Process(target=_convert_slowly, args=(tmp_path / "tally",)) for _ in "ab"]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert (tmp_path / "tally").read_text() == "x"


def test_a_folder_that_takes_nothing_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    with pytest.raises(ConversionError) as refused:
        converted("key", convert)
    assert str(refused.value) == (
        f"{cache_folder()}: not a directory; converted networks are cached there: make room, or "
        "name another folder with SD_BENCH_CACHE_DIR"
    )


def test_the_users_cache_is_where_it_lies_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SD_BENCH_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/sd_bench/conversions")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder() == Path("/home/someone/.cache/sd_bench/conversions")


@pytest.mark.slow
def test_a_key_changes_with_all_that_converted_networks_depend_on(
    tiny: Compose, tmp_path: Path
) -> None:
    def key(*overrides: str, version: str = "1") -> str:
        return conversion_key(tiny(*overrides), "openvino", version)

    weights = []
    for name in "ab":
        weights.append(tmp_path / f"{name}.safetensors")
        weights[-1].write_text(name)
    others = [
        *(key("weights_seed=1"), key("batch_size=2"), key("workload.height=128")),
        *(key("model_version=sd1_tiny"), key(version="2")),
        *(key(f"weights={file}") for file in weights),
    ]
    assert len({key(), *others}) == 8
    same = (key("sampler=ddim"), key("workload.seed=2"), key("precision=bf16"))
    assert {*same} == {key()}
