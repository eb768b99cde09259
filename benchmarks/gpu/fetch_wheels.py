"""Fill a folder with the wheels that an offline GPU machine lacks.

Run it on a machine with network; ``run.py`` installs from the folder on a machine that has torch,
torchvision and timm (with their dependencies) but no network.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.parser import Parser
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from commit import write_commit

if sys.version_info < (3, 11):
    sys.exit("fetch_wheels: needs Python 3.11 or newer")
import tomllib

if TYPE_CHECKING or find_spec("packaging"):
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_name, parse_wheel_filename
    from packaging.version import InvalidVersion, Version
elif find_spec("pip"):  # pip is needed anyway, and has a copy of packaging
    from pip._vendor.packaging.requirements import Requirement
    from pip._vendor.packaging.specifiers import SpecifierSet
    from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename
    from pip._vendor.packaging.version import InvalidVersion, Version
else:
    sys.exit("fetch_wheels: needs pip: python3 -m ensurepip")

HERE = Path(__file__).resolve().parent
PYPROJECT = HERE.parents[1] / "pyproject.toml"

#: What the offline machine is assumed to have; ``--has`` adds names, ``--lacks`` removes them.
PRESENT = frozenset(
    {
        "torch", "torchvision", "timm", "numpy", "pandas", "matplotlib", "pillow", "rich",
        "packaging", "pyyaml", "regex", "tqdm", "huggingface-hub", "safetensors", "jinja2",
        "filelock", "requests", "httpx", "pytest",
    }
)  # fmt: skip
#: Pure Python packages without a wheel on the registry: built here.
BUILT_HERE = frozenset({"antlr4-python3-runtime"})
#: glibc versions of the platform tags, widely supported ones first; pip matches each exactly.
GLIBC_TIERS = (("2_28", "2_27", "2_24", "2_17", "2_12", "2_5"), ("2_39", "2_35", "2_34", "2_31"))
OLD_TAGS = ("manylinux2014", "manylinux2010", "manylinux1")
MACHINE = "x86_64"
LIMIT_MIB = 60
#: The test requirements that tests/gpu needs.
_OF_PYTEST = ("pytest", "pytest-timeout")
#: The file in xFormers' wheel that states what it was built with.
_XFORMERS_NOTE = "xformers/cpp_lib.json"
#: The CUDA runtime packages by major version, for a version that PyTorch does not include.
_RUNTIMES = {11: "nvidia-cuda-runtime-cu11", 12: "nvidia-cuda-runtime-cu12"}

#: Fetches one wheel for a requirement and returns its path.
Fetch = Callable[[Requirement], Path]


class FetchError(Exception):
    """A wheel that cannot be fetched; the message is one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0, or 2 with one line that says what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        wheels = fill(options)
    except (FetchError, OSError) as error:
        print(f"fetch_wheels: {error}", file=sys.stderr)
        return 2
    for wheel in wheels:
        print(f"{wheel.stat().st_size / 2**20:7.2f} MiB  {wheel.name}")
    print(f"{_total_mib(wheels):7.2f} MiB  in {len(wheels)} wheels in {options.out}")
    commit = write_commit(HERE.parents[1], options.out)
    print(f"commit {commit}" if commit else "no commit known: give it to run.py with --commit")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fetch_wheels.py", description=__doc__)
    add = parser.add_argument
    add("--python", default="3.12", help="the machine's Python (default: %(default)s)")
    add("--torch", default="2.11", type=_version, help="its torch (default: %(default)s)")
    add("--cuda", default=13, type=int, help="the major version of its CUDA (default: %(default)s)")
    add("--out", type=Path, default=HERE / "wheels", help="the folder; its old wheels are removed")
    add("--has", nargs="+", default=[], metavar="NAME", help="packages that it has, such as scipy")
    add("--lacks", nargs="+", default=[], metavar="NAME", help="other packages that it lacks")
    add("--no-xformers", action="store_true", help="leave out xFormers")
    add(
        "--no-diffusers",
        action="store_true",
        help="leave out diffusers, which ours is compared with",
    )
    return parser


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise argparse.ArgumentTypeError(f"{text!r} is no version; such as 2.11.0") from None


