"""Shortens reasons and warnings for people: similar ones are merged, long ones cut.

Messages such as CUDA's out of memory contain process ids and sizes, so no two are equal. Texts that
differ only in their numbers are one kind, and are shown with "…" where they differ.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from sd_bench.verdicts import short_texts

#: Most characters of a reason in a table or a warning in a note; the CSV files have all of it.
LONGEST = 160

_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)*")


def shorten_kinds(texts: Iterable[str], longest: int = LONGEST) -> dict[str, str]:
    """The short form of each text, shared by texts of one kind, in order of first occurrence."""
    members: dict[str, list[str]] = defaultdict(list)
    short: dict[str, str] = dict.fromkeys(texts, "")
    for text in short:
        members[_NUMBER.sub("…", text)].append(text)
    for alike in members.values():
        shown = cut(_merged(alike), longest)
        short |= dict.fromkeys(alike, shown)
    return short


def cut(text: str, longest: int = LONGEST) -> str:
    """The text cut to at most ``longest`` characters, at a space if there is one."""
    return short_texts.cut(text, longest)


def _merged(alike: Sequence[str]) -> str:
    """One text for texts that differ only in numbers, with "…" for the numbers that differ."""
    if len(alike) == 1:
        return alike[0]
    words = _NUMBER.split(alike[0])
    numbers = zip(*(_NUMBER.findall(text) for text in alike), strict=True)
    shown = [each[0] if len(set(each)) == 1 else "…" for each in numbers]
    return "".join(word + number for word, number in zip(words, [*shown, ""], strict=True))
