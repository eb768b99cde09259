"""``sd_bench.run``: the sweep of the command, from any thread of any program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from PIL import Image

import analysis
import sd_bench
from sd_bench.api.frame import RecordRow
from sd_bench.records.sweep_file import started_with
from sd_bench.verdicts.axes import AXES, PICTURE_AXES
from tests.support.command_lines import run_here
from tests.support.commands import REPOSITORY, SMOKE

MATRIX = ("attention=original,math", *SMOKE, "protocol.rounds=2", "precision=fp32")
#: A program without a guard, whose sweep would take minutes.
ENDLESS = "import sd_bench, sys; sd_bench.run(*sys.argv[1:], 'protocol.rounds=1000')"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run") / "sweep"


@pytest.fixture(scope="module")
def rounds(folder: Path) -> pd.DataFrame:
    """A sweep that is run in a thread of a program that uses Hydra itself."""
    theirs = folder.parent / "theirs"
    theirs.mkdir()
    (theirs / "app.yaml").write_text("colour: red\n")
    ConfigStore.instance().store(name="schema", node={"theirs": True})
    with initialize_config_dir(str(theirs), version_base="1.3"):
        before = GlobalHydra.instance().hydra
        with ThreadPoolExecutor() as threads:
            found = threads.submit(sd_bench.run, *MATRIX, f"hydra.sweep.dir={folder}").result()
        assert GlobalHydra.instance().hydra is before
        assert compose("app").colour == "red"
    assert ConfigStore.instance().load("schema.yaml").node == {"theirs": True}
    return found


@pytest.mark.slow
def test_it_gives_what_is_in_the_records(rounds: pd.DataFrame, folder: Path) -> None:
    records = [sd_bench.read_record(path) for path in sd_bench.find_records(folder)]
    assert len(rounds) == len(records) == 4
    assert list(rounds["status"]) == ["ok"] * 4
    for row in rounds.to_dict("records"):
        record = sd_bench.read_record(Path(row["path"]))
        assert row["runtime_s"] == record.runtime_s
        assert row["attention"] == record.choices["attention"]
        assert record.times is not None
        assert row["images_per_s"] * row["runtime_s"] == pytest.approx(1)
        assert row["denoise_s"] == record.times.iterations[0].denoise_s
    assert list(rounds.columns) == [*RecordRow.__dataclass_fields__]
    assert set(rounds["sweep_folder"]) == {str(folder.resolve())}


@pytest.mark.slow
def test_every_choice_that_changes_a_time_is_a_column(rounds: pd.DataFrame) -> None:
    """``upcast`` follows from attention and model; the picture's own choices change no time."""
    assert {*AXES} - {"upcast", *PICTURE_AXES} <= {*rounds.columns}
    assert (rounds["threads"] == "auto").all()


@pytest.mark.slow
def test_its_rounds_are_interleaved_and_its_folder_is_that_of_a_command(
    rounds: pd.DataFrame, folder: Path
) -> None:
    assert list(rounds["round"]) == [0, 0, 1, 1]
    assert list(rounds["position"]) == [0, 1, 2, 3]
    assert set(rounds["attention"][:2]) == set(rounds["attention"][2:]) == {"original", "math"}
    assert started_with(folder) == ["-m", *MATRIX]
    assert (folder / "multirun.yaml").is_file()


@pytest.mark.slow
def test_it_goes_on_with_a_sweep_and_prints_nothing_where_nobody_reads(
    rounds: pd.DataFrame, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    again = sd_bench.run("resume=true", f"hydra.sweep.dir={folder}", progress=False)
    pd.testing.assert_frame_equal(again, rounds)
    assert capfd.readouterr() == ("", "")


def test_a_dry_run_says_what_would_run_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sd_bench.run(*MATRIX, "dry_run=true").empty
    assert "4 round(s) to run" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["attention=flsh"],
        ["batch_size=3"],
        ["workload.typo=1"],
        ["resume=true"],
        ["prompt=[a"],
        ["hydra.sweep.dir=/proc/nowhere", "gpu=cpu"],
        ["hydra.searchpath=[file:///no/such/folder]"],
        ["model_version=sd2_768", "gpu=cpu", "dry_run=true"],
    ],
)
def test_a_wrong_override_has_the_line_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    there = tmp_path / "command"
    there.mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(sd_bench.ConfigError) as refused:
        sd_bench.run(*arguments)
    assert run_here(["-m", *arguments], there).err == f"sd_bench: {refused.value}\n"


@pytest.mark.parametrize(
    ("argument", "words"),
    [("-m", "is a flag"), ("--cfg=job", "is a flag"), ("hydra/launcher=basic", "command line")],
)
def test_what_only_a_command_line_can_do_is_refused(argument: str, words: str) -> None:
    with pytest.raises(sd_bench.ConfigError, match=words):
        sd_bench.run(argument)
    with pytest.raises(TypeError, match="write overrides as strings"):
        sd_bench.run(["batch_size=1"])  # type: ignore[arg-type]


@pytest.mark.slow
def test_an_interrupted_program_leaves_what_it_measured_and_says_where(tmp_path: Path) -> None:
    sweep = tmp_path / "a sweep"
    command = [sys.executable, "-c", ENDLESS, *SMOKE, f"hydra.sweep.dir='{sweep}'"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, start_new_session=True,
    ) as program:  # fmt: skip
        while not (sweep / "0" / "round-1.json").exists():
            assert program.poll() is None, program.communicate()
            time.sleep(0.05)
        program.send_signal(signal.SIGINT)
        _, output = program.communicate(timeout=60)
    last = output.splitlines()[-1]
    assert "SweepInterrupted: the records of finished rounds are in" in last, output
    assert str(sweep) in last
    assert "continue with sd_bench.run('resume=true'" in last
    assert len([sd_bench.read_record(path) for path in sd_bench.find_records(sweep)]) >= 2


@pytest.mark.slow
def test_the_analysis_takes_its_table(rounds: pd.DataFrame) -> None:
    loaded = analysis.load(rounds)
    assert sorted(loaded["runtime_s"]) == sorted(rounds["runtime_s"])
    deltas = analysis.compare(rounds, "attention=math")
    assert deltas["is_baseline"].sum() == 1
    assert set(deltas["verdict"]) == {"", "too few rounds"}


@pytest.mark.slow
def test_what_is_drawn_is_what_a_round_saves(rounds: pd.DataFrame) -> None:
    choices = [choice for choice in MATRIX if not choice.startswith(("attention", "protocol"))]
    first, second = sd_bench.generate(["A photo", "else"], "attention=math", *choices)
    path = Path(rounds[rounds["attention"] == "math"]["path"].iloc[0])
    with Image.open(path.with_name("round-0-image-0.png")) as saved:
        # One image and two may differ by a rounding of the last of 255 steps.
        apart = np.abs(np.asarray(saved, int) - np.asarray(first, int))
    assert apart.max() <= 1
    assert np.abs(np.asarray(second, int) - np.asarray(first, int)).max() > 1
    assert (second.info["prompt"], second.info["seed"]) == ("else", 2)


@pytest.mark.slow
def test_importing_it_is_cheap_and_needs_no_library_that_is_not_used() -> None:
    code = (
        "import sys; sys.modules.update(pandas=None, matplotlib=None, PIL=None)\n"
        "import sd_bench; assert callable(sd_bench.find_records)\n"
        "heavy = {'torch', 'hydra', 'numpy', 'omegaconf', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert callable(sd_bench.run) and callable(sd_bench.generate)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
