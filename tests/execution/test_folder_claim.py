"""One job per folder at a time, by a file that works on storage shared by many machines."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from sd_bench.errors import ConfigError
from sd_bench.execution.folder_claim import (
    CLAIM_FILE,
    VARIABLE,
    Holder,
    LostClaimError,
    Process,
    check_not_anothers,
    holder_of,
    living_holder,
    take_claim,
)
from sd_bench.execution.sweep_folder import locked

ELSEWHERE = Process(host="another machine", pid=1)


def write_claim(folder: Path, process: Process, beat: int = 0) -> None:
    holder = Holder(job="job 7", node="n7", token="7", process=process, beat=beat)
    (folder / CLAIM_FILE).write_bytes(msgspec.json.encode(holder))


def gone_process() -> Process:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return Process(host=Process.this().host, pid=ended.pid)


def test_a_claim_says_whose_the_folder_is_until_it_is_given_back(tmp_path: Path) -> None:
    claim = take_claim(tmp_path, "job 1", "n1", patience_s=1, waiting=print)
    found = holder_of(tmp_path)
    assert found is not None
    assert (found.job, found.node, found.process) == ("job 1", "n1", Process.this())
    claim.beat()
    after = holder_of(tmp_path)
    assert after is not None
    assert after.beat == 1
    claim.release()
    assert holder_of(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_the_claim_of_a_process_that_is_gone_is_taken_at_once(tmp_path: Path) -> None:
    write_claim(tmp_path, gone_process())
    assert living_holder(tmp_path) is None
    began = time.monotonic()
    claim = take_claim(tmp_path, "job 2", "n2", patience_s=60, waiting=pytest.fail)
    assert time.monotonic() - began < 30
    claim.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_claim_of_another_machine_is_taken_once_it_gives_no_sign_of_life(tmp_path: Path) -> None:
    write_claim(tmp_path, ELSEWHERE)
    said: list[str] = []
    take_claim(tmp_path, "job 2", "n2", patience_s=1.5, waiting=said.append).release()
    assert said == ["job 7"]


@pytest.mark.slow
def test_a_claim_that_beats_is_kept(tmp_path: Path) -> None:
    write_claim(tmp_path, ELSEWHERE)
    beating = threading.Timer(0.5, write_claim, (tmp_path, ELSEWHERE, 1))
    beating.start()
    with pytest.raises(ConfigError, match="job 7 works there"):
        take_claim(tmp_path, "job 2", "n2", patience_s=60, waiting=lambda _: None)
    beating.join()


def test_a_holder_that_was_taken_for_dead_finds_out(tmp_path: Path) -> None:
    first = take_claim(tmp_path, "job 1", "n1", patience_s=1, waiting=print)
    write_aside = tmp_path / "aside"
    (tmp_path / CLAIM_FILE).rename(write_aside)
    second = take_claim(tmp_path, "job 2", "n2", patience_s=1, waiting=print)
    with pytest.raises(LostClaimError):
        first.beat()
    first.release()
    assert holder_of(tmp_path) is not None, "it is the other's"
    second.release()


@pytest.mark.slow
def test_only_one_of_many_gets_a_folder(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from sd_bench.errors import ConfigError
from sd_bench.execution.folder_claim import take_claim
try:
    claim = take_claim(Path(sys.argv[1]), "a job", "a node", 5, lambda owner: None)
    for _ in range(40):
        time.sleep(0.1)
        claim.beat()
    print("mine")
except ConfigError:
    print("another's")
"""
    write_claim(tmp_path, gone_process())
    command = [sys.executable, "-c", code, str(tmp_path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=100)[0].strip() for process in started]
    assert sorted(said) == ["another's"] * 3 + ["mine"]


def test_a_command_works_in_a_folder_that_its_own_job_has_claimed_and_in_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = take_claim(tmp_path, "job 1", "n1", patience_s=1, waiting=print)
    with pytest.raises(ConfigError, match="job 1 works there"), locked(tmp_path):
        pass
    monkeypatch.setenv(VARIABLE, claim.token)
    assert check_not_anothers(tmp_path)
    with locked(tmp_path):
        pass
    claim.release()
    assert not check_not_anothers(tmp_path)
    assert os.environ[VARIABLE] == claim.token
