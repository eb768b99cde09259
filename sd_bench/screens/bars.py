"""The progress bar of a slow command, redrawn in place on a terminal and in a notebook."""

from __future__ import annotations

import html
import io
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn

from sd_bench.screens.lines import is_notebook

_BAR_WIDTH = 24


def draws_in_place(console: Console) -> bool:
    """Whether output can be redrawn in place, as on a terminal or in a notebook."""
    return not console.quiet and (console.is_terminal or is_notebook())


def make_bar(console: Console, before: str, behind: str) -> Progress:
    """A bar with a text on either side, which moves only when updated and disappears at the end.

    The texts are rich templates, such as ``{task.fields[cell]}``. Nothing is shown where output
    cannot be redrawn.
    """
    columns = [
        *([TextColumn(before)] if before else []),
        BarColumn(bar_width=_BAR_WIDTH),
        MofNCompleteColumn(),
        TextColumn(behind),
    ]
    kind = _NotebookBar if is_notebook() else Progress
    return kind(
        *columns,
        console=console,
        auto_refresh=False,
        disable=not draws_in_place(console),
        transient=True,
    )


class _NotebookBar(Progress):
    """Redraws one output of the notebook cell, without needing a widget."""

    def __init__(self, *columns: ProgressColumn, **settings: Any) -> None:
        super().__init__(*columns, **settings)
        self._handle: Any = None

    def start(self) -> None:
        from IPython.display import display

        if not self.disable and self._handle is None:
            self._handle = display(self._picture(), raw=True, display_id=True)

    def refresh(self) -> None:
        if self._handle is not None:
            self._handle.update(self._picture(), raw=True)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.update({"text/plain": "", "text/html": ""}, raw=True)
            self._handle = None

    def _picture(self) -> dict[str, str]:
        page = io.StringIO()
        plain = Console(
            file=page, width=self.console.width, force_terminal=False, force_jupyter=False
        )
        plain.print(self.get_renderable())
        text = page.getvalue().rstrip()
        return {"text/plain": text, "text/html": f"<pre>{html.escape(text)}</pre>"}
