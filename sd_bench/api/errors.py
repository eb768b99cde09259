"""What the command would refuse, as an exception with the same line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sd_bench.cli.error_lines import is_users_fault, one_line
from sd_bench.command_lines import name_of
from sd_bench.errors import ConfigError
from sd_bench.paths import SWEEP_FOLDER

#: What of Hydra's own settings is about a sweep, and not about Hydra's command line.
_OF_HYDRA = (SWEEP_FOLDER, "hydra.sweep.subdir", "hydra.searchpath")


def check_override(override: str) -> str:
    """The override as it is.

    Raises ConfigError for what only a command line can do, TypeError for what is no text.
    """
    if not isinstance(override, str):
        raise TypeError(f"{override!r}: write overrides as texts, as in 'batch_size=2'")
    name = name_of(override)
    if override.startswith("-"):
        raise ConfigError(f"{override}: is a flag; from Python give overrides, as in batch_size=2")
    if name.startswith(("hydra.", "hydra/")) and name not in _OF_HYDRA:
        raise ConfigError(f"{override}: only for the command line; from Python leave it out")
    return override


@contextmanager
def as_the_command_says_it() -> Iterator[None]:
    """Raise what is the user's fault as ConfigError, with the line that the command prints."""
    try:
        yield
    except TypeError:
        raise
    except Exception as error:
        if not is_users_fault(error):
            raise
        raise ConfigError(one_line(error)) from error
