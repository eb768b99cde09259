"""The table of odd situations: every row has its test."""

from __future__ import annotations

import re

from tests.support.commands import REPOSITORY

ROW = re.compile(r"^\| (\d+) \|.*\|([^|]*)\|$", re.M)
#: The situations that were collected from public reports of tools like this one.
NUM_SITUATIONS = 41


def test_every_situation_names_tests_that_are_there() -> None:
    rows = ROW.findall((REPOSITORY / "docs" / "robustness.md").read_text(encoding="utf-8"))
    assert [int(number) for number, _ in rows] == list(range(1, NUM_SITUATIONS + 1))
    files: list[str] = []
    for number, tests in rows:
        named = re.findall(r"`([\w/]+\.py)`", tests)
        assert named or "the same" in tests, number
        files += named
    for file in files:
        assert list((REPOSITORY / "tests").rglob(file)), file
