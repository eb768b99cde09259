"""The parts of cells' configurations, each resolved once for all cells that share it.

A part is what has one name at the root of a configuration, such as ``attention``. Hydra merges the
files of a configuration name by name, so that a part depends only on the files that have its name
and on the values set in it at the end. References are resolved afterwards.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, Node, OmegaConf, read_write

from sd_bench.config.cell_files import File, reaches_into_a_reference
from sd_bench.config.conversion import scale_option
from sd_bench.config.schema import Config

#: The number of changed parts to keep: a matrix has one for each value of an axis.
_MOST_KEPT = 512
#: A reference whose name is itself made of a reference, such as ``${${preset.name}.value}``.
_NESTED = re.compile(r"\$\{[^:}]*\$\{")
_RESOLVER = re.compile(r"\$\{\s*([\w.]+)\s*:")
#: Resolvers that depend only on their arguments and on what these name.
_KNOWN_RESOLVERS = ("sd_bench.", "oc.")


class CannotShare(Exception):  # noqa: N818
    """A cell that Hydra must compose as a whole."""


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One unresolved part; parts with the same ``number`` are the same.

    ``words`` are the words in its references; None if what they refer to is unknown.
    """

    name: str
    number: int
    node: Node
    words: frozenset[str] | None

    @property
    def raw(self) -> Any:
        return _raw(self.node)


class Parts:
    """The parts that Hydra has composed for one command, and their resolved values."""

    def __init__(self, master: DictConfig) -> None:
        self._master = master
        self._composed: dict[tuple[str, tuple[File, ...]], Part] = {}
        self._changed: OrderedDict[Hashable, Part] = OrderedDict()
        self._numbers: dict[Hashable, int] = {}
        self._resolved: dict[tuple[int, ...], Any] = {}

    def find(self, name: str, files: tuple[File, ...]) -> Part | None:
        return self._composed.get((name, files))

    def add(self, name: str, files: tuple[File, ...], node: Node) -> None:
        key = (name, files)
        if key not in self._composed:
            words = _words_of_references(_raw(node))
            node._set_parent(None)  # or the whole configuration would be kept, too
            self._composed[key] = Part(name, self._number(key), node, words)

    def with_values(self, part: Part, values: Sequence[Override], scale: str | None) -> Part:
        """``part`` with values set in it, then with those that ``scale`` sets.

        Raises CannotShare if that would change other parts too, and whatever Hydra raises.
        """
        if not values and (scale is None or part.name not in scale_option(scale)):
            return part
        key = (part.number, tuple(value.input_line for value in values), scale)
        if key in self._changed:
            self._changed.move_to_end(key)
            return self._changed[key]
        node = self._changed_node(part, values, scale)
        words = _words_of_references(_raw(node))
        self._changed[key] = Part(part.name, self._number(key), node, words)
        if len(self._changed) > _MOST_KEPT:
            self._changed.popitem(last=False)
        return self._changed[key]

    def config(self, parts: Mapping[str, Part]) -> Config:
        """The configuration of these parts. Raises OmegaConf's errors and CannotShare."""
        if set(parts) != {field.name for field in dataclasses.fields(Config)}:
            raise CannotShare
        return Config(**{name: self._resolve(name, parts) for name in parts})

    def tree(self, parts: Sequence[Part]) -> DictConfig:
        """A configuration of only these parts, which are not copied."""
        tree = OmegaConf.create({}, flags={"no_deepcopy_set_nodes": True})
        for part in parts:
            tree[part.name] = part.node
        tree._set_flag("no_deepcopy_set_nodes", None)
        OmegaConf.set_struct(tree, True)
        OmegaConf.copy_cache(from_config=self._master, to_config=tree)
        return tree

    def _changed_node(self, part: Part, values: Sequence[Override], scale: str | None) -> Node:
        raw = part.raw
        if any(_is_inside_a_reference(raw, value) for value in values):
            raise CannotShare
        tree = self.tree([dataclasses.replace(part, node=copy.deepcopy(part.node))])
        ConfigLoaderImpl._apply_overrides_to_config(list(values), tree)
        if scale is not None and part.name in scale_option(scale):
            scaled = {part.name: scale_option(scale)[part.name]}
            if reaches_into_a_reference([OmegaConf.to_container(tree, resolve=False), scaled]):
                raise CannotShare
            with read_write(tree):
                tree.merge_with(scaled)
        node = tree._get_node(part.name)
        assert isinstance(node, Node)
        return node

    def _resolve(self, name: str, parts: Mapping[str, Part]) -> Any:
        needed = _needed(name, parts)
        key = (parts[name].number, *sorted(parts[other].number for other in needed))
        if key not in self._resolved:
            tree = self.tree([parts[other] for other in needed])
            self._resolved[key] = _resolved(tree, name)
        return self._resolved[key]

    def _number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def _needed(name: str, parts: Mapping[str, Part]) -> set[str]:
    """The part ``name`` and all that it refers to, directly or not."""
    if parts[name].words == frozenset():
        return {name}
    needed, new = {name}, [name]
    while new:
        words = parts[new.pop()].words
        more = (parts.keys() if words is None else words & parts.keys()) - needed
        needed |= more
        new += more
    return needed


def _resolved(tree: DictConfig, name: str) -> Any:
    value = tree[name]
    if not OmegaConf.is_config(value):
        return value
    resolved = OmegaConf.to_object(value)
    if _added_names(value, resolved):  # an error that from_hydra reports
        raise CannotShare
    return resolved


def _added_names(value: Any, resolved: object) -> set[str]:
    if not dataclasses.is_dataclass(resolved):
        return set()
    return set(value) - {field.name for field in dataclasses.fields(resolved)}


def _is_inside_a_reference(raw: Any, value: Override) -> bool:
    """Whether ``value`` is set inside a reference, so that it would change other parts too."""
    _, *names = value.key_or_group.split(".")
    *parents, last = [raw, *(raw := _inner(raw, name) for name in names)]
    replaces = not value.is_add() and not isinstance(value.value(), (dict, list))
    nodes = parents if replaces else [*parents, last]
    return any(isinstance(node, str) and "${" in node for node in nodes)


def _inner(raw: Any, name: str) -> Any:
    return raw.get(name) if isinstance(raw, dict) else None


def _raw(node: Node) -> Any:
    """The node as plain containers, with references unresolved."""
    if OmegaConf.is_config(node):
        return OmegaConf.to_container(node, resolve=False)
    return node._value()


def _words_of_references(value: Any) -> frozenset[str] | None:
    """All words in the references inside ``value``; None if what they refer to is unknown."""
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
