"""Bundles of others: one report on several, and one line for each file that is not a bundle."""

from __future__ import annotations

import hashlib
import json
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.bundles import layout
from analysis.bundles.packing import pack
from tests.support.records import sample_environment, write_sweep

SECONDS = {(1, "flash"): [1.0 + 0.01 * n for n in range(6)], (1, "math"): [2.0] * 6}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    return pack([write_sweep(folder / "runs", SECONDS)], folder / "sound.sdbench.zip").path


def rewrite(
    sound: Path, path: Path, change: Callable[[dict[str, bytes]], object] = lambda files: None
) -> zipfile.ZipFile:
    """A zip with the changed contents of a valid one; more may be added."""
    with zipfile.ZipFile(sound) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    written = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
    for name, content in files.items():
        written.writestr(name, content)
    return written


def with_entry(name: str, content: bytes = b"x") -> Callable[[Path, Path], None]:
    def make(sound: Path, path: Path) -> None:
        with rewrite(sound, path) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a duplicate name
            archive.writestr(name, content)

    return make


def with_manifest(**fields: object) -> Callable[[Path, Path], None]:
    def change(files: dict[str, bytes]) -> None:
        files["manifest.json"] = json.dumps(json.loads(files["manifest.json"]) | fields).encode()

    return lambda sound, path: rewrite(sound, path, change).close()


def link(sound: Path, path: Path) -> None:
    entry = zipfile.ZipInfo("sweep-0/0/round-9.json")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with rewrite(sound, path) as archive:
        archive.writestr(entry, "/etc/passwd")


def changed_record(files: dict[str, bytes]) -> None:
    name = next(name for name in files if name.endswith("round-0.json"))
    files[name] += b" "


def overlapping(sound: Path, path: Path) -> None:
    """Two names in the list that point to the bytes of one file."""
    content = bytearray(sound.read_bytes())
    at = content.find(b"PK\x01\x02")
    first = content[at + 42 : at + 46]
    following = content.find(b"PK\x01\x02", at + 4)
    content[following + 42 : following + 46] = first
    path.write_bytes(content)


def flipped(sound: Path, path: Path) -> None:
    content = bytearray(sound.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)


def long_list(sound: Path, path: Path) -> None:
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**31, 4, 0)
    path.write_bytes(b"PK\x03\x04" + end)


HOSTILE: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "no zip": (lambda _, p: p.write_bytes(b"no zip at all"), "not a whole zip file"),
    "empty": (lambda _, p: p.write_bytes(b""), "not a whole zip file"),
    "cut off": (lambda s, p: p.write_bytes(s.read_bytes()[:-300]), "not a whole zip file"),
    "another zip": (lambda _, p: zipfile.ZipFile(p, "w").close(), "no manifest.json"),
    "a path upwards": (with_entry("../../evil.json"), "no bundle of sd_bench holds"),
    "an absolute path": (with_entry("/etc/cron.d/evil"), "no bundle of sd_bench holds"),
    "a path upwards inside": (with_entry("sweep-0/../../round-0.json"), "no bundle of sd_bench"),
    "a name that clears the screen": (with_entry("\x1b[2J"), "no bundle of sd_bench holds"),
    "a link": (link, "is not a file but a link"),
    "a name twice": (with_entry("manifest.json"), "two files of one name"),
    "a record too large": (with_entry("sweep-0/0/round-9.json", bytes(2**26 + 1)), "bytes, where"),
    "a bomb": (with_entry("sweep-0/0/round-9-latents.npy", bytes(2**27)), "once unpacked"),
    "a file that is not listed": (with_entry("sweep-0/0/round-9.json"), "lists other files"),
    "a list of 2 GB": (long_list, "its list of contents has"),
    "overlapping files": (overlapping, "overlaps another file|damaged"),
    "a changed record": (lambda s, p: rewrite(s, p, changed_record).close(), "is damaged at"),
    "a flipped bit": (flipped, "is damaged"),
    "a newer version": (with_manifest(version=99), "update it"),
    "another format": (with_manifest(format="else"), "is not a bundle of sd_bench"),
    "a manifest of another type": (with_manifest(files=[1]), "is not a bundle of sd_bench"),
    "a manifest of too much": (with_manifest(more=[[]] * 1_100_000), "more than any bundle's"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_not_a_bundle_is_refused_in_one_line(
    kind: str, sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, words = HOSTILE[kind]
    bundle = tmp_path / "theirs.zip"
    make(sound, bundle)
    assert main([str(bundle)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"analysis: {bundle}: ")
    assert printed.err.count("\n") == 1
    assert printed.err[:-1].isprintable()
    assert any(each in printed.err for each in words.split("|")), printed.err
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.zip"]


def test_too_many_files_are_refused(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("analysis.bundles.unpacking.MOST_ENTRIES", 3)
    again = tmp_path / "again.zip"
    rewrite(sound, again).close()
    assert main([str(again)]) == 2
    assert "3 at most are read" in capsys.readouterr().err


def test_bundles_of_several_people_are_one_report_with_a_section_for_each_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.cli.commands.select_charts", lambda rounds, deltas: {})
    devices = {"one": "AMD EPYC", "two": "AMD EPYC", "three": "NVIDIA H100 80GB HBM3"}
    places = []
    for name, device in devices.items():
        environment = sample_environment(fingerprint=name, device=device)
        folder = write_sweep(tmp_path / name, SECONDS, environment=environment)
        places.append(folder if name == "three" else pack([folder], tmp_path / f"{name}.zip").path)
    out = tmp_path / "report"
    assert main([*map(str, places), "--out", str(out)]) == 0
    output = capsys.readouterr().out
    assert "resume=true" not in output
    page = (out / "report.html").read_text(encoding="utf-8")
    for machine in ("EPYC (1)", "EPYC (2)", "H100 80GB HBM3"):
        assert f">{machine}</h3>" in page, machine
        assert f"{machine}: its environments" in page
    assert "sd_bench-bundle-" not in page
    text = (out / "report.md").read_text(encoding="utf-8")
    assert text.count(": against attention=math") == 3


def test_results_of_a_bundle_go_beside_it_and_its_records_are_named_by_it(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.cli.commands.select_charts", lambda rounds, deltas: {})
    bundle = tmp_path / "theirs.sdbench.zip"
    bundle.write_bytes(sound.read_bytes())
    assert main([str(bundle)]) == 0
    assert (tmp_path / "theirs-analysis" / "report.html").is_file()

    def torn(files: dict[str, bytes]) -> None:
        name = next(name for name in files if name.endswith("round-5.json"))
        files[name] = b"{}"
        manifest = json.loads(files["manifest.json"])
        manifest["files"][name] = hashlib.sha256(b"{}").hexdigest()
        files["manifest.json"] = json.dumps(manifest).encode()

    other = tmp_path / "torn.zip"
    rewrite(sound, other, torn).close()
    assert main([str(other)]) == 0
    err = capsys.readouterr().err
    assert f"left out: {other}/sweep-0/" in err
    assert "sd_bench-bundle-" not in err


def test_the_limits_hold_the_largest_bundle_that_is_packed() -> None:
    assert layout.LARGEST_MANIFEST > layout.MOST_ENTRIES * 130
    assert layout.MOST_IN_MANIFEST > layout.MOST_ENTRIES * 2
