"""The configurations of a matrix's cells: what Hydra composes is composed once for all of them.

Which files make up a configuration, and in which order, is decided by options alone. A value on the
command line is set at the end of it all, in what those files have come to, and before anything
refers to it. So Hydra composes each combination of options once, and the values of each cell are
set in a copy of that by the very function of Hydra's that would have set them.
"""

from __future__ import annotations

import dataclasses
import re
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, QuotedString
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from sd_bench.config.conversion import at_scale, from_hydra, scale_option
from sd_bench.config.schema import Config

#: Combinations of options that are kept: some 50 MB. One that comes again later is composed again.
_MOST_KEPT = 256
_VALUE_NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)*")
#: A reference whose name is itself made of a reference, such as ``${${preset.name}.value}``.
_NESTED = re.compile(r"\$\{[^:}]*\$\{")
_RESOLVER = re.compile(r"\$\{\s*([\w.]+)\s*:")
#: Resolvers that see their arguments alone, or what these name.
_KNOWN_RESOLVERS = ("sd_bench.", "oc.")


@dataclasses.dataclass(frozen=True, slots=True)
class _Divided:
    """The overrides of a cell: ``shared`` are for Hydra to compose, ``values`` are set in that."""

    shared: tuple[str, ...]
    values: tuple[Override, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(value.key_or_group for value in self.values)


class _Values:
    """One combination of options with values for the same names, cell after cell.

    Every name gets a value each time, so that none is left over from the cell before.
    """

    def __init__(self, composed: DictConfig, names: Sequence[str]) -> None:
        self._composed = composed.copy()
        self._affected = _affected_parts(composed, {name.partition(".")[0] for name in names})
        self._first: Config | None = None

    def resolve(self, values: Sequence[Override]) -> Config:
        ConfigLoaderImpl._apply_overrides_to_config(list(values), self._composed)
        if self._first is None:
            self._first = from_hydra(self._composed)
            return self._first
        changed = {part: _resolved(self._composed, part) for part in self._affected}
        return dataclasses.replace(self._first, **changed)


class _Combination:
    """What Hydra has composed for one combination of options."""

    def __init__(self, composed: DictConfig) -> None:
        self.hydra = OmegaConf.masked_copy(composed, "hydra")
        self.config = composed.copy()
        with read_write(self.config), open_dict(self.config):
            del self.config["hydra"]
        self._raw = _raw(self.config)
        self._of_values: dict[tuple[tuple[str, ...], str | None], _Values] = {}

    def is_reference(self, value: Override) -> bool:
        """Whether what it sets lies in what something refers to, so that more would be changed."""
        node: Any = self._raw
        *parents, name = value.key_or_group.split(".")
        for key in [*parents, name] if isinstance(value.value(), list) else parents:
            node = node.get(key) if isinstance(node, dict) else None
            if isinstance(node, str) and "${" in node:
                return True
        return False

    def resolve(self, cell: _Divided, scale: str | None) -> Config:
        if scale is not None and {name.partition(".")[0] for name in cell.names} & set(
            scale_option(scale)
        ):
            copy = self.config.copy()
            ConfigLoaderImpl._apply_overrides_to_config(list(cell.values), copy)
            return from_hydra(at_scale(copy, scale))
        key = (cell.names, scale)
        if key not in self._of_values:
            config = self.config if scale is None else at_scale(self.config, scale)
            self._of_values[key] = _Values(config, cell.names)
        return self._of_values[key].resolve(cell.values)


class SharedComposition:
    """Composes the cells of one command, each as Hydra alone would have composed it."""

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        """``master`` is what Hydra has composed for the whole command."""
        self._loader = loader
        self._master = master
        self._parsed: dict[str, Override] = {}
        self._combinations: OrderedDict[tuple[str, ...], _Combination] = OrderedDict()

    @cached_property
    def _groups(self) -> frozenset[str]:
        return frozenset(self._loader.list_groups(""))

    @cached_property
    def _parser(self) -> OverridesParser:
        return OverridesParser.create()

    def sharing(self, overrides: Sequence[str]) -> tuple[str, ...]:
        """What of a cell's ``overrides`` Hydra composes: cells with the same share it."""
        return self._divide(overrides).shared

    def config(self, overrides: Sequence[str], scale: str | None = None) -> Config:
        """The configuration of a cell, with the workload of ``scale`` if one is named.

        Raises what Hydra and ``from_hydra`` raise.
        """
        cell = self._divide(overrides)
        combination = self._combination(cell.shared)
        if any(map(combination.is_reference, cell.values)):
            cell = _Divided(tuple(overrides), ())
            combination = self._combination(cell.shared)
        return combination.resolve(cell, scale)

    def subdir(self, overrides: Sequence[str], index: int) -> str:
        """What ``hydra.sweep.subdir`` says for the cell, the ``index``-th job of the command."""
        parsed = [self._parse(override) for override in overrides]
        job_config = self._combination(self.sharing(overrides)).hydra
        job, style = job_config.hydra.job, job_config.hydra.job.config.override_dirname
        with read_write(job_config), open_dict(job_config):
            job_config.hydra.overrides.task = list(overrides)
            job.override_dirname = get_overrides_dirname(
                overrides=parsed,
                kv_sep=style.kv_sep,
                item_sep=style.item_sep,
                exclude_keys=style.exclude_keys,
            )
            job.id = job.num = index
        return str(job_config.hydra.sweep.subdir)

    def _combination(self, shared: tuple[str, ...]) -> _Combination:
        if shared in self._combinations:
            self._combinations.move_to_end(shared)
            return self._combinations[shared]
        composed = self._loader.load_sweep_config(self._master, list(shared))
        self._combinations[shared] = _Combination(composed)
        if len(self._combinations) > _MOST_KEPT:
            self._combinations.popitem(last=False)
        return self._combinations[shared]

    def _divide(self, overrides: Sequence[str]) -> _Divided:
        parsed = [self._parse(override) for override in overrides]
        options = [self._is_option(override) for override in parsed]
        values = [p for p, is_option in zip(parsed, options, strict=True) if not is_option]
        if self._master.hydra.searchpath or not all(map(_is_plain_value, values)):
            return _Divided(tuple(overrides), ())
        shared = (o for o, is_option in zip(overrides, options, strict=True) if is_option)
        return _Divided(tuple(shared), tuple(values))

    def _parse(self, override: str) -> Override:
        if override not in self._parsed:
            self._parsed[override] = self._parser.parse_override(override)
        return self._parsed[override]

    def _is_option(self, override: Override) -> bool:
        """Whether it chooses an option of a group, so that it decides which files are read."""
        return (
            override.type is OverrideType.CHANGE
            and override.key_or_group in self._groups
            and not isinstance(override.value(), dict)
        )


def _is_plain_value(override: Override) -> bool:
    """Whether it sets an existing value to one that refers to nothing."""
    if (
        override.type is not OverrideType.CHANGE
        or override.package is not None
        or override.is_sweep_override()
        or override.is_hydra_override()
        or not _VALUE_NAME.fullmatch(override.key_or_group)
    ):
        return False
    value = override.value()
    return all(map(_is_plain, value)) if isinstance(value, list) else _is_plain(value)


def _is_plain(value: object) -> bool:
    if isinstance(value, (str, QuotedString)):
        text = value.text if isinstance(value, QuotedString) else value
        return "${" not in text and text != "???"
    return value is None or isinstance(value, (bool, int, float))


def _resolved(composed: DictConfig, part: str) -> Any:
    value = composed[part]
    return OmegaConf.to_object(value) if OmegaConf.is_config(value) else value


def _raw(composed: DictConfig) -> dict[str, Any]:
    """Plain containers, with references as they are written."""
    raw = OmegaConf.to_container(composed, resolve=False)
    assert isinstance(raw, dict)
    return {str(part): value for part, value in raw.items()}


def _affected_parts(composed: DictConfig, set_parts: set[str]) -> set[str]:
    """The parts of a configuration that differ where values of ``set_parts`` do.

    Beside these, whatever refers to one of them; or may do so, as far as can be known.
    """
    referred = {part: _words_of_references(value) for part, value in _raw(composed).items()}
    affected = set_parts | {part for part, words in referred.items() if words is None}
    while True:
        more = {p for p, words in referred.items() if words and words & affected} - affected
        if not more:
            return affected
        affected |= more


def _words_of_references(value: Any) -> frozenset[str] | None:
    """All words in the references inside ``value``; ``None`` if these do not tell what is meant."""
    if isinstance(value, (dict, list)):
        inner = [
            _words_of_references(v) for v in (value.values() if isinstance(value, dict) else value)
        ]
        known = [words for words in inner if words is not None]
        return frozenset().union(*known) if len(known) == len(inner) else None
    if not isinstance(value, str) or "${" not in value:
        return frozenset()
    if _NESTED.search(value) or not all(
        name.startswith(_KNOWN_RESOLVERS) for name in _RESOLVER.findall(value)
    ):
        return None
    return frozenset(re.findall(r"\w+", value))
