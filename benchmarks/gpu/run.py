"""Measure a GPU in one call of bounded length, on a machine that needs no network.

Installs the wheels that fetch_wheels.py has collected into a temporary folder, runs the tests in
tests/gpu, then sweep after sweep until the time is up. Leaves summary.md, records.tar.gz and
log.txt.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NoReturn

from summary import pack, summarise

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

#: What has to be importable once the wheels are installed, and the packages whose version counts.
MODULES = (
    "torch", "torchvision", "timm", "hydra", "omegaconf", "antlr4", "open_clip", "ftfy", "scipy",
    "safetensors", "regex", "yaml", "jinja2",
)  # fmt: skip
PACKAGES = (
    "torch", "triton", "torchvision", "timm", "open_clip_torch", "xformers", "hydra-core",
    "omegaconf", "numpy",
)  # fmt: skip

TESTS_LIMIT_S = 150
#: The share of the time that is kept for charts and packing.
RESERVED = 0.08
#: With less time than this nothing is started any more.
LEAST_S = 5
#: How long a command may take to stop when it is asked to, before it is killed.
STOPPING_S = 3


class SetupError(Exception):
    """Nothing can be measured here; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One command of sd_bench; ``overrides`` win against ``EVERY_SWEEP``."""

    name: str
    overrides: tuple[str, ...]


#: The most valuable cells first.
SWEEPS = (
    Sweep("main", ("batch_size=1,4", "attention=flash,math", "protocol.rounds=2")),
    Sweep("backends", ("attention=mem_efficient,cudnn,xformers,original",)),
    Sweep("compiled", ("compile=default", "attention=flash,math")),
    Sweep("compiled_batch_4", ("compile=default", "attention=flash", "batch_size=4")),
    Sweep("batch_2", ("batch_size=2", "attention=flash,math")),
    Sweep(
        "presets",
        ("preset=optimized_math,optimized,original_no_xformers_pt2,original_pt2",),
    ),
    Sweep("preset_compiled", ("preset=optimized_compile",)),
    Sweep("sd1", ("model_version=sd1", "attention=flash")),
    Sweep("sd2_768", ("model_version=sd2_768", "sampler=ddim", "attention=flash")),
)
EVERY_SWEEP = ("model_version=sd2", "protocol=quick", "protocol.rounds=1", "images=false")
ON_DEVICE = {
    "cuda": ("gpu=auto",),
    "cpu": ("gpu=cpu", "workload.height=64", "workload.width=64", "sampler.steps=2"),
}


@dataclass(slots=True, kw_only=True)
class Session:
    """One call of this script: where things go, and the time it has."""

    out: Path
    records: Path
    log: BinaryIO
    environment: dict[str, str]
    limit_s: float
    began: float = field(default_factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.began

    @property
    def left_s(self) -> float:
        """Seconds left to measure in."""
        return self.limit_s * (1 - RESERVED) - self.elapsed_s


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Exit code 0: all well; 1: a test or a cell failed; 2: cannot run here."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _terminate)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with (
            TemporaryDirectory(prefix="sd_bench-gpu-", ignore_cleanup_errors=True) as scratch,
            (options.out / "log.txt").open("w+b", buffering=0) as log,
        ):
            session = Session(
                out=options.out,
                records=Path(scratch) / "records",
                log=log,
                environment=_environment(Path(scratch) / "site"),
                limit_s=options.time_limit,
            )
            install(session, options.wheels, Path(scratch) / "site")
            return measure(session, options)
    except (SetupError, OSError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    add, names = parser.add_argument, [sweep.name for sweep in SWEEPS]
    add("--wheels", type=Path, default=HERE / "wheels", help="the folder of fetch_wheels.py")
    add("--out", type=Path, default=ROOT / "multirun_outputs" / "gpu", help="default: %(default)s")
    add("--time-limit", type=float, default=540, metavar="SECONDS", help="default: %(default)s")
    add("--device", choices=list(ON_DEVICE), default="cuda", help="cpu: tiny networks, as a trial")
    add("--only", nargs="+", choices=names, default=names, metavar="SWEEP", help=", ".join(names))
    add("--skip-tests", action="store_true", help="leave tests/gpu out")
    add("--extra", nargs="+", default=[], metavar="NAME=VALUE", help="for every sweep")
    return parser


def _terminate(*_: object) -> NoReturn:
    sys.exit("run.py: stopped; the records of finished sweeps are in the archive")


def _environment(site: Path) -> dict[str, str]:
    paths = [str(site), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def install(session: Session, wheels: Path, site: Path) -> None:
    """Install the wheels into ``site``, for this process and the ones it starts.

    Raises SetupError if something is missing then.
    """
    files = [str(wheel) for wheel in sorted(wheels.glob("*.whl"))]
    if files:
        pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--no-compile",
               "--disable-pip-version-check", "--quiet", "--target", str(site)]  # fmt: skip
        code, said = run_command(session, [*pip, *files], session.left_s)
        if code != 0:
            raise SetupError(f"{wheels}: cannot be installed: {_last_line(said)}")
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    if missing := [name for name in MODULES if importlib.util.find_spec(name) is None]:
        raise SetupError(
            f"no {', '.join(missing)} here: collect wheels with fetch_wheels.py where there is "
            "network, and name their folder with --wheels"
        )


def run_command(session: Session, command: Sequence[str], limit_s: float) -> tuple[int | None, str]:
    """Run ``command`` into the log; its exit code, None if its time ran out, and what it said."""
    start = session.log.seek(0, os.SEEK_END)
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=session.environment,
        stdin=subprocess.DEVNULL,
        stdout=session.log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    code = None
    try:
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(max(0.0, limit_s))
    finally:
        _end(process)
    session.log.seek(start)
    return code, session.log.read().decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process that still runs to stop, then kill it with its whole group."""
    with suppress(subprocess.TimeoutExpired, ProcessLookupError):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(STOPPING_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def measure(session: Session, options: argparse.Namespace) -> int:
    """Tests, sweeps, charts; what there is gets saved after each sweep. Gives the exit code."""
    facts = machine_facts(options.device)
    say(f"{facts['device']}; {facts['packages']}")
    session.records.mkdir()
    outcomes: dict[str, str] = {}
    failed = False
    if not options.skip_tests:
        code, facts["tests"] = run_tests(session)
        failed = code != 0
        say(f"tests: {facts['tests']}")
    for sweep in (sweep for sweep in SWEEPS if sweep.name in options.only):
        code, outcomes[sweep.name] = run_sweep(session, sweep, options)
        failed |= bool(code)
        say(f"{sweep.name}: {outcomes[sweep.name]}")
        save(session, facts, outcomes)
    if any(session.records.rglob("round-*.json")):
        outcomes["charts"] = draw(session)
    print(save(session, facts, outcomes), end="")
    return int(failed)


def machine_facts(device: str) -> dict[str, str]:
    """What the summary's head says. Raises SetupError if there is no such device."""
    from sd_bench.capabilities.devices import cpu_name
    from sd_bench.capabilities.nvidia_driver import cuda_devices

    found = cuda_devices()
    if device == "cuda" and not found:
        raise SetupError("no CUDA device here: --device cpu tries the same with tiny networks")
    name = f"{cpu_name()} (trial with tiny networks)"
    if device == "cuda":
        name = f"{found[0].name}, {found[0].memory_mib} MiB, driver {found[0].driver}"
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="minutes"),
        "device": name,
        "host": f"{platform.platform()}, {cpu_name()}, {os.cpu_count()} cores",
        "packages": ", ".join([f"Python {platform.python_version()}", *_versions()]),
    }


