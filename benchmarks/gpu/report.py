"""What a call leaves while it runs and when it ends: summary, archive, notebook, charts."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from notebook import CUT_OFF, ENDED, FAILED, Outcome
from places import ARCHIVE, SUMMARY, Places
from session import Session
from summary import pack, summarise

CHARTS = "charts"


class Report:
    """The outcomes of all steps, saved after each of them."""

    def __init__(
        self, session: Session, places: Places, facts: Mapping[str, str], gpu: str
    ) -> None:
        self._session = session
        self._places = places
        self._facts = facts
        self._charts: dict[str, Outcome] = {}
        self._top = f"gpu_{gpu}_{re.sub('[^0-9T]', '', facts['date'].partition('+')[0])}Z"
        self.notebook = places.notebook
        self.notebook.calls.append(f"{facts['date']}: {facts['device']}")
        self.notebook.outs.append(str(places.out.absolute()))

    @property
    def has_failed(self) -> bool:
        """Whether a cell, a test or the charts failed; a cut-off is not a failure."""
        outcomes = [*self.notebook.outcomes.values(), *self._charts.values()]
        return any(o.state == FAILED or o.failures for o in outcomes)

    def note(self, name: str, outcome: Outcome) -> None:
        """Store a step's outcome and print it."""
        self.notebook.outcomes[name] = outcome
        print(f"{name}: {outcome}", flush=True)
        self.save()

    def save(self) -> str:
        """Rewrite summary and archive; returns the summary."""
        session, places, notebook = self._session, self._places, self.notebook
        earlier = notebook.calls[:-1]
        facts = {
            **self._facts,
            **({"earlier calls": "; ".join(earlier)} if earlier else {}),
            "time": f"{session.elapsed_s:.0f} of {session.limit_s:.0f} s",
        }
        text = summarise(places.records, facts, {**notebook.outcomes, **self._charts})
        notebook.write(places.records)
        (places.records / SUMMARY).write_text(text, encoding="utf-8")
        (places.out / SUMMARY).write_text(text, encoding="utf-8")
        pack(places.records, places.out / ARCHIVE, self._top)
        return text

    def draw(self) -> None:
        """Make charts and tables from all records."""
        records = self._places.records
        if any(records.rglob("round-*.json")):
            self._charts[CHARTS] = draw(self._session, records)


def draw(session: Session, records: Path) -> Outcome:
    """Run the analysis in the time that is left until the call has to close."""
    out = records / "analysis"
    command = [sys.executable, "-m", "analysis", str(records), "--out", str(out)]
    answer = session.run("charts", command, session.left_to_close_s)
    if answer.code is None:
        return Outcome(CUT_OFF, ": no time left")
    if answer.code:
        return Outcome(FAILED, f": exit code {answer.code}: {answer.last_line}")
    return Outcome(ENDED, "")
