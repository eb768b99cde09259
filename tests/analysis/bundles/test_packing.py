"""Bundles contain what was measured and nothing personal, and list what was replaced."""

from __future__ import annotations

import json
import platform
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from msgspec import structs

from analysis import compare, load
from analysis.__main__ import main
from analysis.bundles.packing import pack
from sd_bench.records import Failure, Looks, Output, Record
from tests.support.records import sample_environment, sample_record, write_sample, write_sweep

SECONDS = {(1, "flash"): [1.0, 1.1], (1, "math"): [2.0, 2.1]}
PERSONAL = ("alice", "secretcorp", "node17", "bob")
GPU = "GPU-01234567-89ab-cdef-0123-456789abcdef"


def personal_record() -> Record:
    """A record with personal data in choices, environment, warnings and failures."""
    environment = sample_environment() | {
        "interpreter": "/home/alice/venv/bin/python3.10",
        "variables": {
            "LD_LIBRARY_PATH": "/usr/lib/x86_64-linux-gnu:/home/alice/cuda/lib64",
            "TORCH_HOME": "/mnt/secretcorp/torch cache",
        },
        "device_instance": {"uuid": GPU},
        "host": {
            "os": "Linux-6.1 on node17.cluster.example",
            "lock_folder": "/scratch/alice/locks",
        },
    }
    trace = (
        'Traceback:\n  File "/home/alice/my code/sd_bench/worker.py", line 3\n'
        "OSError: ~/models/x.ckpt of alice@node17.cluster: see https://pytorch.org/docs/stable"
    )
    return sample_record(
        status="failed",
        reason="alice: no room in /home/alice/tmp",
        environment=environment,
        sweep="alice/first",
        config={
            "weights": "/data/secretcorp/My Models/cats.safetensors",
            "prompt": "a cat, 1/2 of it",
            "attention": {"backend": "flash"},
        },
        extra={
            "failure": Failure(type="OSError", message="of bob", detail=trace),
            "warnings": [f"others on the GPU ({GPU}): python of Bob"],
            "looks": Looks(
                rule="r", looks=[6], error=0.05, reserve=0.2, family=1,
                baseline="attention=flash", margin=0.01, asked_by=0,
            ),
        },
    )  # fmt: skip


@pytest.fixture
def as_alice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "alice")
    monkeypatch.setattr(platform, "node", lambda: "node17.cluster.example")


def contents(bundle: Path) -> dict[str, str]:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name).decode("latin-1") for name in archive.namelist()}


def test_the_analysis_of_a_bundle_is_that_of_the_folder(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "runs", SECONDS, changes={(1, "math"): 0.1})
    packed = pack([folder], tmp_path / "b.sdbench.zip")
    same = ["attention", "speedup", "cell_s", "verdict", "parity", "rounds", "machine"]
    own, theirs = (compare(load(place))[same] for place in (folder, packed.path))
    pd.testing.assert_frame_equal(own, theirs)
    assert own["parity"].max() == pytest.approx(0.1 / 1.1, rel=0.2)
    assert packed.manifest.sweeps["sweep-0"].records == 4


def test_the_same_records_give_the_same_file(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "runs", SECONDS)
    bundles = [pack([folder], tmp_path / name).path.read_bytes() for name in ("a.zip", "b.zip")]
    assert bundles[0] == bundles[1]


@pytest.mark.parametrize(("latents", "files"), [("first", 2), ("none", 0), ("all", 4)])
def test_latents_are_packed_where_wanted(tmp_path: Path, latents: str, files: int) -> None:
    folder = write_sweep(tmp_path / "runs", SECONDS)
    found = contents(pack([folder], tmp_path / "b.zip", latents).path)
    assert sum(name.endswith(".npy") for name in found) == files
    assert sum("/round-" in name and name.endswith(".json") for name in found) == 4


