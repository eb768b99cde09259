"""Reasons and warnings as people read them: alike ones put together, long ones cut.

Messages such as CUDA's out of memory hold process ids and sizes, so that no two are equal. Texts
that differ in nothing but their numbers are one kind, and are shown with "…" where they differ.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from sd_bench.verdicts import short_texts

#: How long a reason in a table or a warning in a note may be; the CSV files have the whole text.
LONGEST = 160

_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)*")


def shorten_kinds(texts: Iterable[str], longest: int = LONGEST) -> dict[str, str]:
    """For each text the short form of its kind, in the order in which they first occur."""
    members: dict[str, list[str]] = defaultdict(list)
    short: dict[str, str] = dict.fromkeys(texts, "")
    for text in short:
        members[_NUMBER.sub("…", text)].append(text)
    for alike in members.values():
        said = cut(_merged(alike), longest)
        short |= dict.fromkeys(alike, said)
    return short


def cut(text: str, longest: int = LONGEST) -> str:
    """The text with at most that many characters, cut at a space where there is one."""
    return short_texts.cut(text, longest)


def _merged(alike: Sequence[str]) -> str:
    """Texts that differ in their numbers only as one, with "…" for the numbers that differ."""
    if len(alike) == 1:
        return alike[0]
    words = _NUMBER.split(alike[0])
    numbers = zip(*(_NUMBER.findall(text) for text in alike), strict=True)
    shown = [each[0] if len(set(each)) == 1 else "…" for each in numbers]
    return "".join(word + number for word, number in zip(words, [*shown, ""], strict=True))
