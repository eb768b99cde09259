"""The job that a scheduler runs on a node: an ordinary sweep over the cells of one group."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from sd_bench.cluster.folders import (
    Ended,
    GroupFolders,
    StoredGroup,
    count_records,
    read_nodes,
    read_progress,
    write_ended,
    write_nodes,
)
from sd_bench.errors import ConfigError
from sd_bench.execution.folder_claim import VARIABLE, FolderClaim, LostClaimError, take_claim
from sd_bench.execution.sweep_folder import CLAIM
from sd_bench.paths import IS_CHECKOUT, PACKAGE_DIR, folder_argument
from sd_bench.records.sweep_file import is_sweep

#: Ends a sweep's command after the rounds under way.
END_SIGNAL = signal.SIGUSR1
#: Exit codes of a command that was refused or interrupted.
_REFUSED, _INTERRUPTED = 2, 130
#: Exit codes of a command that has run all rounds, failed ones included.
_RUN_TO_THE_END = (0, 1)
_BEAT_S = 1.0
_LOOK_S = 0.2
#: How long an interrupted command may take to end its workers.
_INTERRUPT_S = 10.0
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """The job and the node of this process; ``job`` names the scheduler."""

    job: str
    node: str


class GroupJob:
    """Measures the group ``name`` of the sweep in the folder ``sweep``: call it in the job.

    Calling it returns the exit code of the sweep's command. SIGUSR2 (a time limit is near, or the
    job is preempted) ends the command after the round under way, SIGTERM at once; the next job runs
    the remaining rounds. submitit uses ``checkpoint`` to requeue the job.
    """

    def __init__(self, sweep: str, name: str) -> None:
        self.sweep = sweep
        self.name = name

    def __call__(self) -> int:
        folders = GroupFolders(Path(self.sweep), self.name)
        group, here = folders.read(), find_here()
        folder = folders.sweep_of(here.node, group.nodes)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            claim = take_claim(folder, here.job, here.node, group.patience_s, _say_waiting)
        except ConfigError as error:
            print(f"sd_bench: {error}; this job has nothing to do", flush=True)
            return 0
        try:
            return _run(group, folder, here, claim)
        finally:
            claim.release()

    def checkpoint(self) -> object:
        """The job that submitit queues again: the same one."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(GroupJob(self.sweep, self.name))


def find_here() -> Here:
    """The job of this process: Slurm's, by its variables, else a task of Ray's."""
    node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    if (job := os.environ.get("SLURM_JOB_ID")) is not None:
        return Here(job=f"job {job} of Slurm", node=node)
    return Here(job=f"a job of Ray (process {os.getpid()} on {node})", node=node)


def _say_waiting(owner: str) -> None:
    print(f"sd_bench: {owner} holds this folder; waiting for its heartbeat", flush=True)


def _run(group: StoredGroup, folder: Path, here: Here, claim: FolderClaim) -> int:
    if why := _why_not_here(group, folder, here):
        print(f"sd_bench: {why}", flush=True)
        _write_ended(folder, here, _REFUSED, why)
        return _REFUSED
    nodes = read_nodes(folder)
    if here.node not in nodes:
        write_nodes(folder, [*nodes, here.node] if count_records(folder) else [here.node])
    words = folder / ".last_words"
    with words.open("w+", encoding="utf-8", errors="replace") as stream:
        command = _command(group, folder)
        print(f"sd_bench: {here.job} on {here.node}: {' '.join(command)}", flush=True)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=stream, env=_environment(claim)
        )
        code = _follow(process, claim)
        reason = _last_line(stream)
    words.unlink(missing_ok=True)
    if code >= 0 and code != _INTERRUPTED:
        _write_ended(folder, here, code, reason)
    return code


def _write_ended(folder: Path, here: Here, code: int, last_words: str) -> None:
    progress = read_progress(folder)
    is_complete = code in _RUN_TO_THE_END and progress is not None and progress.is_complete
    reason = "" if is_complete else last_words
    ended = Ended(
        exit_code=code, is_complete=is_complete, job=here.job, node=here.node, reason=reason
    )
    write_ended(folder, ended)


def _why_not_here(group: StoredGroup, folder: Path, here: Here) -> str | None:
    """Why this node may not continue the rounds, or None: they were started on another one."""
    nodes = read_nodes(folder)
    if not group.same_node or here.node in nodes or not nodes or not count_records(folder):
        return None
    return (
        f"this is {here.node}, and {group.name} was started on {nodes[-1]}: resume sends it there "
        "(hydra.launcher.same_node=false measures the rest on this node)"
    )


def _command(group: StoredGroup, folder: Path) -> list[str]:
    resumes = is_sweep(folder) or any(folder.rglob(CLAIM))
    return [
        sys.executable, "-m", "sd_bench", *group.arguments, folder_argument(folder),
        *(["resume=true"] if resumes else []),
        *([] if group.same_node else ["mix_environments=true"]),
    ]  # fmt: skip


def _environment(claim: FolderClaim) -> dict[str, str]:
    environment = {**os.environ, VARIABLE: claim.token}
    environment.pop("HYDRA_FULL_ERROR", None)  # the submitting command's
    if IS_CHECKOUT:
        paths = [str(PACKAGE_DIR.parent), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment


def _follow(process: subprocess.Popen[bytes], claim: FolderClaim) -> int:
    """Wait for the command to end and return its exit code; pass the scheduler's signals on.

    Raises SystemExit if the job was cancelled, and what submitit raises to requeue it.
    """
    with _noted(signal.SIGTERM) as cancelled, _noted(signal.SIGUSR2) as warned:
        has_passed_on, beats_at = False, time.monotonic()
        while process.poll() is None:
            time.sleep(_LOOK_S)
            if cancelled.is_set:
                _interrupt(process)
                raise SystemExit(128 + signal.SIGTERM)
            if warned.is_set and not has_passed_on:
                print("sd_bench: the time is nearly up: ending after this round", flush=True)
                process.send_signal(END_SIGNAL)
                has_passed_on = True
            if time.monotonic() >= beats_at:
                beats_at = time.monotonic() + _BEAT_S
                if not _beats(claim):
                    return _interrupt(process)
    if has_passed_on and process.returncode == _INTERRUPTED and callable(warned.before):
        claim.release()
        warned.before(signal.SIGUSR2, None)  # submitit's: queue the job again
    return process.returncode


def _beats(claim: FolderClaim) -> bool:
    try:
        claim.beat()
    except LostClaimError as error:
        print(f"sd_bench: {error}: ending here", flush=True)
        return False
    return True


@dataclass(slots=True)
class _Noted:
    """Whether a signal has arrived, and its handler ``before``."""

    before: object = None
    is_set: bool = False

    def note(self, number: int, frame: FrameType | None) -> None:
        self.is_set = True


@contextmanager
def _noted(number: int) -> Iterator[_Noted]:
    """Note a signal instead of obeying it; does nothing outside a process's main thread."""
    noted = _Noted()
    try:
        noted.before = signal.getsignal(number)
        signal.signal(number, noted.note)
    except ValueError:
        yield noted
        return
    try:
        yield noted
    finally:
        signal.signal(number, noted.before)


def _interrupt(process: subprocess.Popen[bytes]) -> int:
    """End the command as Ctrl-C does, by force if it takes too long; its workers end with it."""
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(_INTERRUPT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _last_line(stream: IO[str]) -> str:
    """The command's last line on stderr; all of it is copied to this process's stderr."""
    stream.seek(0)
    text = stream.read()
    sys.stderr.write(text)
    sys.stderr.flush()
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("sd_bench: ")[:_LONGEST_REASON] if lines else ""