def _versions() -> Iterable[str]:
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            yield f"{package} {metadata.version(package)}"


def run_tests(session: Session) -> tuple[int | None, str]:
    """The tests in tests/gpu: pytest's exit code, if it ended, and its last line.

    Warnings are no errors here: the machine's own versions may give others than ours. The
    project's usual options are left out: they need plugins, and two processes on one GPU.
    """
    pytest = [sys.executable, "-m", "pytest", "tests/gpu", "-m", "gpu", "-q", "-W", "default",
              "-o", "addopts=", "-p", "no:cacheprovider"]  # fmt: skip
    code, said = run_command(session, pytest, min(TESTS_LIMIT_S, session.left_s))
    line = _last_line(said).strip("=! ")
    return code, f"cut off: {line}" if code is None else line


def run_sweep(
    session: Session, sweep: Sweep, options: argparse.Namespace
) -> tuple[int | None, str]:
    """Run one sweep in the time that is left: its exit code, if it ended, and the outcome."""
    if session.left_s < LEAST_S:
        return None, "not started: no time left"
    command = [sys.executable, "-m", "sd_bench", "-m", *overrides(sweep, options),
               f"hydra.sweep.dir={session.records / sweep.name}"]  # fmt: skip
    began = time.monotonic()
    code, said = run_command(session, command, session.left_s)
    took = f"after {time.monotonic() - began:.0f} s"
    if code is None:
        return code, f"cut off {took}: no time left"
    if code == 0:
        return code, f"ended {took}"
    return code, f"exit code {code} {took}: {_last_line(said)}"


def overrides(sweep: Sweep, options: argparse.Namespace) -> list[str]:
    """What a sweep's command says, each name once; the last to say something wins."""
    values: dict[str, str] = {}
    for layer in (EVERY_SWEEP, ON_DEVICE[options.device], sweep.overrides):
        values |= {override.partition("=")[0]: override for override in layer}
    if options.device == "cpu":
        values["model_version"] += "_tiny"
    values |= {override.partition("=")[0]: override for override in options.extra}
    return list(values.values())


def draw(session: Session) -> str:
    """Charts and tables from all records; one line on how it went."""
    out = session.records / "analysis"
    command = [sys.executable, "-m", "analysis", str(session.records), "--out", str(out)]
    limit_s = session.limit_s - STOPPING_S - session.elapsed_s
    code, said = run_command(session, command, limit_s)
    if code is None:
        return "cut off: no time left"
    return "drawn" if code == 0 else f"exit code {code}: {_last_line(said)}"


def save(session: Session, facts: dict[str, str], outcomes: dict[str, str]) -> str:
    """Write summary and archive anew; gives the summary."""
    time_taken = f"{session.elapsed_s:.0f} of {session.limit_s:.0f} s"
    text = summarise(session.records, {**facts, "time": time_taken}, outcomes)
    (session.out / "summary.md").write_text(text, encoding="utf-8")
    (session.records / "summary.md").write_text(text, encoding="utf-8")
    pack(session.records, session.out / "records.tar.gz")
    return text


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "said nothing"


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
