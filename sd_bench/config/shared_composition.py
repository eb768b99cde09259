"""Composes the configurations of a matrix's cells, sharing between cells what Hydra composes.

Options alone decide which files make up a configuration, and in which order. Hydra merges files
name by name, so that each part of a configuration depends only on the files that set something in
it, and on the values set in it at the end, for which Hydra's own function is used. Hydra therefore
composes a cell only if it has a part that no earlier cell had; the others are assembled from known
parts, and references are resolved among them. A cell that cannot be divided in this way is composed
by Hydra as a whole.
"""

from __future__ import annotations

import dataclasses
import re
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, Node, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from sd_bench.config.cell_files import File, FilesOfCells, reaches_into_a_reference
from sd_bench.config.cell_parts import CannotShare, Part, Parts
from sd_bench.config.conversion import at_scale, from_hydra
from sd_bench.config.schema import Config
from sd_bench.errors import ConfigError

#: The number of whole configurations to keep; others are composed again if they are needed.
_MOST_KEPT = 8
_NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)*")
_OPTION = re.compile(r"[\w-]+")
_HYDRA = "hydra"
#: Hydra's default for ``hydra.sweep.subdir``.
_NUMBER = "${hydra.job.num}"


@dataclasses.dataclass(frozen=True, slots=True)
class _Cell:
    """The parts that a cell's options give, and the values to set in them."""

    parts: Mapping[str, Part]
    values: Mapping[str, Sequence[Override]]
    choices: Mapping[str, str | None]


