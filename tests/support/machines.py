"""Simulated machines: the answers of their nvidia-smi and their NVML.

``set_up`` writes an executable ``nvidia-smi`` and a module ``pynvml`` into a folder and returns the
environment in which programs find these before any real ones. The programs themselves are
``fake_nvidia_smi.py`` and ``fake_pynvml.py``; both read ``machine.json`` beside them.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU. ``fields`` are those of nvidia-smi, without units; others are "[N/A]".

    ``slices`` are its MIG slices, as profile and uuid.
    """

    uuid: str
    fields: Mapping[str, str]
    slices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine: its GPUs, and how its nvidia-smi and NVML behave.

    ``computing`` are the processes on the first GPU as pid and name; ``modules`` are names that can
    be found by the import system there, but are empty.

    nvidia-smi prints ``warns`` before its answer, or ``says_only`` instead of any; ``exit_code`` is
    that of an answer, and a query with one of ``unknown_fields`` is refused as a whole.
    ``nvml_refuses`` are functions of NVML by name, with NVML's return code.
    """

    gpus: tuple[Gpu, ...]
    computing: tuple[tuple[int, str], ...] = ()
    modules: tuple[str, ...] = field(default=())
    warns: str = ""
    says_only: str = ""
    exit_code: int = 0
    unknown_fields: tuple[str, ...] = ()
    nvml_refuses: Mapping[str, int] = field(default_factory=dict)


#: Idle, as in its nvidia-smi; name, memory and driver are those of a real machine.
H100_SXM = Machine(
    gpus=(
        Gpu(
            uuid="GPU-00000000-0000-0000-0000-0000000000a1",
            fields={
                "index": "0",
                "name": "NVIDIA H100 80GB HBM3",
                "compute_cap": "9.0",
                "memory.total": "81559",
                "driver_version": "580.159.04",
                "power.limit": "700.00",
                "power.draw": "70.00",
                "clocks.max.sm": "1980",
                "clocks.max.mem": "2619",
                "clocks.applications.graphics": "[Requested functionality has been deprecated]",
                "clocks.applications.memory": "[Requested functionality has been deprecated]",
                "clocks.current.sm": "345",
                "clocks.current.memory": "2619",
                "ecc.mode.current": "Enabled",
                "mig.mode.current": "Disabled",
                "persistence_mode": "Enabled",
                "compute_mode": "Default",
                "temperature.gpu": "30",
                "pci.bus_id": "00000000:01:00.0",
            },
        ),
    ),
    modules=("xformers",),
)


def set_up(machine: Machine, folder: Path) -> dict[str, str]:
    """Write the machine's programs into ``folder``; returns the variables for finding them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "machine.json").write_text(json.dumps(asdict(machine)), encoding="utf-8")
    source = (HERE / "fake_nvidia_smi.py").read_text(encoding="utf-8")
    program = folder / "nvidia-smi"
    program.write_text(f"#!{sys.executable} -IS\n{source}", encoding="utf-8")
    program.chmod(0o755)
    shutil.copy(HERE / "fake_pynvml.py", folder / "pynvml.py")
    for module in machine.modules:
        (folder / module).mkdir(exist_ok=True)
        (folder / module / "__init__.py").touch()
    return {
        name: os.pathsep.join(filter(None, (str(folder), os.environ.get(name, ""))))
        for name in ("PATH", "PYTHONPATH")
    }
