"""The ladder of switches: what is tried, in which order, on which kinds of device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from omegaconf import OmegaConf

from sd_bench.capabilities.implementations import list_implementations
from sd_bench.command_lines import name_of
from sd_bench.paths import CONF_DIR

#: The ladder's file in conf/.
FILE = "tune.yaml"
_ANY = "any"
_EVERY = "implementation=*"


@dataclass
class _Line:
    set: str = ""
    device: str = _ANY
    alone: bool = False


@dataclass
class _File:
    workload: list[_Line] = field(default_factory=list)
    ladder: list[_Line] = field(default_factory=list)
    not_raced: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rung:
    """Overrides that are tried together.

    ``is_alone``: they are tried on top of the defaults, and nothing is tried on top of them.
    """

    overrides: tuple[str, ...]
    is_alone: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The names of the settings that the overrides change."""
        return frozenset(map(name_of, self.overrides))


@dataclass(frozen=True, slots=True)
class Ladder:
    """The switches for one kind of device, and the workload to use if none is typed."""

    rungs: tuple[Rung, ...]
    workload: tuple[str, ...]


def read_ladder(kind: str) -> Ladder:
    """The ladder in conf/tune.yaml for a ``kind`` of device. Raises OmegaConf's errors."""
    file = _read()
    installed = [name for name in list_implementations() if name not in file.not_raced]
    rungs = (
        Rung(overrides, line.alone)
        for line in _of_kind(file.ladder, kind)
        for overrides in _written_out(line.set.split(), installed)
    )
    workload = (o for line in _of_kind(file.workload, kind) for o in line.set.split())
    return Ladder(tuple(rungs), tuple(workload))


def names_of_switches() -> frozenset[str]:
    """The names of everything that the ladder sets on any device, which an answer may set."""
    return frozenset(name_of(override) for line in _read().ladder for override in line.set.split())


def _read() -> _File:
    merged = OmegaConf.merge(OmegaConf.structured(_File), OmegaConf.load(CONF_DIR / FILE))
    file = OmegaConf.to_object(merged)
    assert isinstance(file, _File)
    return file


def _of_kind(lines: Iterable[_Line], kind: str) -> Iterator[_Line]:
    return (line for line in lines if line.device in (_ANY, kind))


def _written_out(overrides: Sequence[str], installed: Sequence[str]) -> Iterator[tuple[str, ...]]:
    if _EVERY not in overrides:
        yield tuple(overrides)
        return
    for name in installed:
        yield tuple(f"implementation={name}" if o == _EVERY else o for o in overrides)


def put_on_top(overrides: Sequence[str], further: Sequence[str]) -> tuple[str, ...]:
    """``overrides`` combined with ``further``, which win where both set the same name."""
    both = {name_of(override): override for override in (*overrides, *further)}
    return tuple(both.values())
