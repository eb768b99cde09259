"""The errors that a user or a file causes; each message is one line for whoever reads it."""

from __future__ import annotations


class ConfigError(ValueError):
    """What a user asked for cannot be done; the message is one line that says what to do."""


class WeightsError(ConfigError):
    """A checkpoint that cannot be used; the message is one line that says why."""


class RecordError(ValueError):
    """A file that is not a usable record; the message is one line and names the file."""


class NewerRecordError(RecordError):
    """A record that a newer sd_bench has written: nothing is wrong with it."""
