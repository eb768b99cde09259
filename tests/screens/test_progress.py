"""A command shows its progress if it takes more than a moment, and nothing if it is quick."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from rich.console import Console

from sd_bench.screens.progress import counted


def clock_of(step_s: float) -> Callable[[], float]:
    """A clock that advances by ``step_s`` each time it is read."""

    def ticks() -> Iterator[float]:
        now = 100.0
        while True:
            yield now
            now += step_s

    each = ticks()
    return lambda: next(each)


def printed(step_s: float, is_terminal: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=is_terminal, width=80)
    items = list(range(40))
    assert list(counted(items, "cells composed", console, clock_of(step_s))) == items
    return stream.getvalue()


def test_within_two_seconds_nothing_is_printed() -> None:
    assert printed(0.05) == printed(0.05, is_terminal=True) == ""


def test_after_two_seconds_a_line_and_another_each_time_that_as_long_again_has_passed() -> None:
    assert printed(0.5).splitlines() == [f"{done} of 40 cells composed" for done in (3, 7, 15, 31)]


def test_on_a_terminal_a_bar_is_drawn_and_gone_at_the_end() -> None:
    shown = printed(0.5, is_terminal=True)
    assert "3/40" in shown
    assert "39/40" in shown
    assert shown.endswith("\x1b[2K")


def test_the_bar_is_gone_before_an_error_is_printed() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80)
    with closing(counted(range(20), "cells composed", console, clock_of(0.5))) as items:
        assert [next(items) for _ in range(7)] == list(range(7))
        assert "6/20" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[2K")


def test_it_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(counted(range(20), "cells composed", clock=clock_of(9.0))) == list(range(20))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [f"{n} of 20 cells composed" for n in (0, 1, 3, 7, 15)]
    assert list(counted(range(19), "cells composed", clock=clock_of(9.0))) == list(range(19))
    assert capsys.readouterr().err == ""
