"""What nvidia-smi tells of the GPU that runs: limits and modes that change times, and its state."""

from __future__ import annotations

from collections.abc import Mapping

from sd_bench.capabilities.nvidia_driver import ask_nvidia_smi

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
    "compute_mode": "compute_mode",
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
    old = {name: field for name, field in wanted.items() if field not in _NEW_FIELDS}
    for fields in (wanted, old):
        query = f"--query-gpu={','.join(fields.values())}"
        text, _ = ask_nvidia_smi(f"--id={uuid}", query, "--format=csv,noheader,nounits")
        facts = parse_facts(text, fields)
        if any(fact is not None for fact in facts.values()):
            return {**dict.fromkeys(wanted), **facts}
    return dict.fromkeys(wanted)


def parse_facts(text: str, fields: Mapping[str, str]) -> dict[str, Fact]:
    """The facts in the line of nvidia-smi's CSV that has one for each of ``fields``.

    What it does not tell ("[N/A]") is None, and so is a number that is none. A warning before or
    after that line is left aside.
    """
    rows = ([value.strip() for value in line.split(",")] for line in text.splitlines())
    values = next((row for row in rows if len(row) == len(fields)), [""] * len(fields))
    return {name: _fact(name, value) for name, value in zip(fields, values, strict=True)}


def _fact(name: str, value: str) -> Fact:
    if value.startswith("[") or value in ("", "N/A"):
        return None
    if not name.endswith(_UNITS):
        return value
    try:
        return float(value)
    except ValueError:
        return None
