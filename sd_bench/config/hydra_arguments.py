"""A command line, put so that Hydra can read it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sd_bench.paths import CONF_DIR
from sd_bench.records.old_names import rename_presets, rename_setting

#: Other names that a group goes by, too.
_ALIASES = {"attention_backend": "attention"}
_OVERRIDE = re.compile(r"(?P<prefix>\+{0,2}|~)(?P<name>[\w.]+)(?:=(?P<value>.*))?", re.DOTALL)


def with_present_names(argument: str) -> str:
    """``argument`` with a word of an earlier version replaced by the present one."""
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
    return f"{_ALIASES.get(name, name)}{equals}{value}"


def arguments_for_hydra(arguments: Sequence[str]) -> list[str]:
    """What was typed, as Hydra can read it.

    ``-m`` goes first, since Hydra's parser gives up on overrides on both sides of a flag. Options
    that are named by numbers are quoted (``batch_size=1,2`` as ``batch_size='1','2'``), since it
    takes a bare number for no option's name. Words of earlier versions and other names of a group
    are replaced.
    """
    arguments = [_without_alias(with_present_names(argument)) for argument in arguments]
    flags = ["-m"] if {"-m", "--multirun"} & set(arguments) else []
    numbered = {file.parent.name for file in CONF_DIR.glob("*/*.yaml") if file.stem.isdigit()}
    rest = []
    for argument in arguments:
        group, equals, values = argument.partition("=")
        if equals and group in numbered:
            names = (f"'{v}'" if re.fullmatch(r"\s*-?\d+\s*", v) else v for v in values.split(","))
            argument = f"{group}={','.join(names)}"
        if argument not in ("-m", "--multirun"):
            rest.append(argument)
    return [*flags, *rest]
