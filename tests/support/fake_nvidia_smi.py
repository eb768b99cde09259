"""nvidia-smi of a simulated machine: --query-gpu, --query-compute-apps and -L."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(machine: dict[str, Any], arguments: list[str]) -> int:
    """Print the real program's output in CSV, and return its exit code, or 2 for a wrong request.

    A driver that cannot be reached prints only that.
    """
    if machine["says_only"]:
        print(machine["says_only"])
        return int(machine["exit_code"])
    options = dict(argument.lstrip("-").partition("=")[::2] for argument in arguments)
    gpus = [gpu for gpu in machine["gpus"] if options.get("id", gpu["uuid"]) in _names(gpu)]
    if not gpus:
        print("No devices were found")
        return 6
    if "L" in options:
        for gpu in gpus:
            fields = gpu["fields"]
            print(f"GPU {fields['index']}: {fields['name']} (UUID: {gpu['uuid']})")
            for number, (profile, uuid) in enumerate(gpu["slices"]):
                print(f"  MIG {profile}     Device  {number}: (UUID: {uuid})")
        return 0
    asked = options.get("query-gpu") or options.get("query-compute-apps")
    if asked is None or "csv" not in options.get("format", "").split(","):
        print("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.")
        return 2
    for unknown in machine["unknown_fields"]:
        if unknown in asked.split(","):  # a driver older than the field
            print(f'Field "{unknown}" is not a valid field to query.\n')
            return 2
    if "query-gpu" in options:
        rows = [{"uuid": gpu["uuid"], **gpu["fields"]} for gpu in gpus]
    else:
        names = ("pid", "process_name")
        uuid = {"gpu_uuid": gpus[0]["uuid"]}
        rows = [uuid | dict(zip(names, map(str, p))) for p in machine["computing"]]  # noqa: B905
    if machine["warns"]:
        print(machine["warns"])
    for row in rows:
        print(", ".join(row.get(name, "[N/A]") for name in asked.split(",")))
    return int(machine["exit_code"])


def _names(gpu: dict[str, Any]) -> tuple[str, str]:
    return gpu["uuid"], gpu["fields"]["index"]


if __name__ == "__main__":
    beside = Path(__file__).resolve().with_name("machine.json")
    sys.exit(main(json.loads(beside.read_text(encoding="utf-8")), sys.argv[1:]))
