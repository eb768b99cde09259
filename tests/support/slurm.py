"""A real Slurm on this machine: a controller, and several daemons as nodes with fake GPUs.

Needs Debian's slurm-wlm and munge, and root; an existing Slurm is not touched. Every call has a
time limit: on a drained node some would wait forever.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Nodes by name, each with one fake GPU of a type.
NODES = {"t4-1": "t4", "t4-2": "t4", "v100-1": "v100", "a100-1": "a100"}
_PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "squeue", "scancel", "scontrol")
_LIMIT_S = 30

_CONFIG = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=6
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmdPidFile={folder}/%n.pid
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
SlurmdTimeout=5
SlurmctldTimeout=5
KillWait=5
MinJobAge=3000
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
GresTypes=gpu
{nodes}
PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_none() -> str | None:
    """Why no Slurm can be started here; ``None`` if one can."""
    missing = [name for name in _PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"no {', '.join(missing)}: apt-get install slurm-wlm munge"
    if os.geteuid() != 0:
        return "Slurm is started as root only"
    return None


def _path() -> str:
    return os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


class Slurm:
    """The daemons of a Slurm, and requests to it; all files are in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": _path(),
            "OMP_NUM_THREADS": "1",
        }
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all daemons, and wait until the nodes are there. Raises RuntimeError."""
        ports = _free_ports(1 + len(NODES))
        host = socket.gethostname().partition(".")[0]
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 "
            f"RealMemory=1000 Gres=gpu:{kind}:1"
            for (name, kind), port in zip(NODES.items(), ports[1:], strict=True)
        )
        (self.folder / "slurm.conf").write_text(
            _CONFIG.format(host=host, port=ports[0], folder=self.folder, nodes=nodes)
        )
        (self.folder / "gres.conf").write_text(
            "".join(
                f"NodeName={name} Name=gpu Type={kind} File=/dev/zero\n"
                for name, kind in NODES.items()
            )
        )
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o400)
        (self.folder / "state").mkdir()
        self._start(
            "munged", "munged", "-F", "--force", f"--key-file={self.folder / 'munge.key'}",
            f"--socket={self.folder / 'munge.socket'}", f"--pid-file={self.folder / 'munged.pid'}",
            f"--log-file={self.folder / 'munged.log'}", f"--seed-file={self.folder / 'munge.seed'}",
        )  # fmt: skip
        wait_for(lambda: (self.folder / "munge.socket").exists(), "munged")
        self.start_controller()
        for name in NODES:
            (self.folder / name).mkdir()
            self.start_node(name)
        wait_for(lambda: self._idle() == len(NODES), "idle nodes")

    def _idle(self) -> int:
        with suppress(subprocess.SubprocessError):
            return self.run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").count("\n")
        return 0

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            self._daemons[name] = subprocess.Popen(
                command,
                env=self.environment, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def start_controller(self) -> None:
        self._start("slurmctld", "slurmctld", "-D")

    def start_node(self, name: str) -> None:
        self._start(name, "slurmd", "-D", "-N", name)

    def kill_controller(self) -> None:
        self._end("slurmctld", signal.SIGKILL)

    def kill_node(self, name: str) -> None:
        """Kill the daemon of the node and all that runs on it, like a power cut."""
        self._end(name, signal.SIGKILL)
        on_node = self._on_node(name)
        for number in (signal.SIGSTOP, signal.SIGKILL):  # so that none notices another's end
            for pid in on_node:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _on_node(self, name: str) -> set[int]:
        """The processes of jobs on this node of this Slurm, and their parents."""
        marks = (f"SLURMD_NODENAME={name}".encode(), f"SLURM_CONF={self.folder}".encode())
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                variables = (process / "environ").read_bytes()
                if all(mark in variables for mark in marks):
                    found.add(int(process.name))
                    parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                    if Path(f"/proc/{parent}/cmdline").read_bytes().startswith(b"slurmstepd"):
                        found.add(parent)
        return found

    def _end(self, name: str, number: int) -> None:
        daemon = self._daemons.pop(name)
        daemon.send_signal(number)
        daemon.wait(_LIMIT_S)

    def stop(self) -> None:
        with suppress(subprocess.SubprocessError):
            self.run("scancel", "--signal=KILL", "--full", "--user=root")
        for name in reversed(list(self._daemons)):
            for pid in self._on_node(name) if name in NODES else ():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._end(name, signal.SIGKILL)

    def run(self, *command: str) -> str:
        """The output of a Slurm command. Raises SubprocessError."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=_LIMIT_S,
            check=True,
        )  # fmt: skip
        return done.stdout

    def state(self, job: str) -> str:
        """The state of a job, as in squeue."""
        return self.run("squeue", "-h", "-t", "all", "-j", job, "-o", "%T").strip()


def wait_for(happened: Callable[[], object], what: str, limit_s: float = 60) -> None:
    """Raises RuntimeError if it has not happened in time."""
    deadline = time.monotonic() + limit_s
    while not happened():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {limit_s:.0f} s in vain for {what}")
        time.sleep(0.1)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextmanager
def started(folder: Path) -> Iterator[Slurm]:
    """A Slurm in ``folder`` that ends with the context. Raises RuntimeError if it cannot start."""
    slurm = Slurm(folder)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()