class SharedComposition:
    """Composes the cells of one command with the same result as Hydra."""

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        """``master`` is the configuration that Hydra has composed for the whole command."""
        assert isinstance(loader, ConfigLoaderImpl)
        self._loader = loader
        self._master = master
        self._parsed: dict[str, Override] = {}
        self._alone: OrderedDict[tuple[str, ...], DictConfig] = OrderedDict()
        self._parts = Parts(master)
        self._last: tuple[tuple[str, ...], _Cell] | None = None
        fixed = OmegaConf.to_container(master.hydra.overrides.hydra)
        assert isinstance(fixed, list)
        self._files = FilesOfCells(loader, master.hydra.job.config_name, list(map(str, fixed)))

    @cached_property
    def _parser(self) -> OverridesParser:
        return OverridesParser.create()

    def config(self, overrides: Sequence[str], scale: str | None = None) -> Config:
        """The configuration of a cell, with the workload of ``scale`` if one is named.

        Raises whatever Hydra and ``from_hydra`` raise.
        """
        try:
            cell = self._cell(overrides)
            return self._parts.config(
                {
                    name: self._parts.with_values(part, cell.values.get(name, ()), scale)
                    for name, part in cell.parts.items()
                    if name != _HYDRA
                }
            )
        except (CannotShare, HydraException, OmegaConfBaseException, ConfigError, ValueError):
            config = _without_hydra(self._by_hydra(overrides))
            return from_hydra(config if scale is None else at_scale(config, scale))

    def subdir(self, overrides: Sequence[str], index: int) -> str:
        """The value of ``hydra.sweep.subdir`` for the cell that is job ``index`` of the command."""
        try:
            cell = self._cell(overrides)
            config = self._parts.tree([cell.parts[_HYDRA]])
            sweep = OmegaConf.to_container(config.hydra.sweep, resolve=False)
            if isinstance(sweep, dict) and sweep["subdir"] == _NUMBER:
                return str(index)
            with read_write(config), open_dict(config):
                config.hydra.runtime.choices = dict(cell.choices)
            return self._subdir(config, overrides, index)
        except (CannotShare, HydraException, OmegaConfBaseException, ConfigError, ValueError):
            return self._subdir(self._by_hydra(overrides), overrides, index)

    def _subdir(self, composed: DictConfig, overrides: Sequence[str], index: int) -> str:
        with read_write(composed), open_dict(composed):
            job, style = composed.hydra.job, composed.hydra.job.config.override_dirname
            composed.hydra.overrides.task = list(overrides)
            job.override_dirname = get_overrides_dirname(
                overrides=[self._parse(override) for override in overrides],
                kv_sep=style.kv_sep,
                item_sep=style.item_sep,
                exclude_keys=style.exclude_keys,
            )
            job.id = job.num = index
        return str(composed.hydra.sweep.subdir)

    def _cell(self, overrides: Sequence[str]) -> _Cell:
        """The cell's parts and values. Raises CannotShare, and whatever Hydra raises."""
        key = tuple(overrides)
        if self._last is None or self._last[0] != key:
            self._last = (key, self._new_cell(overrides))
        return self._last[1]

    def _new_cell(self, overrides: Sequence[str]) -> _Cell:
        options, values = self._divide(overrides)
        files = self._files.of(options)
        if files is None:
            raise CannotShare
        of_parts = files.of_parts(self._files)
        if not values.keys() <= of_parts.keys():
            raise CannotShare
        if any(self._parts.find(name, of_part) is None for name, of_part in of_parts.items()):
            self._compose(of_parts, [f"{group}='{option}'" for group, option in options.items()])
        found = {name: self._parts.find(name, of_part) for name, of_part in of_parts.items()}
        parts = {name: part for name, part in found.items() if part is not None}
        return _Cell(parts, values, files.choices)

    def _compose(self, of_parts: Mapping[str, tuple[File, ...]], options: Sequence[str]) -> None:
        composed = self._loader.load_sweep_config(self._master, list(options))
        if composed.keys() != of_parts.keys():
            raise CannotShare
        nodes = {name: composed._get_node(name) for name in of_parts}
        with read_write(composed), open_dict(composed):
            del composed[_HYDRA]
        from_hydra(composed)
        for name, files in of_parts.items():
            contents = [self._files.content(file)[name] for file in files]
            if name != _HYDRA and reaches_into_a_reference(contents):
                raise CannotShare
        for name, node in nodes.items():
            assert isinstance(node, Node)
            self._parts.add(name, of_parts[name], node)

    def _by_hydra(self, overrides: Sequence[str]) -> DictConfig:
        key = tuple(overrides)
        if key not in self._alone:
            self._alone[key] = self._loader.load_sweep_config(self._master, list(overrides))
            if len(self._alone) > _MOST_KEPT:
                self._alone.popitem(last=False)
        return self._alone[key]

    def _divide(self, overrides: Sequence[str]) -> tuple[dict[str, str], dict[str, list[Override]]]:
        """The options, which choose files, and the values to set in each part.

        Raises CannotShare for an override that is neither.
        """
        if self._master.hydra.searchpath:
            raise CannotShare
        options: dict[str, str] = {}
        values: dict[str, list[Override]] = defaultdict(list)
        for override in map(self._parse, overrides):
            if self._is_option(override):
                options[override.key_or_group] = _text(override.value())
            elif self._is_value(override):
                values[override.key_or_group.partition(".")[0]].append(override)
            else:
                raise CannotShare
        return options, values

    def _parse(self, override: str) -> Override:
        if override not in self._parsed:
            self._parsed[override] = self._parser.parse_override(override)
        return self._parsed[override]

    def _is_option(self, override: Override) -> bool:
        """Whether the override chooses an option of a group, and so which files are read."""
        return (
            override.type is OverrideType.CHANGE
            and override.package is None
            and override.key_or_group in self._files.groups
            and isinstance(override.value(), (str, QuotedString))
            and _OPTION.fullmatch(_text(override.value())) is not None
        )

    def _is_value(self, override: Override) -> bool:
        """Whether the override sets a value, after all files are merged."""
        return (
            override.type in (OverrideType.CHANGE, OverrideType.ADD, OverrideType.FORCE_ADD)
            and override.package is None
            and (override.key_or_group not in self._files.groups or _is_dict(override))
            and not override.is_sweep_override()
            and not override.is_hydra_override()
            and _NAME.fullmatch(override.key_or_group) is not None
        )


def _is_dict(override: Override) -> bool:
    return isinstance(override.value(), dict)


def _text(value: object) -> str:
    return value.text if isinstance(value, QuotedString) else str(value)


def _without_hydra(composed: DictConfig) -> DictConfig:
    config = composed.copy()
    with read_write(config), open_dict(config):
        del config[_HYDRA]
    return config
