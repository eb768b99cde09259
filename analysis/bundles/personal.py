"""Finds and replaces what is personal in records: names of users and hosts, and paths."""

from __future__ import annotations

import getpass
import hashlib
import platform
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from analysis.bundles.layout import Replacement
from sd_bench.records import Record

USER, HOST, FOLDER, WORD = "<user>", "<host>", "<folder>", "<word>"
#: Names that identify nobody, and the length below which a name is not searched for.
_NOBODY = {
    *("root", "user", "users", "home", "admin", "ubuntu", "debian", "runner", "jovyan", "nobody"),
    *("ec2-user", "vscode", "codespace", "localhost", "localdomain", "shared", "public"),
}
_SHORTEST_NAME = 3
#: System folders: paths inside them are the same for everybody.
_OF_THE_SYSTEM = (
    *("/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/etc/", "/sys/", "/proc/", "/dev/"),
    "/opt/rh/",  # the compiler that built PyTorch's wheels
)
_HOME = re.compile(r"/(?:home|Users)/([^/\s:;,'\"<>|()\[\]{}]+)")
_PART = r"/[^/\s:;,'\"<>|()\[\]{}=]+"
_PATH = re.compile(
    r"(?<=\")/[^\"\n]+(?=\")|(?<=')/[^'\n]+(?=')"  # quoted, so it may contain spaces
    rf"|(?<=file://)(?:{_PART})+/?|(?<![\w./>~-])(?!//)(?:~(?:{_PART})+|(?:{_PART}){{2,}})/?"
)
_ADDRESS = re.compile(r"(?<=//)[^/\s@]+@[^\s/:]+|\b[A-Za-z][\w.+-]*@[A-Za-z][\w-]*(?:\.[\w-]+)*")
_GPU = re.compile(r"\b(GPU|MIG)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_FILE = re.compile(r"[^/]*\.[A-Za-z0-9]{1,12}(?:\.\d+)*")
#: Fields with the project's own words, in which no user name is replaced; paths still are.
_OWN_WORDS = {
    ("status",), ("cell_hash",), ("choices",), ("looks",), ("kernel_proof",), ("started_at",),
    ("config",), ("job",), *(("environment", name) for name in (
        "fingerprint", "python", "torch", "torch_build", "packages", "cuda", "cudnn", "device",
        "processor", "settings", "worker", "machine",
    )),
}  # fmt: skip
#: Those of them that a user wrote.
_WRITTEN = {
    ("choices", "weights"), ("config", "weights"), ("config", "prompt"),
    ("config", "negative_prompt"), ("config", "prompt_file"), ("config", "time_file"),
    ("config", "torch_env", "python"), ("config", "allocator", "library"),
    ("config", "allocator", "variables"),
}  # fmt: skip
#: Fields whose whole text is one path, spaces included.
_ONE_PATH = {
    ("config", "weights"), ("config", "prompt_file"), ("config", "time_file"),
    ("config", "torch_env", "python"), ("config", "allocator", "library"),
    ("environment", "interpreter"), ("environment", "host", "lock_folder"),
}  # fmt: skip


class Cleaner:
    """Replaces what is personal in records and counts the replacements.

    ``words`` are additional words to replace. User names are learned from the home folders in the
    records.
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._by: dict[str, tuple[str, str]] = {}
        for word in words:
            self._by[word.lower()] = ("word that was named", WORD)
        for name in _own_names():
            self._learn(name, "user name", USER)
        for name in _own_hosts():
            self._learn(name, "host name", HOST)
        self._times: Counter[tuple[str, str, str]] = Counter()
        self._fields: dict[tuple[str, str], set[str]] = defaultdict(set)

    def learn(self, record: Record) -> None:
        """Learn the names of the users whose home folders a record names."""
        for text in _texts(msgspec.to_builtins(record)):
            for name in _HOME.findall(text):
                self._learn(name, "user name", USER)

    def _learn(self, name: str, what: str, by: str) -> None:
        if len(name) >= _SHORTEST_NAME and name.lower() not in _NOBODY:
            self._by.setdefault(name.lower(), (what, by))

    def clean(self, record: Record) -> Record:
        """The record without what is personal."""
        return msgspec.convert(self._cleaned(msgspec.to_builtins(record), ()), Record)

    def clean_text(self, text: str, field: tuple[str, ...] = ()) -> str:
        """The cleaned text of a record's ``field``; file names stay, without their folders."""
        if field in _ONE_PATH and text.startswith(("/", "~")):
            text = self._path(text, field)
        else:
            text = _PATH.sub(lambda found: self._path(found[0], field), text)
        text = _ADDRESS.sub(lambda f: self._count("address", f[0], f"{USER}@{HOST}", field), text)
        text = _GPU.sub(lambda f: self._count("number of a GPU", f[0], _short(f), field), text)
        is_own = any(field[:n] in _OWN_WORDS for n in (1, 2))
        is_written = any(field[:n] in _WRITTEN for n in (2, 3))
        return text if is_own and not is_written else self._without_names(text, field)

    def replaced(self) -> list[Replacement]:
        """What kinds of text were replaced, without the text itself."""
        times: Counter[tuple[str, str]] = Counter()
        for (what, _, by), number in self._times.items():
            times[what, re.sub("-.*", "-...", by) if what == "number of a GPU" else by] += number
        return [
            Replacement(what=what, by=by, times=number, fields=sorted(self._fields[what, by]))
            for (what, by), number in sorted(times.items())
        ]

    def originals(self) -> list[tuple[str, str, int]]:
        """Each replaced text, its replacement and how often, for the user who packs."""
        return [(original, by, n) for (_, original, by), n in sorted(self._times.items())]

    def _cleaned(self, value: Any, field: tuple[str, ...]) -> Any:
        if isinstance(value, str):
            return self.clean_text(value, field)
        if isinstance(value, list):
            return [self._cleaned(each, field) for each in value]
        if isinstance(value, dict):
            return {
                self.clean_text(key, field): self._cleaned(each, (*field, key))
                for key, each in value.items()
            }
        return value

    def _path(self, path: str, field: tuple[str, ...]) -> str:
        if path.startswith(_OF_THE_SYSTEM) and not _HOME.search(path):
            return path
        name = path.rstrip("/").rpartition("/")[2]
        shown = f"{FOLDER}/{name}" if _FILE.fullmatch(name) else FOLDER
        self._count("path", path.removesuffix(name) if shown != FOLDER else path, FOLDER, field)
        return shown

    def _without_names(self, text: str, field: tuple[str, ...]) -> str:
        if not self._by:
            return text
        names = "|".join(sorted(map(re.escape, self._by), key=len, reverse=True))

        def replace(found: re.Match[str]) -> str:
            what, by = self._by[found[0].lower()]
            return self._count(what, found[0], by, field)

        pattern = rf"(?<![A-Za-z0-9<])(?:{names})(?![A-Za-z0-9>])"
        return re.sub(pattern, replace, text, flags=re.IGNORECASE)

    def _count(self, what: str, original: str, by: str, field: tuple[str, ...]) -> str:
        self._times[what, original, by] += 1
        key = re.sub("-.*", "-...", by) if what == "number of a GPU" else by
        self._fields[what, key].add(".".join(field[:3]))
        return by


def _own_names() -> Iterator[str]:
    with suppress(KeyError, OSError, ImportError):  # the system does not know the user
        yield getpass.getuser()
    with suppress(RuntimeError):
        yield Path.home().name


def _own_hosts() -> Iterator[str]:
    name = platform.node()
    yield name
    yield name.partition(".")[0]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        yield from map(str, value)
        yield from _texts(list(value.values()))


def _short(found: re.Match[str]) -> str:
    """A short name for a GPU: the same in every record, different for another GPU."""
    return f"{found[1]}-{hashlib.sha256(found[0].encode()).hexdigest()[:8]}"
