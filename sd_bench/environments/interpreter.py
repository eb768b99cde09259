"""The interpreter that runs a cell's workers, and its packages; torch is never imported here."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path

from sd_bench.capabilities.devices import matching_devices
from sd_bench.capabilities.implementations import needed_packages
from sd_bench.capabilities.support_rules import Host, has_c_compiler, has_cpp_compiler
from sd_bench.capabilities.torch_builds import Build, read_build
from sd_bench.capabilities.torch_features import version_tuple
from sd_bench.config.schema import Config, TorchEnvConfig
from sd_bench.environments.locations import default_executable, find_executable
from sd_bench.errors import ConfigError
from sd_bench.paths import IS_CHECKOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python executable, with those of its packages that cells may need.

    ``build`` is what its PyTorch was made for; None if its ``torch/version.py`` cannot be read.
    """

    executable: str
    torch: str
    has_xformers: bool
    packages: frozenset[str]
    build: Build | None = None


_ASK = """
import importlib.util, json, sys
from importlib import metadata
from pathlib import Path
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
def version_file():
    spec = importlib.util.find_spec("torch")
    folders = (spec.submodule_search_locations or []) if spec else []
    files = [Path(folder) / "version.py" for folder in folders]
    return next((f.read_text(encoding="utf-8") for f in files if f.is_file()), "")
print(json.dumps({"torch": version("torch"), "xformers": version("xformers"),
                  "sd_bench": version("sd_bench"), "version_file": version_file(),
                  "packages": [n for n in sys.argv[1:] if importlib.util.find_spec(n) is not None],
                  "missing": [n for n in ("omegaconf", "open_clip", "numpy", "PIL")
                              if importlib.util.find_spec(n) is None]}))
"""


def find_interpreter(torch_env: TorchEnvConfig) -> Interpreter | str:
    """The interpreter for ``torch_env``, or the reason why there is none.

    If ``torch_env`` does not name one, it is the current one if its PyTorch has the right version,
    else the one that ``sd_bench.environments create`` has made. Raises ConfigError for a
    ``torch_env.python`` that is not a usable interpreter.
    """
    interpreter = _current() if torch_env.python is None else _other(torch_env.python)
    wanted = torch_env.requires_torch
    if wanted is None or _matches(interpreter.torch, wanted):
        return interpreter
    if torch_env.python is None and (made := default_executable(torch_env.name)) is not None:
        return find_interpreter(dataclasses.replace(torch_env, python=made))
    if torch_env.python is not None:
        raise ConfigError(
            f"torch_env.python={torch_env.python}: holds PyTorch {interpreter.torch}, "
            f"torch_env={torch_env.name} needs {wanted}.x; name another interpreter"
        )
    return (
        f"torch_env={torch_env.name} needs PyTorch {wanted}.x, this is {interpreter.torch}: "
        f"python -m sd_bench.environments create {torch_env.name} creates it; or name an "
        "existing one with torch_env.python"
    )


def _matches(version: str, prefix: str) -> bool:
    return version == prefix or version.startswith(prefix + ".")


@lru_cache(maxsize=1)
def _current() -> Interpreter:
    try:
        torch = metadata.version("torch")
    except metadata.PackageNotFoundError:
        raise ConfigError("PyTorch is not installed: pip install torch") from None
    return Interpreter(
        executable=sys.executable,
        torch=torch,
        has_xformers=importlib.util.find_spec("xformers") is not None,
        packages=frozenset(n for n in needed_packages() if importlib.util.find_spec(n) is not None),
        build=read_build(_version_file()),
    )


def _version_file() -> str:
    """The text of this interpreter's ``torch/version.py``, found without importing torch."""
    spec = importlib.util.find_spec("torch")
    folders = (spec.submodule_search_locations or []) if spec is not None else []
    files = [Path(folder) / "version.py" for folder in folders]
    return next((f.read_text(encoding="utf-8") for f in files if f.is_file()), "")


@cache
def _other(python: str) -> Interpreter:
    executable = find_executable(python)
    if executable is None:
        raise ConfigError(
            f"torch_env.python={python}: no such interpreter, virtual environment or conda "
            "environment; give its full path"
        )
    try:
        answer = subprocess.run(
            [executable, "-c", _ASK, *needed_packages()],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        facts = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, json.JSONDecodeError):
        raise ConfigError(f"torch_env.python={python}: is not a working Python") from None
    missing = facts["missing"] + ([] if facts["torch"] else ["torch"])
    if not IS_CHECKOUT and facts["sd_bench"] != metadata.version("sd_bench"):
        missing.append(f"sd_bench {metadata.version('sd_bench')}")
    if missing:
        raise ConfigError(
            f"torch_env.python={python}: lacks {', '.join(missing)}; install sd_bench's "
            "requirements there"
        )
    return Interpreter(
        executable=executable,
        torch=facts["torch"],
        has_xformers=facts["xformers"] is not None,
        packages=frozenset(facts["packages"]),
        build=read_build(facts["version_file"]),
    )


def host_of(config: Config, interpreter: Interpreter, is_here: bool = True) -> Host:
    """The device and interpreter of a cell, as far as they are known without importing torch.

    If the cell runs elsewhere (not ``is_here``), the device is as ``conf/gpu`` describes it.
    """
    kind, capability = config.gpu.kind, None
    asks_driver = kind == "cuda" and is_here
    known = matching_devices(config.gpu)[0].compute_capability if asks_driver else None
    known = known or config.gpu.compute_capability
    if kind == "cuda" and known is not None:
        major, minor = known.split(".")
        capability = (int(major), int(minor))
    return Host(
        kind=kind,
        capability=capability,
        torch=version_tuple(interpreter.torch),
        has_xformers=interpreter.has_xformers,
        has_compiler=has_cpp_compiler(),
        packages=interpreter.packages,
        build=interpreter.build,
        has_c_compiler=has_c_compiler(),
    )
