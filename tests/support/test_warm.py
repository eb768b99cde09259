"""A forked command is as one in a fresh interpreter, or it is not forked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import REPOSITORY, SMOKE, records
from tests.support.warm import run_fresh, run_warm

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
PROBE = """
import os, signal, sys, threading
from pathlib import Path
print(sys.argv, sys.orig_argv[1:], sys.path[0], Path.cwd(), __name__, __file__)
print(sys.stdin.read(), os.environ.get("COLUMNS"), os.environ.get("PYTEST_CURRENT_TEST"))
print(sorted(os.listdir("/proc/self/fd"))[:3], threading.active_count(), sys.stdout.encoding)
print({s.name: str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)})
print("an error", file=sys.stderr)
exec(sys.argv[1])
"""


@pytest.mark.parametrize(
    "end",
    [
        "pass",
        "sys.exit()",
        "sys.exit(7)",
        "sys.exit('words')",
        "raise SystemExit(300)",
        "os._exit(3)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.kill(os.getpid(), signal.SIGINT)",
        "os.close(1)",
        "import atexit; atexit.register(print, 'at the end')",
    ],
)
def test_it_finds_and_leaves_what_a_fresh_one_does(tmp_path: Path, end: str) -> None:
    (tmp_path / "probe.py").write_text(PROBE)
    arguments = ("-m", "probe", end)
    warm = run_warm(*arguments, folder=tmp_path, environment=ENVIRONMENT, timeout=60)
    fresh = run_fresh(*arguments, folder=tmp_path, environment=ENVIRONMENT, timeout=60)
    assert warm is not None
    assert (warm.returncode, warm.stdout) == (fresh.returncode, fresh.stdout)
    assert _said(warm.stderr) == _said(fresh.stderr)
    assert "an error" in warm.stderr


def _said(text: str) -> list[str]:
    """Without the lines of a traceback, which begins in the server."""
    return [line for line in text.splitlines() if not line.startswith((" ", "Traceback"))]


def test_an_error_nobody_expected_ends_it_with_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text(PROBE)
    done = run_warm("-m", "probe", "1 / 0", folder=tmp_path, environment=ENVIRONMENT, timeout=60)
    assert done is not None
    assert done.returncode == 1
    assert done.stderr.startswith("an error\nTraceback (most recent call last):\n")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text(PROBE)
    arguments = ("-m", "probe", "import time; time.sleep(60)")
    with pytest.raises(subprocess.TimeoutExpired):
        run_warm(*arguments, folder=tmp_path, environment=ENVIRONMENT, timeout=0.5)
    again = run_warm("-m", "probe", "", folder=tmp_path, environment=ENVIRONMENT, timeout=60)
    assert again is not None
    assert again.returncode == 0


@pytest.mark.parametrize(
    "variables",
    [
        {"OMP_NUM_THREADS": "2"}, {"MALLOC_ARENA_MAX": "1"}, {"PYTHONIOENCODING": "ascii"},
        {"LD_PRELOAD": ""}, {"TORCHDYNAMO_DISABLE": "1"}, {"PYTHONPATH": str(REPOSITORY / "conf")},
    ],
)  # fmt: skip
def test_what_is_read_at_the_start_needs_a_fresh_one(variables: dict[str, str]) -> None:
    arguments = ("-m", "sd_bench", "--version")
    environment = {**ENVIRONMENT, **variables}
    assert run_warm(*arguments, folder=REPOSITORY, environment=environment, timeout=60) is None


def test_its_rounds_measure_the_same_in_the_same_environment(tmp_path: Path) -> None:
    found = []
    for name, run in (("warm", run_warm), ("fresh", run_fresh)):
        folder = tmp_path / name
        done = run(
            "-m", "sd_bench", f"hydra.sweep.dir={folder / 'sweep'}", *SMOKE, "attention=original",
            folder=REPOSITORY, environment=ENVIRONMENT, timeout=200,
        )  # fmt: skip
        assert done is not None
        assert done.returncode == 0, done.stderr
        found += records(folder)
    warm, fresh = found
    assert warm.environment["fingerprint"] == fresh.environment["fingerprint"]
    assert warm.environment["worker"] == fresh.environment["worker"] == {"kind": "spawn"}
    assert warm.output is not None
    assert fresh.output is not None
    assert warm.output.latents_sha256 == fresh.output.latents_sha256
    assert warm.times is not None
    assert fresh.times is not None
    assert warm.times.import_s < fresh.times.import_s / 2, "it was not forked"
