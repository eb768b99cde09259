"""Rewrites a command line so that Hydra can read it."""

from __future__ import annotations

import math
import re
import shlex
from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
)
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sd_bench.errors import ConfigError
from sd_bench.paths import CONF_DIR
from sd_bench.records.old_names import rename_presets, rename_setting

#: Other names of a group, and a value with the name of its group.
_ALIASES = {"attention_backend": "attention", "threads": "threads.count"}
#: Hydra's flags that take a value, by all their names.
_FLAGS_WITH_VALUE = {
    "--config-dir": "--config-dir", "-cd": "--config-dir",
    "--config-path": "--config-path", "-cp": "--config-path",
    "--config-name": "--config-name", "-cn": "--config-name",
    "--package": "--package", "-p": "--package", "--cfg": "--cfg", "-c": "--cfg",
    "--experimental-rerun": "--experimental-rerun",
}  # fmt: skip
#: Hydra's parser does not take a dash alone, or before a number, for a flag.
_FLAG = re.compile(r"-(?!$|\d|\.\d)")
_INFO = ("--info", "-i")
_WORD = re.compile(r"[a-z][a-z-]*")
#: How many values a range may stand for.
MOST_VALUES = 10_000
_OVERRIDE = re.compile(r"(?P<prefix>\+{0,2}|~)(?P<name>[\w.]+)(?:=(?P<value>.*))?", re.DOTALL)


def with_present_names(argument: str) -> str:
    """``argument`` with names of earlier versions replaced by the present ones."""
    found = _OVERRIDE.fullmatch(argument)
    if found is None:
        return argument
    name, value = rename_setting(found["name"]), found["value"]
    if value is None:
        return f"{found['prefix']}{name}"
    if name in ("preset", "preset.name"):
        value = rename_presets(value)
    return f"{found['prefix']}{name}={value}"


def _without_alias(argument: str) -> str:
    name, equals, value = argument.partition("=")
    return f"{_ALIASES.get(name, name)}{equals}{value}" if equals else argument


def as_typed(override: str) -> str:
    """An override of `arguments_for_hydra` under the shorter name that users may type."""
    return re.sub(r"^(\+{0,2})threads\.count=", r"\1threads=", override)


def arguments_for_hydra(arguments: Sequence[str]) -> list[str]:
    """The typed arguments in a form that Hydra can read.

    Flags go first, since Hydra's parser fails if overrides are on both sides of one. Options named
    by numbers are quoted (``batch_size=1,2`` as ``batch_size='1','2'``), since it does not take a
    bare number for an option's name. Names of earlier versions and aliases of groups are replaced.
    Raises ConfigError for an argument that Hydra could not read.
    """
    arguments = [_without_alias(with_present_names(argument)) for argument in arguments]
    flags, overrides = split_flags(arguments)
    return [*flags, *map(_readable, overrides)]


