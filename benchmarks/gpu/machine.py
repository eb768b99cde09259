"""The machine of a call: installs packages, names the device, and keeps the GPU open."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from session import ROOT, Session, SetupError

#: What must be importable once the wheels are installed, and packages whose versions are shown.
MODULES = (
    "torch", "torchvision", "timm", "hydra", "omegaconf", "antlr4", "open_clip", "ftfy", "scipy",
    "safetensors", "regex", "yaml", "jinja2", "msgspec", "numpy", "pandas", "matplotlib", "rich",
    "PIL",
)  # fmt: skip
PACKAGES = (
    "torch", "triton", "torchvision", "timm", "open_clip_torch", "xformers", "diffusers",
    "hydra-core", "omegaconf", "numpy",
)  # fmt: skip


def install(session: Session, wheels: Path, site: Path) -> None:
    """Install the wheels into ``site``, for this process and the ones it starts.

    Raises SetupError if something is still missing.
    """
    files = [str(wheel) for wheel in sorted(wheels.glob("*.whl"))]
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--no-compile",
           "--disable-pip-version-check", "--quiet", "--target", str(site), *files]  # fmt: skip
    if files:
        answer = session.run("wheels", pip, session.left_s)
        if answer.code is None:
            raise SetupError(f"{wheels}: not installed within the time limit; give more time")
        if answer.code != 0:
            raise SetupError(f"{wheels}: cannot be installed: {answer.last_line}")
    # CUDA's runtime has an empty one, which would hide the machine's own nvidia packages.
    (site / "nvidia" / "__init__.py").unlink(missing_ok=True)
    sys.path[:0] = [str(site), str(ROOT)]
    importlib.invalidate_caches()
    if missing := [name for name in MODULES if importlib.util.find_spec(name) is None]:
        raise SetupError(
            f"no {', '.join(missing)} here: collect wheels with fetch_wheels.py where there is "
            "network, and name their folder with --wheels"
        )


def machine_facts(device: str) -> tuple[dict[str, str], str]:
    """The facts at the top of the summary, and sd_bench's name for the device.

    Raises SetupError if there is no such device.
    """
    from sd_bench.capabilities.devices import cpu_name, option_for
    from sd_bench.capabilities.nvidia_driver import cuda_devices

    name, gpu = f"{cpu_name()} (trial with tiny networks)", "cpu"
    if device == "cuda":
        found = cuda_devices()
        if not found:
            raise SetupError("no CUDA device here: --device cpu tries the same with tiny networks")
        name = f"{found[0].name}, {found[0].memory_mib} MiB, driver {found[0].driver}"
        gpu = option_for(found[0].name)
    facts = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "device": name,
        "host": f"{platform.platform()}, {cpu_name()}, {os.cpu_count()} cores",
        "packages": ", ".join([f"Python {platform.python_version()}", *_versions()]),
    }
    return facts, gpu


def _versions() -> Iterable[str]:
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            yield f"{package} {metadata.version(package)}"


def hold_gpu() -> str:
    """Open NVML until this process ends; returns whether that worked, in words.

    Without persistence mode the driver shuts down a GPU that no process uses, and the next command
    waits for seconds until it is up again.
    """
    try:
        import pynvml

        pynvml.nvmlInit()
        pynvml.nvmlDeviceGetHandleByIndex(0)
    except Exception as error:  # from the driver, or no pynvml: it only takes longer
        return f"not held open: {type(error).__name__}: {error}"
    return "held open through NVML"
