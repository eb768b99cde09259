"""Whatever a worker leaves behind becomes a separate row, and the sweep goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from sd_bench.execution.worker_output import OutputLog, Reports
from tests.support.commands import SMOKE, Command, Inject, records

#: What the round with each seed does instead of measuring, and the reason in its record.
FAULTS = {
    1: ("os._exit(0)", "wrote no record"),
    2: ("path.write_text('{\"schema_version\": '); os._exit(0)", "no readable record"),
    3: ("path.write_bytes(b'\\xff' * 9); os._exit(0)", "no readable record"),
    4: ("path.write_text('[' * 100_000); os._exit(0)", "no readable record"),
    5: ("leave(round=7); os._exit(0)", "is of another round: its round"),
    6: ("leave(cell_hash='0' * 16); os._exit(0)", "is of another round: its cell_hash"),
    7: ("leave(status='ok', reason=None); os._exit(0)", "is ok, but lacks times"),
    8: ("leave(status='timeout'); os._exit(0)", "which a worker never reports"),
    9: ("os.mkfifo(path); os._exit(0)", "is not a file"),
    10: ("path.mkdir(); os._exit(0)", "is not a file"),
    11: ("os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 2**33); os._exit(0)", "8589934592"),
    12: ("os.write(report_fd, b'\\xff\\xfe\\n'); time.sleep(99)", "report pipe"),
    13: ("report({'phase': 5}); time.sleep(99)", "report pipe"),
    14: ("report({'phase': '\\x1b[2J'}); time.sleep(99)", "report pipe"),
    15: ("os.write(report_fd, b'x' * 2**22); time.sleep(99)", "report pipe"),
    16: ("os._exit(74)", "exit code 74"),
    17: ("os._exit(78)", "exit code 78"),
    18: ("report({'environment': {'fingerprint': 'x'}}); os._exit(78)", "exit code 78"),
    19: ("report({'kept': True}); os._exit(1)", "wrote no record"),
    20: ("raise SystemExit('no')", "exit code 1"),
    21: (
        "for _ in range(300): os.write(1, b'x' * 2**20)\nprint('end', flush=True)\nos.abort()",
        "SIGABRT",
    ),
    22: ("os.kill(os.getpid(), 40)", "signal 40"),
    23: (
        "if os.fork() == 0:\n    os.setsid(); time.sleep(120); os._exit(0)\nos.abort()",
        "SIGABRT",
    ),
}
FLOOD = 21  # fmt: skip
INJECTED = """\
import json, os, pathlib, time
asked = json.loads(os.pread(0, 2**20, 0))
path = pathlib.Path(asked["folder"], f"round-{{asked['round']}}.json")
report_fd = globals().get("report_fd", asked["report_fd"])  # a forked worker has its own
def report(message):
    os.write(report_fd, (json.dumps(message) + "\\n").encode())
def leave(**changes):
    from msgspec.structs import replace
    from sd_bench.config.conversion import from_dict
    from sd_bench.execution.worker import blank_record
    from sd_bench.records import write_record
    given = [asked[name] for name in ("sweep", "job", "round", "position")]
    write_record(path, replace(blank_record(from_dict(asked["config"]), *given), **changes))
fault = {faults!r}.get(asked["config"]["workload"]["seed"])
if fault is not None:
    exec(fault[0])
"""


@pytest.mark.slow
def test_each_fault_is_a_crashed_row_and_the_sweep_goes_on(
    command: Command, inject: Inject, worker: str, tmp_path: Path
) -> None:
    inject(INJECTED.format(faults=FAULTS))
    seeds = ",".join(map(str, (*FAULTS, 0)))
    done = command("-m", *SMOKE, worker, "attention=original", f"workload.seed={seeds}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    found = {r.config["workload"]["seed"]: r for r in records(tmp_path)}
    assert found[0].status == "ok"
    for seed, (fault, reason) in FAULTS.items():
        assert found[seed].status == "crashed", fault
        assert reason in (found[seed].reason or ""), fault
    flooded = found[FLOOD]
    assert flooded.failure is not None
    assert flooded.failure.detail.endswith("end\n")
    (log,) = (tmp_path / "sweep" / flooded.job).glob("round-*.log")
    assert log.stat().st_size < 2**25
    assert b"bytes left out]" in log.read_bytes()
    assert len(list((tmp_path / "sweep").rglob("unreadable-*"))) == 10


def test_a_log_holds_all_of_a_little_and_both_ends_of_much(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "little.log")
    for line in (b"first\n", b"\xff\n", b"last\n"):
        with open(log.write_fd, "wb", closefd=False) as stream:
            stream.write(line)
        log.drain()
    log.close_write_end()
    log.close()
    assert (tmp_path / "little.log").read_bytes() == b"first\n\xff\nlast\n"
    assert log.last(7) == "�\nlast\n"


def test_reports_end_with_the_first_that_is_none() -> None:
    reports = Reports()
    with open(reports.write_fd, "wb", closefd=False) as stream:
        stream.write(b'{"phase": "build"}\n{"kept": true}\nnonsense\n{"phase": "warm up"}\n')
    reports.close_write_end()
    assert reports.hear() == ["build"]
    assert reports.is_kept
    assert reports.fault == "its report pipe holds b'nonsense', which a worker never sends"
    reports.close()