@pytest.mark.usefixtures("as_alice")
def test_nothing_personal_is_in_a_bundle_and_all_else_is(tmp_path: Path) -> None:
    write_sample(tmp_path / "runs", personal_record())
    packed = pack([tmp_path / "runs"], tmp_path / "b.zip", words=["Bob"])
    found = contents(packed.path)
    for name, text in found.items():
        for word in (*PERSONAL, GPU, "My Models", "my code", "/scratch", "~/"):
            assert word.lower() not in text.lower(), (word, name, text)
    record = json.loads(found["sweep-0/0/round-0.json"])
    assert record["config"]["weights"] == "<folder>/cats.safetensors"
    assert record["config"]["prompt"] == "a cat, 1/2 of it"
    assert record["environment"]["interpreter"] == "<folder>/python3.10"
    libraries = record["environment"]["variables"]["LD_LIBRARY_PATH"]
    assert libraries == "/usr/lib/x86_64-linux-gnu:<folder>"
    assert 'File "<folder>/worker.py", line 3' in record["failure"]["detail"]
    assert "<folder>/x.ckpt of <user>@<host>" in record["failure"]["detail"]
    assert "https://pytorch.org/docs/stable" in record["failure"]["detail"]
    assert record["reason"] == "<user>: no room in <folder>"
    assert record["sweep"] == "<user>/first"
    assert re.search(r"GPU-[0-9a-f]{8}\)", record["warnings"][0])
    assert record["looks"]["baseline"] == "attention=flash"


@pytest.mark.usefixtures("as_alice")
def test_what_was_replaced_is_listed_for_the_packer_by_name_and_for_others_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sample(tmp_path / "runs", personal_record())
    monkeypatch.chdir(tmp_path)
    assert main(["bundle", "runs", "--replace", "bob"]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "by <user>: alice" in output
    assert "by <folder>: /data/secretcorp/My Models/" in output
    assert "by <word>: Bob" in output
    assert output.endswith("MB, in runs.sdbench.zip")
    manifest = json.loads(contents(tmp_path / "runs.sdbench.zip")["manifest.json"])
    replaced = {each["what"]: each for each in manifest["replaced"]}
    assert replaced.keys() == {
        "address", "host name", "number of a GPU", "path", "user name", "word that was named",
    }  # fmt: skip
    assert "failure.detail" in replaced["path"]["fields"]
    assert replaced["user name"]["times"] >= 2


def test_a_user_named_like_a_choice_changes_no_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "flash")
    folder = write_sweep(tmp_path / "runs", SECONDS)
    deltas = compare(load(pack([folder], tmp_path / "b.zip").path), "attention=math")
    assert set(deltas["attention"]) == {"flash", "math"}
    assert deltas["speedup"].max() == pytest.approx(2, rel=0.1)


def test_sweeps_and_cells_of_any_name_get_numbers(tmp_path: Path) -> None:
    for sweep, job in (("x/secret", "a"), ("x/secret", "7"), ("y/other", "a")):
        record = structs.replace(sample_record(1.0, sweep=sweep, attention="math"), job=job)
        write_sample(tmp_path, structs.replace(record, cell_hash=f"{sweep}{job}"))
    names = [n for n in contents(pack([tmp_path], tmp_path / "b.zip").path) if "round" in n]
    assert [n for n in names if n.endswith(".json")] == [
        "sweep-0/7/round-0.json", "sweep-0/8/round-0.json", "sweep-1/0/round-0.json",
    ]  # fmt: skip


def test_a_record_of_a_packed_one_cannot_lead_to_other_files(tmp_path: Path) -> None:
    """Latents are read beside their record, whatever path it gives."""
    record = sample_record(1.0)
    assert isinstance(record.output, Output)
    elsewhere = structs.replace(record.output, latents_file="../../../etc/passwd")
    path = write_sample(tmp_path, structs.replace(record, output=elsewhere))
    assert load(tmp_path)["latents_path"].tolist() == [str(path.with_name("passwd"))]


def test_nothing_to_pack_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for argument in ("empty", "not-there"):
        assert main(["bundle", str(tmp_path / argument), "--out", str(tmp_path / "b.zip")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "b.zip").exists()
