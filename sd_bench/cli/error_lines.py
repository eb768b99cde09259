"""The one line that a user sees for an error, with hints for Hydra's messages."""

from __future__ import annotations

import dataclasses
import difflib
import errno
import os
import re
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_type_hints

from hydra.errors import HydraException
from omegaconf.errors import GrammarParseError, OmegaConfBaseException
from yaml import YAMLError

from sd_bench.command_lines import shown
from sd_bench.config.schema import Config
from sd_bench.errors import ConfigError, printable
from sd_bench.paths import CONF_DIR

#: Errors of a request that cannot be carried out, including files of it that cannot be read.
_USERS_ERRORS = (
    ConfigError, HydraException, OmegaConfBaseException, OSError, YAMLError, UnicodeDecodeError,
)  # fmt: skip


#: An error that comes from these packages, or from what they call, is about what was typed.
_CONFIGURATION = ("hydra", "omegaconf")
_OURS = ("sd_bench", "hydra_plugins")

_LONGEST = 4_000
_MENDS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room there"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "make it writable"),
}
SEVERAL_VALUES = (
    "several values for one cell: add -m to sweep over them, or quote a value that holds a comma, "
    "as in 'prompt=\"A cat, sitting\"'"
)


def is_users_fault(error: Exception) -> bool:
    """Whether the error is the request's fault rather than the program's."""
    if isinstance(error, _USERS_ERRORS):
        return True
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    packages = [str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame in frames]
    known = [package for package in packages if package in (*_CONFIGURATION, *_OURS)]
    return bool(known) and known[-1] in _CONFIGURATION


def one_line(error: Exception) -> str:
    """The line that tells the user what is wrong and what to do."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        name = Path(os.fsdecode(error.filename or "")).name
        return printable(f"{name[:60]}…: this name is too long; write a shorter one", _LONGEST)
    if isinstance(error, OSError) and error.filename is not None:
        how = "name another place (hydra.sweep.dir=FOLDER for the records)"
        path = _what(error)
        return printable(f"{path}: {_why(error, path)}, or {how}", _LONGEST)
    if (own := _met(error, ConfigError)) is not None:
        return printable(" ".join(str(own).split()), _LONGEST)
    if type(error) is KeyError:  # not OmegaConf's own: Hydra looked up a variable
        name = error.args[0]
        return printable(f"hydra.job.env_copy: there is no environment variable {name}", _LONGEST)
    text, _, _ = str(error).partition("Config search path:")
    if _met(error, GrammarParseError) is not None:
        text = "the configuration" if isinstance(error, GrammarParseError) else text
        text = f"{text}: an interpolation cannot be read; write ${{NAME}}, as in ${{oc.env:HOME}}"
    elif error.__cause__ is not None:  # OmegaConf's message is better than Hydra's
        first, *_ = str(error.__cause__).splitlines()
        text = f"{text}: {first}"
    words = " ".join(text.split())
    if (ours := _in_our_words(words)) is not None:
        return printable(ours, _LONGEST)
    words = _with_the_name_first(words)
    hint = next((hint for mark, hint in _HINTS.items() if mark in words), None)
    if hint is None:
        return printable(words, _LONGEST)
    return printable(f"{words} ({hint.format(program=shown('sd_bench'))})", _LONGEST)


def _what(error: OSError) -> Path:
    """The path to name: the outermost missing folder, a file in place of a folder, or its own."""
    path = Path(os.fsdecode(error.filename))
    outermost_first = [*reversed(path.parents), path]
    if error.errno == errno.ENOENT:
        return next((p for p in outermost_first if not os.path.lexists(p)), path)
    if error.errno == errno.ENOTDIR:
        return next((p for p in outermost_first if p.exists() and not p.is_dir()), path)
    return path


def _why(error: OSError, path: Path) -> str:
    """Why ``path`` cannot be used, and what would help."""
    if path.is_symlink() and not path.exists():
        return f"is a link to {path.readlink()}, which does not exist; make that folder"
    if error.errno in (errno.EEXIST, errno.ENOTDIR) and path.exists() and not path.is_dir():
        return "is a file, not a folder; rename it" if path.is_file() else "is not a folder"
    if error.errno == errno.ENOENT:
        return "cannot be created, or was deleted during the sweep; start again"
    mend = _MENDS.get(error.errno or 0)
    return str(error.strerror) if mend is None else f"{error.strerror}; {mend}"


def _with_the_name_first(words: str) -> str:
    """OmegaConf's message, which names the key and its classes at the end, with the key first."""
    message, is_placed, place = words.partition(" full_key: ")
    name, *_ = place.split() or [""]
    return f"{name}: {message}" if is_placed else words