def split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The flags of a command line, each once and joined with its value, and the other arguments."""
    flags, overrides, rest = [], [], deque(arguments)
    while rest:
        argument = rest.popleft()
        name, equals, _ = argument.partition("=")
        if argument == "--":
            continue
        if _FLAG.match(argument) is None:
            overrides.append(argument)
        elif name in _FLAGS_WITH_VALUE and not equals and rest:
            flags.append(f"{_FLAGS_WITH_VALUE[name]}={rest.popleft()}")
        elif argument in _INFO:  # its value is optional
            has_value = rest and _WORD.fullmatch(rest[0])
            flags.append(f"--info={rest.popleft() if has_value else 'all'}")
        else:
            flags.append({"--multirun": "-m"}.get(argument, argument))
    return list(dict.fromkeys(flags)), overrides


def parse_argument(argument: str) -> Override | None:
    """``NAME=VALUE`` as Hydra parses it; ``None`` if it is not such an argument.

    Raises ConfigError, which says how to quote it, for a value that Hydra cannot read.
    """
    found = _OVERRIDE.fullmatch(argument)
    if found is None or found["value"] is None:
        return None
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException:
        value = found["value"]
        if value.startswith("="):
            raise ConfigError(f"{argument}: write one =, as in NAME=VALUE") from None
        if value.startswith("~/"):  # no shell expands it after a name with a dot
            value = str(Path(value).expanduser())
        # In Hydra's quotes a backslash escapes only a quote, or backslashes before one.
        value = re.sub(r'(\\*)("|$)', lambda m: 2 * m[1] + ('\\"' if m[2] else ""), value)
        quoted = shlex.quote(f'{found["prefix"]}{found["name"]}="{value}"')
        raise ConfigError(
            f"{argument}: its value has special characters; quote it as {quoted}"
        ) from None


def _readable(argument: str) -> str:
    parsed = parse_argument(argument)
    if parsed is None:
        _check_readable(argument)
        return argument
    group, value = parsed.key_or_group, parsed.value()
    if isinstance(value, RangeSweep):
        _check_length(argument, value)
    if isinstance(value, IntervalSweep):
        raise ConfigError(
            f"{argument}: means any number in an interval; write range(...) or choice(...)"
        )
    if group in _groups() and parsed.is_force_add():
        return _readable(argument.removeprefix("++"))  # the group exists: ++ is the same
    if group in _groups() and parsed.is_add():
        raise ConfigError(f"{argument}: there is a {group} already; write it without +")
    if group not in _groups():
        return argument
    if isinstance(value, list):
        ways = ",".join(map(str, value))
        raise ConfigError(
            f"{argument}: is a list, but one cell takes one option; write -m {group}={ways} to "
            "measure each"
        )
    if not any(option.isdigit() for option in _groups()[group]):
        return argument
    if isinstance(value, RangeSweep):
        numbers = value.range()
        return f"{group}={','.join(map(_quoted, numbers))}"
    if isinstance(value, ChoiceSweep):
        options = ",".join(map(_quoted, value.list))
        return f"{group}=shuffle({options})" if value.shuffle else f"{group}={options}"
    return f"{group}={_quoted(value)}" if isinstance(value, int) else argument


def _check_readable(argument: str) -> None:
    """Raise ConfigError if Hydra cannot parse ``argument``."""
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        raise ConfigError(
            f"{argument}: cannot be read; write NAME=VALUE without blanks, see --help, and quote a "
            "value with special characters, as in 'NAME=\"VALUE\"'"
        ) from None


def range_length(sweep: RangeSweep) -> int:
    """The number of values in a range. Raises ConfigError for one without an end (step 0)."""
    assert sweep.start is not None
    assert sweep.stop is not None
    if sweep.step == 0:
        words = f"range({sweep.start},{sweep.stop},0)"
        raise ConfigError(f"the step of {words} is 0; write range(BEGIN,END,STEP) with another")
    return max(0, math.ceil((sweep.stop - sweep.start) / sweep.step))


def _check_length(argument: str, sweep: RangeSweep) -> None:
    """Raise ConfigError if a range has too many values, before it is expanded."""
    try:
        count = range_length(sweep)
    except ConfigError as error:
        raise ConfigError(f"{argument}: {error}") from None
    if count > MOST_VALUES:
        raise ConfigError(
            f"{argument}: stands for {count:,} values; an axis accepts at most {MOST_VALUES:,}"
        )


def _quoted(value: object) -> str:
    text = value.text if isinstance(value, QuotedString) else str(value).strip()
    return f"'{text}'" if re.fullmatch(r"-?\d+", text) else text


@cache
def _groups() -> dict[str, tuple[str, ...]]:
    """The options of each group in conf/."""
    groups: dict[str, tuple[str, ...]] = {}
    for file in sorted(CONF_DIR.glob("*/*.yaml")):
        groups[file.parent.name] = (*groups.get(file.parent.name, ()), file.stem)
    return groups


def typed_value(arguments: Sequence[str], name: str) -> str | None:
    """The last single value that ``arguments`` give to ``name``, with interpolations resolved.

    ``None`` if there is none, or if several are given to sweep over. Raises ConfigError for a value
    that Hydra cannot read.
    """
    value = None
    for argument in arguments:
        parsed = parse_argument(argument)
        if parsed is not None and parsed.key_or_group == name:
            value = None if parsed.is_sweep_override() else parsed.value()
    if not isinstance(value, str):
        return None if value is None else str(value)
    try:
        return str(OmegaConf.create({"value": value})["value"])
    except OmegaConfBaseException:  # it refers to the configuration, which does not exist yet
        return None
