"""``python -m analysis history``: sentences, files, exit codes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.__main__ import main
from tests.support.histories import WITHOUT_CHANGE, with_change, write_days
from tests.support.records import write_main_sweep

FLASH, MATH = (1, "flash"), (1, "math")
TORCH = {8: {"torch": "2.15.1", "fingerprint": "beef"}}


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.slow
def test_the_screen_begins_with_what_changed_where_and_by_how_much(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    levels = {FLASH: with_change(7, 1.12), MATH: list(reversed(WITHOUT_CHANGE))}
    assert main(["history", str(write_days(tmp_path, levels, TORCH))]) == 0
    out = words(capsys.readouterr().out)
    assert out.startswith("flash at batch size 1 has been 12 % slower (10 to 13 %) since commit")
    assert "08c0ffe of 2026-11-08 (before it 07c0ffe), where torch went from 2.15.0 to" in out
    assert "No change of math at batch size 1 in 12 sweeps; one of" in out
    files = {path.name for path in (tmp_path / "history").iterdir()}
    assert {"history.csv", "history.md", "history.png", "history.svg"} <= files
    table = pd.read_csv(tmp_path / "history" / "history.csv")
    assert len(table) == 24
    (changed,) = table[table["change_ratio"].notna()].to_dict("records")
    assert (changed["attention"], changed["date"][:10]) == ("flash", "2026-11-08")
    assert changed["environment_changes"] == "torch 2.15.0 -> 2.15.1"
    assert 1.1 < changed["change_low"] < 1.12 < changed["change_high"] < 1.14
    svg = (tmp_path / "history" / "history.svg").read_text(encoding="utf-8")
    assert "12 % slower from 08c0ffe on" in svg


@pytest.mark.parametrize(("ratio", "code"), [(1.2, 1), (0.8, 0), (1.0, 0)])
def test_fail_if_slower_is_about_the_newest_change(
    ratio: float, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_days(tmp_path, {FLASH: with_change(7, ratio)})
    assert main(["history", str(folder), "--fail-if", "slower"]) == code
    assert ("became slower: flash" in capsys.readouterr().err) == bool(code)


def test_running_it_again_says_the_same(tmp_path: Path) -> None:
    folder = write_days(tmp_path, {FLASH: with_change(7, 1.12)})
    texts = []
    for _ in range(2):
        main(["history", str(folder)])
        texts.append((folder / "history" / "history.csv").read_bytes())
    assert texts[0] == texts[1]


def test_too_few_sweeps_are_reported_as_too_few(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["history", str(write_days(tmp_path, {FLASH: [1.0, 1.0, 2.0, 2.0]}))])
    out = words(capsys.readouterr().out)
    assert "No change of flash at batch size 1 can be found in 4 sweeps" in out
    assert "at least 8 are needed" in out


def test_a_busy_machine_is_named_since_it_may_be_the_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = ["processors shared with others"]
    main(["history", str(write_days(tmp_path, {FLASH: with_change(7, 1.2)}, flags=busy))])
    out = words(capsys.readouterr().out)
    assert "Beware: in 12 of 12 sweeps most rounds were disturbed." in out
    table = pd.read_csv(tmp_path / "history" / "history.csv")
    assert set(table["rounds_disturbed"]) == {3}


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    one = write_main_sweep(tmp_path / "one")
    for arguments, words_of_it in (
        ([tmp_path / "empty"], "no record"),
        ([one], "one sweep only"),
        ([one, one], "--out DIR"),
        ([one, "--fail-if", "missing"], "--help"),
    ):
        assert main(["history", *map(str, arguments)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert words_of_it in captured.err
