"""Odd phrases that this project used to contain do not return."""

from __future__ import annotations

import re

import pytest

from tests.support.commands import REPOSITORY

_ROOTS = ("sd_bench", "analysis", "hydra_plugins", "benchmarks", "conf")
#: Phrases to avoid, and what to write instead.
_INSTEAD = {
    r"\banew\b": "again",
    r"\bimages a second\b": "images per second",
    r"\b(?:unless|if|is) told otherwise\b": "by default",
    r"\bnobody can see\b": "cannot be seen",
    r"\bas its documentation has it\b": "as documented",
    r"\ba step a second\b|\bone call a step\b|\bone row a (?:cell|round)\b": "per",
}


@pytest.mark.parametrize("pattern", _INSTEAD)
def test_code_and_its_messages_are_in_plain_english(pattern: str) -> None:
    """Phrases are also found across line breaks and adjacent string literals."""
    spaced = re.compile(pattern.replace(" ", r"(?:\s|[\"']\s*f?[\"']|#:?)+"))
    found = [
        path.relative_to(REPOSITORY).as_posix()
        for root in _ROOTS
        for path in sorted((REPOSITORY / root).rglob("*"))
        if path.suffix in {".py", ".yaml", ".md", ".html"}
        and spaced.search(path.read_text(encoding="utf-8"))
    ]
    assert not found, f"write {_INSTEAD[pattern]!r} instead"
