"""Kills, stops, floods and corrupts real sweeps repeatedly, and prints what was lost.

    python -m benchmarks.faults [--kills 17] [--stops 3] [--floods 3] [--corruptions 6] [--seed 0]
    python -m benchmarks.faults --ways "Ctrl-C" "a closed terminal" --stops 0 --floods 0

Small sweeps of a tiny model run one after another. ``--kills`` is the number for each of six ways:
SIGKILL to all processes, to the launcher alone and to the worker alone; Ctrl-C and a closed
terminal (SIGHUP) to all; SIGTERM to the launcher. ``--ways`` chooses among them. The moments are
seeded: times after the start, or when a record or its latents are being written. After each the
sweep is resumed until it is done. It must then have exactly one valid record per round, its
latents, and no leftover files; if not, the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from sd_bench.config.schema import WORKERS
from sd_bench.records import find_records
from tests.execution.kill_test import LONGEST_WAIT_S, Watched, kill_tree, run, tree
from tests.support.commands import INJECTED

_STOPPED_S = 3.0
_FLOOD_BYTES = 2**28
_LARGEST_LOG = 2**25
_LONGEST_END_S = 120.0
#: Both kinds of worker run this when they start: it prints 256 MB to standard output.
_FLOODING = f"""
import os
left = {_FLOOD_BYTES}
while left > 0:
    left -= os.write(1, b"x" * 65535 + b"\\n")
"""
End = Callable[[subprocess.Popen[bytes], str], bytes]
Hit = Callable[[Watched, random.Random], str]


def main() -> int:
    """Run the command; the exit code is 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=17, help="kills of each kind (default: 17)")
    parser.add_argument("--ways", nargs="+", choices=KILLS, default=[*KILLS], metavar="WAY")
    parser.add_argument("--stops", type=int, default=3)
    parser.add_argument("--floods", type=int, default=3)
    parser.add_argument("--corruptions", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", choices=WORKERS, default="spawn")
    options = parser.parse_args()
    trials: dict[str, Callable[[Path], str]] = {
        f"{options.kills} times {name}": partial(_killed, end, options)
        for name, end in KILLS.items()
        if options.kills and name in options.ways
    }
    for name, count, hit in (
        (f"{options.stops} times a worker stopped for {_STOPPED_S:g} s", options.stops, _stop),
        (f"{options.floods} times 256 MB printed by each worker", options.floods, _flood),
        (f"{options.corruptions} times a record corrupted", options.corruptions, _corrupt),
    ):
        if count:
            trials[name] = partial(_each, count, hit, options)
    lost = 0
    for name, trial in trials.items():
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                outcome = trial(Path(folder))
            except AssertionError as error:
                lost += 1
                outcome = f"LOST: {error}"
        print(f"{name}: {outcome}; {time.monotonic() - began:.0f} s", flush=True)
    return 1 if lost else 0


def _killed(end: End, options: argparse.Namespace, folder: Path) -> str:
    printed: Counter[str] = Counter()

    def end_and_count(launcher: subprocess.Popen[bytes], mark: str) -> bytes:
        output = end(launcher, mark)
        printed["tracebacks" if b"Traceback" in output else "no traceback"] += 1
        return output

    resume = ("resume=true", "retry_failed=true") if end is kill_worker else ("resume=true",)
    sweeps = run(
        folder, options.kills, options.seed, options.worker, lambda _: None, end_and_count, resume
    )
    counts = ", ".join(f"{count} with {words}" for words, count in sorted(printed.items()))
    return f"{sweeps} sweeps complete, none lost or torn ({counts})"


def kill_launcher(launcher: subprocess.Popen[bytes], mark: str) -> bytes:
    """SIGKILL to the launcher: its processes must end by themselves."""
    launcher.kill()
    return _ended(launcher, mark)


def kill_worker(launcher: subprocess.Popen[bytes], mark: str) -> bytes:
    """SIGKILL to all processes but the launcher, which continues with the other rounds."""
    _signal_all(mark, signal.SIGKILL, but=launcher.pid)
    return _ended(launcher, mark)


def interrupt(launcher: subprocess.Popen[bytes], mark: str) -> bytes:
    """Ctrl-C: the terminal signals all processes."""
    _signal_all(mark, signal.SIGINT)
    return _ended(launcher, mark)


def hang_up(launcher: subprocess.Popen[bytes], mark: str) -> bytes:
    """The terminal is closed, which signals all processes."""
    _signal_all(mark, signal.SIGHUP)
    return _ended(launcher, mark)


def terminate(launcher: subprocess.Popen[bytes], mark: str) -> bytes:
    """SIGTERM to the launcher, as from a batch system or ``kill``."""
    launcher.terminate()
    return _ended(launcher, mark)


KILLS: dict[str, End] = {
    "SIGKILL to all": kill_tree,
    "SIGKILL to the launcher": kill_launcher,
    "SIGKILL to the worker": kill_worker,
    "Ctrl-C": interrupt,
    "SIGTERM to the launcher": terminate,
    "a closed terminal": hang_up,
}


def _signal_all(mark: str, number: int, but: int | None = None) -> None:
    for process in tree(mark):
        if process != but:
            with suppress(ProcessLookupError):
                os.kill(process, number)


def _ended(launcher: subprocess.Popen[bytes], mark: str) -> bytes:
    """What the launcher has printed, once none of its processes is left."""
    output, _ = launcher.communicate(timeout=_LONGEST_END_S)
    deadline = time.monotonic() + 30
    while left := tree(mark):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.01)
    return output


