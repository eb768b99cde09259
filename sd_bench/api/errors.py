"""Errors of the Python interface: exceptions with the line that the command would print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sd_bench.cli.error_lines import is_users_fault, one_line
from sd_bench.command_lines import name_of
from sd_bench.errors import ConfigError
from sd_bench.paths import SWEEP_FOLDER

#: Settings of Hydra's that are about a sweep and not about its command line.
_OF_HYDRA = (SWEEP_FOLDER, "hydra.sweep.subdir", "hydra.searchpath")


def check_override(override: str) -> str:
    """Return the override unchanged.

    Raises ConfigError if it only works on a command line, TypeError if it is not a string.
    """
    if not isinstance(override, str):
        raise TypeError(f"{override!r}: write overrides as strings, as in 'batch_size=2'")
    name = name_of(override)
    if override.startswith("-"):
        raise ConfigError(f"{override} is a flag; from Python give overrides, as in batch_size=2")
    if name.startswith(("hydra.", "hydra/")) and name not in _OF_HYDRA:
        raise ConfigError(f"{override} works only on the command line; leave it out in Python")
    return override


@contextmanager
def as_the_command_says_it() -> Iterator[None]:
    """Turn errors that are the user's fault into ConfigError, with the line the command prints."""
    try:
        yield
    except TypeError:
        raise
    except Exception as error:
        if not is_users_fault(error):
            raise
        raise ConfigError(one_line(error)) from error
