"""Evaluates the overrides of a command line before Hydra composes anything from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep, Transformer
from omegaconf import OmegaConf

from sd_bench.config.hydra_arguments import parse_argument, range_length
from sd_bench.errors import ConfigError

#: The most cells of one command.
MOST_CELLS = 10_000


def parse_overrides(arguments: Sequence[str]) -> list[Override]:
    """The arguments ``NAME=VALUE``, parsed. Raises ConfigError for one that Hydra cannot read."""
    return [parsed for argument in arguments if (parsed := parse_argument(argument)) is not None]


def composed_values(overrides: Sequence[Override], name: str) -> list[str]:
    """The values that ``name`` will have: those of its last override, interpolated.

    Interpolations may refer to the environment (``${oc.env:HOME}``) and to other values on the
    command line. Raises OmegaConf's errors.
    """
    last = next((each for each in reversed(overrides) if each.key_or_group == name), None)
    if last is None or last.is_delete():
        return []
    given = {
        each.key_or_group: each.value()
        for each in overrides
        if not each.is_delete() and not each.is_sweep_override()
    }
    values = [last.value()]
    if last.is_sweep_override():
        values = list(last.sweep_iterator(transformer=Transformer.identity))
    return [_interpolated(given, name, value) for value in values]


def _interpolated(given: Mapping[str, object], name: str, value: object) -> str:
    config = OmegaConf.create({})
    for key, each in {**given, name: _plain(value)}.items():
        OmegaConf.update(config, key, _plain(each))
    return str(OmegaConf.select(config, name))


def _plain(value: object) -> object:
    """A value without Hydra's quotes."""
    return getattr(value, "text", value)


def check_num_cells(matrices: Sequence[Sequence[Override]]) -> None:
    """Raise ConfigError if matrices have too many cells, before they are expanded."""
    count = sum(map(_num_cells, matrices))
    if count > MOST_CELLS:
        raise ConfigError(
            f"these values make {count:,} cells; one command accepts at most {MOST_CELLS:,}: "
            "use fewer values, or several commands"
        )


def _num_cells(matrix: Sequence[Override]) -> int:
    last = {override.get_key_element(): override for override in matrix}
    return math.prod(map(_num_values, last.values()))


def _num_values(override: Override) -> int:
    value = override.value()
    if not override.is_sweep_override():
        return 1
    if isinstance(value, RangeSweep):
        return range_length(value)
    if isinstance(value, ChoiceSweep):
        return len(value.list)
    return sum(1 for _ in override.sweep_iterator())
