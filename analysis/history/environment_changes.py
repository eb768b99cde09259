"""What changed in an environment from one sweep to the next, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

from sd_bench.verdicts.axes import to_one_line

#: Facts that cannot affect a time, that always change, or that follow from others.
_LEFT_OUT = (
    "fingerprint", "host", "interpreter", "project", "visible_devices", "device_instance",
    "packages.torch", "worker",
)  # fmt: skip

#: The only fact about the host that can affect a time.
_OF_HOST = ("kernel",)

#: Clearer names for some facts.
_WORDS = {
    "source_hash": "sd_bench's measured code",
    "torch_build": "torch's build",
    "compiler": "C++ compiler",
    "device.driver": "driver",
    "device.name": "device",
    "machine.identity": "machine",
    "machine.model": "machine's model",
    "processor.quota": "CPU quota",
    "processor.affinity": "number of processors",
    "threads.intra_op": "threads",
    "host.kernel": "kernel",
}

#: Groups whose members are named without the group, such as numpy or OMP_NUM_THREADS.
_OWN_NAMES = ("packages", "variables", "python_switches", "processor", "scheduling", "settings")

#: Facts whose values mean nothing to a reader.
_HASHES = ("source_hash", "machine.identity")

_LONGEST = 40

Environment = Mapping[str, Any]


class FactChange(NamedTuple):
    """A fact with its old and new value, both empty if they would mean nothing to a reader."""

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.name} {self.old} -> {self.new}" if self.new else f"{self.name} changed"

    @property
    def sentence(self) -> str:
        """``torch went from 2.11.0 to 2.15.0``."""
        if not self.new:
            return str(self)
        return f"{self.name} went from {self.old} to {self.new}"


def list_changes(before: Environment, after: Environment) -> list[FactChange]:
    """Each fact that changed; torch comes first, and facts that are part of it are left out.

    A fact that is missing in either environment does not count as changed, unless it belongs to a
    list of what is present (packages, variables).
    """
    old, new = dict(_flatten(before)), dict(_flatten(after))
    changed = [name for name in {**old, **new} if _has_changed(name, old, new)]
    if "torch" in changed:
        changed = [name for name in changed if name not in ("torch_build", "cuda", "cudnn")]
        changed.sort(key=lambda name: name != "torch")
    return [_describe(name, old.get(name), new.get(name)) for name in changed]


def _has_changed(name: str, old: Environment, new: Environment) -> bool:
    if name in old and name in new:
        return bool(old[name] != new[name])
    return name.partition(".")[0] in ("packages", "variables", "python_switches")


def _flatten(environment: Environment) -> Iterator[tuple[str, Any]]:
    host = environment.get("host")
    if isinstance(host, Mapping):
        yield from ((f"host.{name}", host[name]) for name in _OF_HOST if name in host)
    for name, value in environment.items():
        if name in _LEFT_OUT:
            continue
        facts = value.items() if isinstance(value, Mapping) else [("", value)]
        for inner, fact in facts:
            full = f"{name}.{inner}" if inner else name
            if full not in _LEFT_OUT:
                yield full, fact


def _describe(name: str, old: Any, new: Any) -> FactChange:
    group, _, inner = name.partition(".")
    word = _WORDS.get(name) or (inner if group in _OWN_NAMES else name.replace(".", " "))
    if name in _HASHES:
        return FactChange(word, "", "")
    return FactChange(word, *_differing(_text(old), _text(new)))


def _text(value: Any) -> str:
    return "not set" if value is None else str(value)


def _differing(old: str, new: str) -> tuple[str, str]:
    """Both values; for texts of several lines, the first lines that differ."""
    pairs = zip_longest(old.splitlines(), new.splitlines(), fillvalue="")
    first, second = next(((a, b) for a, b in pairs if a != b), ("", ""))
    return _shorten(first), _shorten(second)


def _shorten(text: str) -> str:
    line = to_one_line(text.strip(" -"))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
