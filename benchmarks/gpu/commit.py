"""Keeps the commit of a source tree that is copied without its git repository."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

#: Next to the wheels, and like them ignored by git.
FILE = "commit.json"
#: The variable that sd_bench reads without a repository: the hash, and one of the two words.
VARIABLE = "SD_BENCH_COMMIT"
CLEAN, CHANGED = "clean", "changed"
_SOURCES = ("sd_bench", "analysis", "hydra_plugins", "conf", "benchmarks")
_SUFFIXES = (".py", ".yaml")


def write_commit(root: Path, folder: Path) -> str | None:
    """Note the commit of the repository ``root`` in ``folder``; ``None`` if git does not know."""
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    (folder / FILE).unlink(missing_ok=True)
    if commit is None or changes is None:
        return None
    state = CHANGED if changes else CLEAN
    facts = {"commit": commit, "state": state, "sources": _digest(root)}
    (folder / FILE).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return f"{commit} {state}"


def read_commit(root: Path, folder: Path) -> str | None:
    """The commit that ``write_commit`` noted, or ``None``; marked if sources changed since then."""
    try:
        facts = json.loads((folder / FILE).read_text(encoding="utf-8"))
        commit, state, sources = (str(facts[name]) for name in ("commit", "state", "sources"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return f"{commit} {state if sources == _digest(root) else CHANGED}"


def _digest(root: Path) -> str:
    digest = hashlib.sha256()
    files = (file for name in _SOURCES for file in (root / name).rglob("*"))
    for file in sorted(f for f in files if f.suffix in _SUFFIXES and f.is_file()):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _git(root: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
