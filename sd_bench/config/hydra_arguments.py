"""A command line, put so that Hydra can read it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sd_bench.paths import CONF_DIR


def arguments_for_hydra(arguments: Sequence[str]) -> list[str]:
    """What was typed, as Hydra can read it.

    ``-m`` goes first, since Hydra's parser gives up on overrides on both sides of a flag. Options
    that are named by numbers are quoted (``batch_size=1,2`` as ``batch_size='1','2'``), since it
    takes a bare number for no option's name.
    """
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
