"""What overrides of a command line come to, before Hydra composes anything from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hydra.core.override_parser.types import Override, Transformer
from omegaconf import OmegaConf

from sd_bench.config.hydra_arguments import parse_argument


def parse_overrides(arguments: Sequence[str]) -> list[Override]:
    """Those that give a value. Raises ConfigError for one that Hydra cannot read."""
    return [parsed for argument in arguments if (parsed := parse_argument(argument)) is not None]


def composed_values(overrides: Sequence[Override], name: str) -> list[str]:
    """The values that ``name`` will have: those of the last override of it, interpolated.

    Interpolations of the environment (``${oc.env:HOME}``) and of other values that the command
    line gives are followed. Raises OmegaConf's errors.
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
    """A quoted text of Hydra's as the text."""
    return getattr(value, "text", value)
