"""Short names of devices, made from what the driver or the system reports."""

from __future__ import annotations

import re

from sd_bench.devices_table import list_devices

#: In place of a fact of the environment that a record does not have.
UNKNOWN = "unknown"

#: Values of ``gpu`` that name a kind of device rather than a model.
_KINDS = {"cpu": "CPU", **dict.fromkeys(("cuda", "rocm", "mps", "xpu"), "GPU")}

_MARKS = re.compile(r"\((?:R|TM|C)\)", re.IGNORECASE)
_CLOCK = re.compile(r"\bCPU\b(?: @.*)?|@ .*")
_CORES = re.compile(r"\b\d+-Core Processor\b|\bwith Radeon.*", re.IGNORECASE)
_VENDORS = re.compile(r"^(?:NVIDIA|Intel|AMD|Genuine Intel|Tesla|GeForce)\b ?")


def name_device(gpu: str, device: str) -> str:
    """The short name of a device: ``H100``, ``Xeon Platinum 8481C``.

    ``gpu`` is the choice of that name, ``device`` the name in the record. For a GPU in ``conf/gpu``
    the model is enough; for others and for processors the reported name is cleaned.
    """
    if gpu not in _KINDS and (gpu in list_devices() or device == UNKNOWN):
        return gpu if gpu == UNKNOWN else gpu.replace("_", " ").upper()
    return clean_device(device) if device != UNKNOWN else _KINDS.get(gpu, gpu)


def clean_device(device: str) -> str:
    """A device's full name without its vendor, trade marks and clock rate."""
    text = _CORES.sub("", _CLOCK.sub("", _MARKS.sub("", device)))
    words = " ".join(text.split())
    while (shorter := _VENDORS.sub("", words)) not in ("", words):
        words = shorter
    if re.search(r"\d", words):
        words = words.removesuffix(" Processor")
    return words or device
