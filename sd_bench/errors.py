"""Errors caused by a user's request or by a file; each message is one line."""

from __future__ import annotations

#: The most characters of a message, and of text quoted in one from a file.
_LONGEST_MESSAGE, _LONGEST_QUOTED = 2000, 120


def printable(text: object, most: int = _LONGEST_QUOTED) -> str:
    """``text`` as one line without control characters; of a long one only both ends are kept."""
    line = str(text)
    if len(line) > most:
        line = f"{line[: most // 2]}...{line[-most // 2 :]}"
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else _escaped(c) for c in line)


def _escaped(character: str) -> str:
    return " " if character.isspace() else character.encode("unicode_escape").decode()


class ConfigError(ValueError):
    """What a user asked for cannot be done; the message is one line that says what to do."""

    def __init__(self, message: object) -> None:
        super().__init__(printable(message, _LONGEST_MESSAGE))


class WeightsError(ConfigError):
    """A checkpoint that cannot be used; the message is one line that says why."""


class RecordError(ValueError):
    """A file that is not a usable record; the message is one line and names the file."""

    def __init__(self, message: object) -> None:
        super().__init__(printable(message, _LONGEST_MESSAGE))


class NewerRecordError(RecordError):
    """A record written by a newer sd_bench, which this one cannot read."""