def _in_our_words(words: str) -> str | None:
    """A clearer message for one of Hydra's, or ``None`` if Hydra's will do."""
    if "Could not override ''" in words:
        return f"an argument without a name: write NAME=VALUE, see {shown('sd_bench', '--help')}"
    if found := re.search(r"Could not override '([^']+)'", words):
        if found[1].startswith("hydra.job.env_set"):
            return (
                "hydra.job.env_set: no process of a round would get it; write NAME=VALUE before "
                "the command, which every round gets"
            )
        if found[1].startswith("hydra."):
            lists = shown("sd_bench", "--cfg", "hydra")
            return f"{found[1]}: Hydra has no such setting; {lists} lists all"
        return (
            f"{found[1]}: there is no such choice{_nearest(found[1], _names_beside(found[1]))}; "
            f"{shown('sd_bench', '--help')} lists the groups, --cfg job all values"
        )
    if found := re.search(r"has missing mandatory value: \w+ full_key: (\w+)\.\w+ ", words):
        return f"~{found[1]}: every group is needed; name another option instead"
    if re.search(r"^Ambiguous value for argument|requires --multirun$", words):
        return SEVERAL_VALUES
    if found := re.match(r"provider=hydra\.searchpath .*path=(.*) is not available", words):
        return f"hydra.searchpath: there is no {found[1]}; name a folder, or an installed package"
    if found := re.search(r"Could not find '([\w/]+)/([^/']+)' Available options", words):
        options = sorted(file.stem for file in (CONF_DIR / found[1]).glob("*.yaml"))
        if not found[2].lstrip("-").isdigit() and (nearest := _nearest(found[2], options)):
            return f"{found[1]}={found[2]}: there is no such option{nearest}; {', '.join(options)}"
    return None


def _nearest(name: str, names: Iterable[str]) -> str:
    outermost_last = sorted(names, key=lambda other: -other.count("."))
    last = {other.rpartition(".")[2]: other for other in outermost_last}
    close = difflib.get_close_matches(name.rpartition(".")[2], last, n=1)
    found = [last[other] for other in close if last[other] != name.partition("@")[0]]
    return f" (did you mean {found[0]}?)" if found else ""


def _names_beside(name: str) -> list[str]:
    """The names that may have been meant: those of the same group if there are any, else all."""
    group, dot, _ = name.rpartition(".")
    inside = [other for other in _names() if other.rpartition(".")[0] == group]
    return inside if dot and inside else _names()


def _names() -> list[str]:
    """Every group, and every value by its full name."""
    groups = {file.parent.name for file in CONF_DIR.glob("*/*.yaml")}
    return sorted(groups | set(_names_in(Config, "")))


def _names_in(cls: type, prefix: str) -> Iterator[str]:
    for name, kind in get_type_hints(cls).items():
        yield f"{prefix}{name}"
        if dataclasses.is_dataclass(kind):
            assert isinstance(kind, type)
            yield from _names_in(kind, f"{prefix}{name}.")


def _met(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """The error of that kind among ``error`` and its causes, as Hydra wraps a resolver's error."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


_HINTS = {
    "Could not find 'batch_size/": "for another size of 1 or more use workload.batch_size=N",
    "Could not find '": "{program} --help lists the groups",
    "Config group override must be a string": "name one of the group's options, see --help",
    "Error merging override": "{program} --cfg job lists all values",
    "Error parsing override": "write NAME=VALUE, see --help",
}
