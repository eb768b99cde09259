"""``preset=tuned``: add the overrides of the newest answer for a cell's workload."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sd_bench.command_lines import name_of, shown
from sd_bench.config.schema import Config, OptimizationsConfig
from sd_bench.errors import ConfigError
from sd_bench.tuning.answers import (
    find_answers,
    name_workload,
    names_of_workloads,
    newest_for,
    workload_of,
)
from sd_bench.tuning.machine import describe_device

_NAME = "preset=tuned"
#: The axes of an answer that go into a preset's bundle, besides the enabled optimizations.
_AXES = ("implementation", "attention", "compile", "precision")
_GROUP = "optimizations"


def with_tuned(overrides: Sequence[str], compose: Callable[[Sequence[str]], Config]) -> list[str]:
    """``overrides``, and if they contain ``preset=tuned``, those of the answer; typed ones win.

    ``compose`` makes a cell's configuration from overrides. Raises ConfigError if there is no
    answer for the cell.
    """
    if not any(override.replace("'", "") == _NAME for override in overrides):
        return list(overrides)
    config = compose(overrides)
    workload = workload_of(config)
    answer = newest_for(workload, describe_device(config))
    if answer is None:
        raise ConfigError(_why_none(workload))
    typed = set(map(name_of, overrides))
    added = [override for override in answer.overrides if name_of(override) not in typed]
    return [*added, *_bundle(answer.overrides), *overrides]


def _bundle(found: Sequence[str]) -> Iterator[str]:
    """The answer's choices as overrides of the preset's bundle, so that changes to them show."""
    values = {name_of(override): override.partition("=")[2] for override in found}
    bundle = {axis: values[axis] for axis in _AXES if axis in values}
    on = [name for name in vars(OptimizationsConfig()) if values.get(f"{_GROUP}.{name}") == "true"]
    if on:
        bundle[_GROUP] = "+".join(on)
    for axis, value in bundle.items():
        yield f"++preset.bundle.{axis}={value!r}"


def _why_none(workload: Mapping[str, Any]) -> str:
    others = names_of_workloads([answer for _, answer in find_answers()])
    there = f" (there is one for {others})" if others else ""
    arguments = (
        f"model_version={workload['model_version']}",
        f"workload.batch_size={workload['batch_size']}",
        f"workload.height={workload['height']}",
        f"workload.width={workload['width']}",
    )
    return (
        f"{_NAME}: no answer for {name_workload(workload)} on this machine{there}; find it with "
        f"{shown('sd_bench', 'tune', *arguments)}"
    )
