"""The outcome of each step, kept with the records so that a later call can continue."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from session import SetupError

#: The file name, in the records' folder.
NOTEBOOK = "call.json"
#: How a step can end. The first two are final; a later call repeats the others.
ENDED, FAILED, CUT_OFF, NOT_STARTED = "ended", "failed", "cut off", "not started"
_OVER = (ENDED, FAILED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """``text`` is for readers, ``arguments`` are those of the step, ``failures`` are names."""

    state: str
    text: str
    arguments: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.state} {self.text}".replace(" :", ":").rstrip()


@dataclass(slots=True)
class Notebook:
    """``began`` names the first call, ``outs`` are the output folders of all calls."""

    began: str
    outs: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Notebook:
        """The inverse of ``text``. Raises SetupError."""
        try:
            data: dict[str, Any] = json.loads(text)
            outcomes = {name: Outcome(**fields) for name, fields in data.pop("outcomes").items()}
            return cls(**data, outcomes=outcomes)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise SetupError(f"{NOTEBOOK}: does not read; name another folder with --out") from None

    def text(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    def write(self, records: Path) -> None:
        (records / NOTEBOOK).write_text(self.text(), encoding="utf-8")

    def is_over(self, name: str, arguments: list[str]) -> bool:
        """Whether the step has been done with these arguments."""
        outcome = self.outcomes.get(name)
        return outcome is not None and outcome.state in _OVER and outcome.arguments == arguments

    def left(self, names: Iterable[str]) -> list[str]:
        """The steps that are left for another call."""
        return [n for n in names if n not in self.outcomes or self.outcomes[n].state not in _OVER]
