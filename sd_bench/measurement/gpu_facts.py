"""What nvidia-smi tells of the GPU that runs: limits and modes that change times, and its state."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

#: Facts that a time depends on, by the field that nvidia-smi calls them.
SETTINGS = {
    "power_limit_w": "power.limit",
    "max_sm_clock_mhz": "clocks.max.sm",
    "max_memory_clock_mhz": "clocks.max.mem",
    "application_sm_clock_mhz": "clocks.applications.graphics",
    "application_memory_clock_mhz": "clocks.applications.memory",
    "ecc_mode": "ecc.mode.current",
    "mig_mode": "mig.mode.current",
    "driver": "driver_version",
}
#: Which of several equal devices it is, and how it stands at the moment.
INSTANCE = {
    "uuid": "uuid",
    "persistence_mode": "persistence_mode",
    "sm_clock_mhz": "clocks.current.sm",
    "memory_clock_mhz": "clocks.current.memory",
    "temperature_c": "temperature.gpu",
}
#: Drivers before 450 refuse the whole question if it holds one of these.
_NEW_FIELDS = ("mig.mode.current",)

#: Facts of these units are numbers; a driver's version is none.
_UNITS = ("_w", "_mhz", "_c")

Fact = str | float | None


def gpu_facts(uuid: str, wanted: Mapping[str, str]) -> dict[str, Fact]:
    """``wanted`` facts of the GPU ``uuid``; each is None where the driver does not tell it."""
    nvidia_smi = shutil.which("nvidia-smi")
    old = {name: field for name, field in wanted.items() if field not in _NEW_FIELDS}
    for fields in (wanted, old) if nvidia_smi is not None else ():
        query = f"--query-gpu={','.join(fields.values())}"
        command = [str(nvidia_smi), f"--id={uuid}", query, "--format=csv,noheader,nounits"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            continue
        return {**dict.fromkeys(wanted), **parse_facts(answer.stdout, fields)}
    return dict.fromkeys(wanted)


def parse_facts(line: str, fields: Mapping[str, str]) -> dict[str, Fact]:
    """The facts in a line of nvidia-smi's CSV; what it does not tell ("[N/A]") is None."""
    values = [value.strip() for value in line.strip().split(",")]
    return {name: _fact(name, value) for name, value in zip(fields, values, strict=True)}


def _fact(name: str, value: str) -> Fact:
    if value.startswith("[") or value in ("", "N/A"):
        return None
    return float(value) if name.endswith(_UNITS) else value