def fill(options: argparse.Namespace) -> list[Path]:
    """Replace the wheels in the folder by those that are needed. Raises FetchError and OSError."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    present = PRESENT | {canonicalize_name(name) for name in options.has}
    present -= {canonicalize_name(name) for name in options.lacks}
    with TemporaryDirectory() as scratch:

        def fetch(requirement: Requirement) -> Path:
            return fetch_wheel(requirement, options.python, Path(scratch))

        wheels = collect(
            wanted(project, not options.no_xformers, not options.no_diffusers),
            lambda requirement: fitting(requirement, options.torch, fetch),
            present,
            options.python,
        )
        majors = {cuda_of(wheel) for wheel in wheels} - {options.cuda}
        wheels += [fetch(Requirement(_RUNTIMES[m])) for m in majors if m in _RUNTIMES]
        if _total_mib(wheels) > LIMIT_MIB:
            raise FetchError(
                f"{_total_mib(wheels):.0f} MiB of wheels, more than {LIMIT_MIB}: "
                "say what the machine has (--has scipy), or give --no-diffusers or --no-xformers"
            )
        options.out.mkdir(parents=True, exist_ok=True)
        for old in options.out.glob("*.whl"):
            old.unlink()
        return sorted(Path(shutil.move(wheel, options.out)) for wheel in wheels)


def wanted(project: Mapping[str, Any], with_xformers: bool, with_diffusers: bool) -> list[str]:
    """The requirements of a call according to pyproject.toml, with version bounds."""
    extras = project["optional-dependencies"]
    also = [r for r in extras["pytest"] if Requirement(r).name in _OF_PYTEST]
    also += extras["xformers"] if with_xformers else []
    if with_diffusers:
        also += [r for r in extras["diffusers"] if Requirement(r).name == "diffusers"]
    return [*project["dependencies"], *also]


def lacking(requirements: Iterable[str], present: frozenset[str], python: str) -> list[Requirement]:
    """Those ``requirements`` that apply to the machine and that it does not have."""
    machine = {
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": MACHINE,
        "extra": "",
    }
    parsed = (Requirement(text) for text in requirements)
    return [
        r
        for r in parsed
        if (r.marker is None or r.marker.evaluate(machine))
        and canonicalize_name(r.name) not in present
    ]


def collect(
    requirements: Iterable[str], fetch: Fetch, present: frozenset[str], python: str
) -> list[Path]:
    """A wheel for each requirement, and for what those require in turn."""
    wheels: dict[str, Path] = {}
    waiting = lacking(requirements, present, python)
    while waiting:
        requirement = waiting.pop(0)
        name = canonicalize_name(requirement.name)
        if name not in wheels:
            wheels[name] = fetch(requirement)
            waiting += lacking(requires(wheels[name]), present, python)
        elif not requirement.specifier.contains(wheel_version(wheels[name])):
            raise FetchError(f"{requirement}: got {wheels[name].name} for another package")
    return list(wheels.values())


def fitting(requirement: Requirement, torch: Version, fetch: Fetch) -> Path:
    """The newest wheel for ``requirement`` that is compatible with ``torch``."""
    wheel = fetch(requirement)
    while not _goes_with(requires(wheel), torch):
        requirement.specifier &= SpecifierSet(f"<{wheel_version(wheel)}")
        wheel.unlink()
        wheel = fetch(requirement)
    return wheel


def cuda_of(wheel: Path) -> int | None:
    """The major version of CUDA that the wheel's operators are linked to, according to xFormers.

    ``None`` if the wheel does not state it.
    """
    with zipfile.ZipFile(wheel) as archive:
        if _XFORMERS_NOTE not in archive.namelist():
            return None
        version = json.loads(archive.read(_XFORMERS_NOTE))["version"].get("cuda")
    return None if version is None else int(version) // 100


def _goes_with(requirements: Iterable[str], torch: Version) -> bool:
    parsed = map(Requirement, requirements)
    return all(
        r.specifier.contains(torch, prereleases=True)
        for r in parsed
        if r.name == "torch" and not r.marker
    )


def requires(wheel: Path) -> list[str]:
    """The wheel's own requirements, from its METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    return [str(value) for value in metadata.get_all("Requires-Dist", [])]


def wheel_version(wheel: Path) -> Version:
    _, version, _, _ = parse_wheel_filename(wheel.name)
    return version


def fetch_wheel(requirement: Requirement, python: str, folder: Path) -> Path:
    """Download one wheel for the machine, or build it if that is known to work."""
    if canonicalize_name(requirement.name) in BUILT_HERE:
        return _pip("wheel", requirement, folder, "--wheel-dir")
    for position, glibc in enumerate(GLIBC_TIERS):
        tags = [f"manylinux_{version}" for version in glibc]
        tags += OLD_TAGS if position == 0 else ()
        platforms = [word for tag in tags for word in ("--platform", f"{tag}_{MACHINE}")]
        machine = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
        try:
            return _pip("download", requirement, folder, *machine, *platforms, "--dest")
        except FetchError as error:
            failure = error
    raise failure


def _pip(verb: str, requirement: Requirement, folder: Path, *options: str) -> Path:
    """Run pip for one requirement; the last of ``options`` takes the folder. Raises FetchError."""
    with TemporaryDirectory(dir=folder) as empty:
        answer = subprocess.run(
            [sys.executable, "-m", "pip", verb, "--no-deps", "--retries=2",
             "--disable-pip-version-check", *options, empty, str(requirement)],
            capture_output=True,
            text=True,
        )  # fmt: skip
        wheels = list(Path(empty).glob("*.whl"))
        if answer.returncode != 0 or not wheels:
            errors = [line for line in answer.stderr.splitlines() if line.startswith("ERROR: ")]
            words = errors[-1].removeprefix("ERROR: ") if errors else f"pip {verb} failed"
            raise FetchError(f"{requirement}: {words}")
        return Path(shutil.move(wheels[0], folder))


def _total_mib(wheels: Iterable[Path]) -> float:
    return sum(wheel.stat().st_size for wheel in wheels) / 2**20


if __name__ == "__main__":
    sys.exit(main())