def _each(count: int, hit: Hit, options: argparse.Namespace, folder: Path) -> str:
    rng = random.Random(options.seed)
    outcomes: Counter[str] = Counter()
    for index in range(count):
        mark = f"{os.getpid()}-{hit.__name__}-{index}"
        outcomes[hit(Watched(folder / str(index), mark, options.worker), rng)] += 1
    return ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())


def _to_its_end(watched: Watched) -> None:
    launcher = watched.start()
    output, _ = launcher.communicate()
    assert launcher.returncode == 0, output.decode(errors="replace")


def _stop(watched: Watched, rng: random.Random) -> str:
    launcher = watched.start()
    time.sleep(rng.uniform(0, LONGEST_WAIT_S))
    stopped = [process for process in tree(watched.mark) if process != launcher.pid]
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for process in stopped:
            with suppress(ProcessLookupError):
                os.kill(process, number)
        time.sleep(_STOPPED_S if number == signal.SIGSTOP else 0)
    output, _ = launcher.communicate()
    assert launcher.returncode == 0, output.decode(errors="replace")
    watched.check()
    return f"complete, {len(watched.seen)} records" if stopped else "complete, nothing to stop yet"


def _flood(watched: Watched, rng: random.Random) -> str:
    with _injected(_FLOODING):
        _to_its_end(watched)
    watched.check()
    largest = max((log.stat().st_size for log in watched.folder.rglob("*.log")), default=0)
    assert largest < _LARGEST_LOG, f"a log of {largest} bytes"
    return f"complete, {len(watched.seen)} records, no log above {_LARGEST_LOG >> 20} MB"


@contextmanager
def _injected(code: str) -> Iterator[None]:
    before = os.environ.get("PYTHONPATH")
    with tempfile.TemporaryDirectory() as site:
        Path(site, "sitecustomize.py").write_text(INJECTED.format(code=code))
        os.environ["PYTHONPATH"] = site
        try:
            yield
        finally:
            os.environ.pop("PYTHONPATH")
            if before is not None:
                os.environ["PYTHONPATH"] = before


def _corrupt(watched: Watched, rng: random.Random) -> str:
    """Cut, empty, overwrite or replace a record: only that round must be measured again."""
    _to_its_end(watched)
    watched.check_complete()
    path = rng.choice(sorted(watched.seen))
    content = watched.seen.pop(path)
    path.unlink()
    kind = rng.choice(("cut", "empty", "overwritten", "a folder", "a pipe"))
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        cut = content[: rng.randrange(1, len(content))]
        written = {"cut": cut, "empty": b"", "overwritten": b"\xff" * 9 + content[9:]}
        path.write_bytes(written[kind])
    _to_its_end(watched)
    watched.check()
    aside = [p.name for p in watched.folder.rglob("unreadable-*")]
    assert len(list(find_records(watched.folder))) == len(watched.seen), watched.seen
    assert aside, "what was there is gone"
    return f"{len(watched.seen)} records, the corrupt one set aside"


if __name__ == "__main__":
    sys.exit(main())
