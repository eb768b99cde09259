"""Command lines made of pieces of the real configuration, and how the command handles them.

Thousands of them run in this process: Hydra's state, the environment, the working folder and signal
handlers are restored after each.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from sd_bench.__main__ import main
from sd_bench.cli import carrying_out
from sd_bench.cli.error_lines import _names
from sd_bench.paths import CONF_DIR

#: Outcomes of a command line.
PLANNED, SHOWN, REFUSED = "planned", "shown", "refused in one line"
#: Endings of lines on standard error that do not report an error.
_NO_ERRORS = ("the old words work until 1.0", "cells composed")
_LONGEST_LINE = 4_200
#: Words from libraries that do not help a user.
_NOT_FOR_USERS = (
    "Exception", "viable alternative", "extraneous input", "mismatched input", "<EOF>", "token rec",
    "object at 0x", "<class", "full_key", "object_type", "Structured config", "Ambiguous value",
)  # fmt: skip
#: Never typed: what would measure, and what writes into a user's home.
_LEFT_OUT = {"dry_run", "plan"}

_ODD_VALUES = (
    "", " ", "null", "true", "false", "nan", "inf", "-inf", "1e400", "-1", "0", "3", "0x10",
    "1_000", "1e3", "2.5", str(10**30), "???", "none", "'", '"', "''", "it's", "A cat, sitting",
    "a b", "a  b ", "(", ")", "[", "]", "{", "}", "[]", "{}", "[1,2]", "[a,[b]]", "{a:1}",
    "{a:{b:[1]}}", "[" * 300, "{a:" * 200, "$", "${", "${}", "${nope}", "${nope:1}",
    "${batch_size}", "${workload.batch_size}", "${oc.env:HOME}", "${oc.env:NOT_SET}",
    "${oc.env:NOT_SET,5}", "${oc.decode:'['}", "${now:%Y}", "${hydra:job.num}",
    "${hydra:runtime.cwd}", "${.a}", "${..a}", "${...}", "${sd_bench.nope}", "${workload}",
    "${gpu.kind}", "${sd_bench.allocator:nope,x}", "${oc.select:a,b}", r"\\", r"\n", "\\", "#",
    "a#b", "a=b", "a:b", "a,b", "a,,b", ",", ",,", "1,2", "1, 2", " 1 , 2 ", "~", "@", "%", "*",
    "../x", "/", "/dev/zero", "/proc/self/mem", "a/b.safetensors", "x" * 20_000, "1," * 300+"1",
    "🐈", "e\u0301", "\u202etxt", "\u00a0", "\ufeff1", "\uff11", "ⅷ", "\x1b[2J", "a\nb", "\t", "\r",
    "\x07", "\udcff", "\ud83d", "日本語", "\u2028", "choice", "choice(", "choice()", "range()",
    "glob()",
)  # fmt: skip
_NUMBERS = ("1", "2", "3", "4", "64", "128", "0.5", "true", "null", "auto")
_SWEEPS = (
    "choice({0},{1})", "choice({0}, {1})", "{0},{1}", "{0}, {1}", "{0},{0}", "'{0},{1}'", '"{0}"',
    "[{0},{1}]", "choice([{0},{1}])", "shuffle({0},{1})", "shuffle(choice({0},{1}))",
    "sort({1},{0})", "sort({0},{1},reverse=true)", "tag(a,choice({0},{1}))", "tag({0})",
    "choice(a={0})", "str({0})", "int({0})", "float({0})", "bool({0})", "json_str({0})",
    "glob({0})", "glob(*)", "glob([{0},{1}])", "glob(*,exclude={0})",
    "glob([*],exclude=[{0},*{1}])", "nope({0})", "choice(choice({0}))", "{{a:{0}}}", "{{{0}:{1}}}",
    "${{oc.decode:{0}}}", "${{{0}}}", "'{0}", '{0}"', "\\'{0}\\'", "interval({0},{1})",
    "range(1,3)", "range(3)", "range(3,1)", "range(1,9,0)", "range(1,3,-1)", "range(0.1,0.3,0.1)",
    "range(start=1,stop=3)", "range(1,1000000000)", "range(a,b)", "interval(0,1)",
    "extend_list({0})", "shuffle(range(1,4))", "sort(range(1,4))", "choice(1,2,a)",
)  # fmt: skip
_HYDRA = (
    "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.run.dir", "hydra.job.name", "hydra.job.chdir",
    "hydra.mode", "hydra.verbose", "hydra.output_subdir", "hydra.searchpath", "hydra.job.num",
    "hydra.job.env_set.X", "hydra.job.env_copy", "hydra.launcher.nope", "hydra.sweeper.nope",
    "hydra.sweeper.params", "hydra.callbacks", "hydra.nope", "hydra", "hydra/launcher",
    "hydra/sweeper", "hydra/env", "hydra/help", "hydra/nope",
    "hydra.job.config.override_dirname.exclude_keys", "hydra.job.override_dirname",
    "hydra.runtime.cwd", "hydra.overrides.task",
)  # fmt: skip
_HYDRA_VALUES = (
    "basic", "fresh_process", "matrix", "nope", "RUN", "MULTIRUN", "x", "x/y", "${now:%H}", "true",
    "null", "[]", "{}", "pkg://nope", "file:///nope", "[pkg://nope]", "[file://x]", "default",
)  # fmt: skip
_FLAGS: tuple[tuple[str, ...], ...] = (
    ("-m",), ("-m",), ("-m",), ("-m",), ("--multirun",), ("--foo",), ("-x",), ("-",), ("--",),
    ("--run",), ("-r",), ("-r", "-m"), ("--cfg", "job"), ("--cfg", "nope"), ("--cfg=hydra",),
    ("-c", "job", "--resolve"), ("--resolve",), ("--package", "workload"),
    ("-c", "job", "-p", "workload"), ("-c", "job", "-p", "nope"), ("--config-name", "nope"),
    ("-cn", "config"), ("--config-dir", "nope"), ("--config-dir=.",), ("--config-path", "nope"),
    ("-cp", "."), ("--config-name",), ("--cfg",), ("--info", "nope"),
    ("--experimental-rerun", "nope"), ("-mm",), ("--multi",), ("-h",), ("--version",),
    ("--dry-run",),
)  # fmt: skip


@cache
def _options() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file in sorted(CONF_DIR.glob("*/*.yaml")):
        found.setdefault(file.parent.name, []).append(file.stem)
    return found


@cache
def _fields() -> list[str]:
    return [name for name in _names() if name not in _LEFT_OUT]


def command_line(seed: int) -> list[str]:
    """Up to five arguments that a user might type, and one that requests a dry run."""
    rng = random.Random(seed)
    typist = _Typist(rng, oddness=rng.choice((0.03, 0.1, 0.5)))
    arguments = [word for _ in range(rng.choice((1, 1, 2, 2, 3, 4))) for word in typist.argument()]
    if rng.random() < 0.5:
        arguments = [*arguments, "gpu=cpu"]
    if rng.random() < 0.5 and "-m" not in arguments:
        arguments = ["-m", *arguments]
    return ["dry_run=true", *arguments] if rng.random() < 0.5 else [*arguments, "dry_run=true"]


@dataclass(frozen=True, slots=True)
class _Typist:
    """Types arguments; ``oddness`` is the share of mistakes in each of their parts."""

    rng: random.Random
    oddness: float

    def is_odd(self) -> bool:
        return self.rng.random() < self.oddness

    def argument(self) -> Sequence[str]:
        if self.is_odd():
            return self.rng.choice((self.of_hydra, self.flag, self.nonsense))()
        return self.rng.choice((self.choice, self.choice, self.field))()

    def choice(self) -> Sequence[str]:
        """``GROUP=OPTION``, right or wrong."""
        group = self.rng.choice(list(_options()))
        others = (self.misspelt(group), f"{group}@{group}", f"{group}/x", f"{group}@x")
        return self.typed(group, others, self.value(_options()[group]))

    def field(self) -> Sequence[str]:
        """``NAME=VALUE`` with any value, and a name that may be misspelt."""
        name = self.rng.choice(_fields())
        others = (self.misspelt(name), f"{name}.x", f".{name}", f"{name}[0]")
        return self.typed(name, others, self.value(_NUMBERS))

    def of_hydra(self) -> Sequence[str]:
        value = self.rng.choice((*_HYDRA_VALUES, self.value(("a", "b"))))
        return self.typed(self.rng.choice(_HYDRA), ("hydra.nope",), value)

    def flag(self) -> Sequence[str]:
        return self.rng.choice(_FLAGS)

    def nonsense(self) -> Sequence[str]:
        """An argument that is not ``NAME=VALUE``."""
        odd = ("", " ", "=", "=1", "+", "~", "++", "a", "a.b", *_ODD_VALUES, *_fields())
        return (self.rng.choice(odd),)

    def typed(self, name: str, others: Sequence[str], value: str) -> Sequence[str]:
        name = self.rng.choice(others) if self.is_odd() else name
        prefix = self.rng.choice(("+", "++", "~", "+++", " ")) if self.is_odd() else ""
        equals = self.rng.choice((" = ", "==", "")) if self.is_odd() else "="
        if prefix == "~" and self.rng.random() < 0.7:
            return (f"~{name}",)
        return (f"{prefix}{name}{equals}{value}",)

    def value(self, right: Sequence[str]) -> str:
        if self.is_odd():
            return self.rng.choice((self.misspelt(self.rng.choice(right)), *_ODD_VALUES))
        if self.rng.random() < 0.6:
            return self.rng.choice(right)
        other = self.rng.choice(_ODD_VALUES if self.is_odd() else right)
        return self.rng.choice(_SWEEPS).format(self.rng.choice(right), other)

    def misspelt(self, word: str) -> str:
        at = self.rng.randrange(len(word))
        return self.rng.choice(
            (
                word[:at] + word[at + 1 :],
                word[:at] + word[at] + word[at:],
                word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
                word[:at] + self.rng.choice("abcxyz_-. /é") + word[at + 1 :],
                word.upper(),
                word.replace("_", "-"),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    exit_code: int
    out: str
    err: str


def judge_command_line(arguments: Sequence[str], folder: Path) -> str:
    """The outcome of a command line in the empty ``folder``. Raises as ``judge`` does."""
    return judge(run_here(arguments, folder), folder)


def judge(ended: Ended, folder: Path) -> str:
    """The outcome of a command that ran in ``folder``.

    Raises AssertionError for anything but a plan, something shown, or a refusal of one line with
    exit code 2, and if anything was written.
    """
    left = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    assert not left, f"written: {left}"
    lines = [line for line in ended.err.split("\n")[:-1] if not line.endswith(_NO_ERRORS)]
    assert ended.err == "" or ended.err.endswith("\n"), ended.err[-200:]
    shown = [*ended.out.split("\n"), *ended.err.split("\n")]
    assert not any(ord(c) < 32 and c != "\t" for line in shown for c in line), "control characters"
    if ended.exit_code == 0:
        assert lines == [], ended.err
        assert ended.out, "nothing was said"
        return PLANNED if "round(s) to run" in ended.out else SHOWN
    assert ended.exit_code == 2, ended
    (line,) = lines
    assert line.startswith("sd_bench: "), line
    assert line.isprintable(), line
    assert 20 < len(line) < _LONGEST_LINE, line
    assert not any(words in line for words in _NOT_FOR_USERS), line
    return REFUSED


def run_here(arguments: Sequence[str], folder: Path) -> Ended:
    """Run the command in this process as if typed in ``folder``; it never measures."""
    out, err = StringIO(), StringIO()
    with (
        _as_it_was(folder),
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "argv", ["sd_bench", *arguments]),
        patch.object(carrying_out, "run_sweep", _never),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        try:
            code = main()
        except SystemExit as ending:
            code = 0 if ending.code is None else ending.code  # type: ignore[assignment]
    err.write("".join(f"warning: {warning.message}\n" for warning in caught))
    return Ended(exit_code=code, out=out.getvalue(), err=err.getvalue())


def _never(*_: object, **__: object) -> NoReturn:
    raise AssertionError("a sweep would have begun")


@contextmanager
def _as_it_was(folder: Path) -> Iterator[None]:
    before, environment = Path.cwd(), dict(os.environ)
    handler = signal.getsignal(signal.SIGTERM)
    path = list(sys.path)
    os.environ.pop("HYDRA_FULL_ERROR", None)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)
        signal.signal(signal.SIGTERM, handler)
        sys.path[:] = path
        GlobalHydra.instance().clear()
        HydraConfig.instance().cfg = None
