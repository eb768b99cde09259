"""The error that a user sees as a single line."""

from __future__ import annotations


class AnalysisError(ValueError):
    """A user's mistake; the message is one line that says what is wrong and what to do."""
