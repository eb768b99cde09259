"""The implementations that can be measured: ours, the peers, and those of other packages.

This module does not import torch. Another package adds an implementation through an entry point of
the group ``sd_bench.implementations`` that names an ``Entry`` (docs/your_own_implementation.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from typing import TYPE_CHECKING

from sd_bench.capabilities.diffusers_rules import (
    why_documented_cannot,
    why_networks_cannot,
    why_pipeline_cannot,
)
from sd_bench.capabilities.openvino_rules import why_openvino_cannot
from sd_bench.config.schema import OUR_IMPLEMENTATION, Config
from sd_bench.errors import ConfigError

if TYPE_CHECKING:
    from sd_bench.capabilities.support_rules import Host

#: The group of entry points by which other packages add implementations.
ENTRY_POINTS = "sd_bench.implementations"


def _can_all(config: Config, host: Host) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One implementation.

    ``factory`` names the `sd_bench.implementations.protocol.Factory` that builds it in the worker,
    as "package.module:name". ``packages`` are the modules that must be importable there,
    ``install`` the command that installs them. ``why_not`` returns why the implementation cannot
    run a cell, or ``None``; needs that all implementations share are checked before. ``conf`` is
    Hydra's search path for its options, if they are not in this project's conf/, as in
    "pkg://package.conf": a package with a file ``implementation/NAME.yaml``.
    """

    name: str
    factory: str
    packages: tuple[str, ...] = ()
    install: str = ""
    why_not: Callable[[Config, Host], str | None] = _can_all
    conf: str | None = None


def _of_diffusers(name: str, factory: str, why_not: Callable[[Config, Host], str | None]) -> Entry:
    return Entry(
        name=name,
        factory=f"sd_bench.implementations.{factory}",
        packages=("diffusers", "transformers"),
        install="pip install -e '.[diffusers]'",
        why_not=why_not,
    )


_OWN = (
    Entry(name=OUR_IMPLEMENTATION, factory="sd_bench.implementations.ours:Ours"),
    _of_diffusers("diffusers", "diffusers_networks:Diffusers", why_networks_cannot),
    _of_diffusers(
        "diffusers_documented", "diffusers_documented:DiffusersDocumented", why_documented_cannot
    ),
    _of_diffusers(
        "diffusers_pipeline", "diffusers_pipeline:DiffusersPipeline", why_pipeline_cannot
    ),
    Entry(
        name="openvino",
        factory="sd_bench.implementations.openvino_networks:OpenVino",
        packages=("openvino",),
        install="pip install -e '.[openvino]'",
        why_not=why_openvino_cannot,
    ),
)


@cache
def list_implementations() -> dict[str, Entry]:
    """Every implementation by its name, ours first.

    Raises ConfigError for an entry point that cannot be used.
    """
    found = {entry.name: entry for entry in _OWN}
    for point in metadata.entry_points(group=ENTRY_POINTS):
        try:
            entry = point.load()
        except Exception as error:
            raise _unusable(point, f"cannot be loaded ({type(error).__name__}: {error})") from None
        if not isinstance(entry, Entry):
            raise _unusable(point, f"is a {type(entry).__name__}, not an Entry")
        if entry.name in found:
            raise _unusable(point, f"names {entry.name}, which already exists")
        if not _has_option(entry):
            wanted = f"implementation/{entry.name}.yaml in a package"
            raise _unusable(point, f"has conf={entry.conf}, which must be pkg:// and {wanted}")
        found[entry.name] = entry
    return found


def _unusable(point: metadata.EntryPoint, why: str) -> ConfigError:
    owner = "" if point.dist is None else f" of {point.dist.name}"
    return ConfigError(
        f"{ENTRY_POINTS}: the entry point {point.name}{owner} {why}; fix or uninstall that package"
    )


def _has_option(entry: Entry) -> bool:
    """Whether Hydra will find the option of another package's ``entry``."""
    scheme, _, package = str(entry.conf).partition("://")
    try:
        conf = resources.files(package.replace("/", "."))
        option = conf / "implementation" / f"{entry.name}.yaml"
        return scheme == "pkg" and (conf / "__init__.py").is_file() and option.is_file()
    except (ImportError, ValueError, TypeError):
        return False


def needed_packages() -> tuple[str, ...]:
    """Every module that some implementation needs."""
    return tuple(sorted({p for entry in list_implementations().values() for p in entry.packages}))


def why_implementation_cannot(config: Config, host: Host) -> str | None:
    """Why the cell's implementation cannot run it on ``host``, or None.

    Raises ConfigError if another package's ``why_not`` fails.
    """
    name = config.implementation.name
    entry = list_implementations().get(name)
    if entry is None:
        return f"no implementation is called {name}: {', '.join(list_implementations())} are"
    if missing := [package for package in entry.packages if package not in host.packages]:
        are = "is" if len(missing) == 1 else "are"
        return f"{' and '.join(missing)} {are} not installed: {entry.install}"
    try:
        return entry.why_not(config, host)
    except Exception as error:
        raise ConfigError(
            f"implementation={name}: its why_not failed ({type(error).__name__}: {error}); fix "
            "or uninstall that package"
        ) from error
