"""What nvidia-smi reports about the GPU in use: limits and modes that change times, and state."""

from __future__ import annotations

from collections.abc import Mapping

from sd_bench.capabilities.nvidia_driver import ask_nvidia_smi

#: Facts that times depend on, and nvidia-smi's field for each.
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
#: Which of several equal devices it is, and its current state.
INSTANCE = {
    "uuid": "uuid",
    "persistence_mode": "persistence_mode",
    "compute_mode": "compute_mode",
    "sm_clock_mhz": "clocks.current.sm",
    "memory_clock_mhz": "clocks.current.memory",
    "temperature_c": "temperature.gpu",
}
#: Drivers before 450 reject a whole query that contains one of these.
_NEW_FIELDS = ("mig.mode.current",)

#: Facts whose names end in these units are numbers; the others are text.
_UNITS = ("_w", "_mhz", "_c")

Fact = str | float | None


def gpu_facts(uuid: str, wanted: Mapping[str, str]) -> dict[str, Fact]:
    """``wanted`` facts of the GPU ``uuid``; a fact is None if the driver does not report it."""
    old = {name: field for name, field in wanted.items() if field not in _NEW_FIELDS}
    for fields in (wanted, old):
        query = f"--query-gpu={','.join(fields.values())}"
        text, _ = ask_nvidia_smi(f"--id={uuid}", query, "--format=csv,noheader,nounits")
        facts = parse_facts(text, fields)
        if any(fact is not None for fact in facts.values()):
            return {**dict.fromkeys(wanted), **facts}
    return dict.fromkeys(wanted)


def parse_facts(text: str, fields: Mapping[str, str]) -> dict[str, Fact]:
    """The facts in nvidia-smi's CSV ``text``: its first line with one value for each of ``fields``.

    A value that is not reported ("[N/A]") is None, and so is one that should be a number and is
    not. Other lines, such as warnings, are ignored.
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
