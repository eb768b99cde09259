"""Which files make up each cell's configuration, in Hydra's order.

Hydra lists them. An option's file that names no further files can be replaced by any other such
file of its group, so that cells with options of the same kinds have the same list except for the
options' names. Hydra therefore makes one list for all of them.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.defaults_list import DefaultsList
from hydra.core.default_element import GroupDefault, InputDefault
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

#: A reference in a list of files that depends on no other choice.
_FIXED_REFERENCE = re.compile(r"\$\{(sd_bench\.|oc\.env:)[^${}]*\}")


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """A file, and the ``package`` of the configuration that it fills (``""`` is the root)."""

    path: str
    package: str


@dataclasses.dataclass(frozen=True, slots=True)
class CellFiles:
    """The files of a cell, and its option in each group."""

    files: tuple[File, ...]
    choices: Mapping[str, str | None]

    def of_parts(self, files: FilesOfCells) -> dict[str, tuple[File, ...]]:
        """The files that set something in each part of the configuration, such as ``attention``."""
        parts: dict[str, list[File]] = defaultdict(list)
        for file in self.files:
            for part in files.content(file):
                parts[part].append(file)
        return {part: tuple(of_part) for part, of_part in parts.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class _Loaded:
    """A file as Hydra loads it; in ``raw`` references are not resolved."""

    raw: Mapping[str, Any]
    package: str | None
    defaults: Sequence[InputDefault]

    @property
    def depends_on_choices(self) -> bool:
        """Whether choices decide which further files it names, or their names where they go."""
        for default in self.defaults:
            value = default.value if isinstance(default, GroupDefault) else default.get_name()
            texts = value if isinstance(value, list) else [value]
            if any("${" in _FIXED_REFERENCE.sub("", text or "") for text in texts):
                return True
            if "_name_" in (default.package or ""):
                return True
        return False


@dataclasses.dataclass(frozen=True, slots=True)
class _Listed:
    """A list of files; ``places`` are the positions of options that others may replace."""

    files: tuple[File, ...]
    choices: Mapping[str, str | None]
    places: Mapping[str, int]

    def with_options(self, options: Mapping[str, str]) -> CellFiles:
        files = list(self.files)
        for group, place in self.places.items():
            files[place] = File(f"{group}/{options[group]}", files[place].package)
        return CellFiles(tuple(files), {**self.choices, **options})


class FilesOfCells:
    """The files of the cells of one command."""

    def __init__(self, loader: ConfigLoaderImpl, config_name: str, fixed: Sequence[str]) -> None:
        """``fixed`` are the overrides of Hydra's own settings, which all cells share."""
        self._loader = loader
        self._config_name = config_name
        self._fixed = list(fixed)
        self._listed: dict[tuple[tuple[str, ...], ...], _Listed] = {}
        self._loaded: dict[str, _Loaded | None] = {}
        self._contents: dict[File, Mapping[str, Any]] = {}

    @cached_property
    def groups(self) -> frozenset[str]:
        return frozenset(self._loader.list_groups(""))

    def of(self, options: Mapping[str, str]) -> CellFiles | None:
        """The files of a cell with these options; None if its list cannot be shared with others.

        Raises whatever Hydra raises.
        """
        kind = tuple(sorted(self._kind(group, option) for group, option in options.items()))
        if kind not in self._listed:
            overrides = [*self._fixed, *(f"{g}={_quoted(o)}" for g, o in options.items())]
            made = self._loader.compute_defaults_list(self._config_name, overrides, RunMode.RUN)
            listed = self._listing(made, {g: options[g] for g, *rest in kind if rest[0] == "leaf"})
            if listed is None:
                return None
            self._listed[kind] = listed
        return self._listed[kind].with_options(options)

    def content(self, file: File) -> Mapping[str, Any]:
        """The content of a file by part, nested as its package says."""
        if file not in self._contents:
            loaded = self._load(file.path)
            content: Mapping[str, Any] = {} if loaded is None else loaded.raw
            for name in reversed(file.package.split(".") if file.package else []):
                content = {name: content}
            self._contents[file] = content
        return self._contents[file]

    def _kind(self, group: str, option: str) -> tuple[str, ...]:
        loaded = self._load(f"{group}/{option}")
        if loaded is None or loaded.defaults or "_name_" in (loaded.package or ""):
            return (group, "option", option)
        return (group, "leaf", loaded.package or "")

    def _listing(self, made: DefaultsList, leaves: Mapping[str, str]) -> _Listed | None:
        paths = {default.config_path for default in made.defaults if default.config_path}
        loaded = [self._load(path) for path in paths]
        if any(file is None or file.depends_on_choices for file in loaded):
            return None
        if any(default.package is None for default in made.defaults):
            return None
        places = {}
        for group, option in leaves.items():
            found = [at for at, d in enumerate(made.defaults) if d.override_key == group]
            if [made.defaults[at].config_path for at in found] != [f"{group}/{option}"]:
                return None
            (places[group],) = found
        files = tuple(File(d.config_path or "", d.package or "") for d in made.defaults)
        return _Listed(files, dict(made.overrides.known_choices), places)

    def _load(self, path: str) -> _Loaded | None:
        if path not in self._loaded:
            self._loaded[path] = self._read(path)
        return self._loaded[path]

    def _read(self, path: str) -> _Loaded | None:
        result = self._loader.repository.load_config(path)
        if result is None or not isinstance(result.config, DictConfig):
            return None
        raw = OmegaConf.to_container(result.config, resolve=False)
        assert isinstance(raw, dict)
        return _Loaded(
            {str(name): value for name, value in raw.items() if name != "defaults"},
            result.header["package"],
            result.defaults_list or (),
        )


def reaches_into_a_reference(contents: Sequence[Any]) -> bool:
    """Whether one of these, each merged into those before, sets something inside a reference.

    Hydra then resolves the reference, so that the result depends on more than these.
    """
    references: set[tuple[str, ...]] = set()
    for content in contents:
        nodes = list(_nodes(content))
        if any(path in references for path, value in nodes if isinstance(value, (dict, list))):
            return True
        references |= {p for p, value in nodes if isinstance(value, str) and "${" in value}
    return False


def _nodes(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _nodes(inner, (*path, str(name)))


def _quoted(option: str) -> str:
    """``option`` in quotes, without which Hydra does not take a number for an option's name."""
    return f"'{option}'"
