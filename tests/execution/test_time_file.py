"""One line per record in ``time_file``, even if the process is killed between the two."""

from __future__ import annotations

from pathlib import Path

import pytest

from sd_bench.execution.time_file import add_missing_times, add_time, check_takes_lines
from tests.support.commands import SMOKE, Command, records

RECORDS = [1.234567, 2.5, 2.5, 3.25]


@pytest.mark.parametrize(
    ("there", "after"),
    [
        ("", "1.234567\n2.5\n2.5\n3.25\n"),
        ("1.234567\n2.5\n", "1.234567\n2.5\n2.5\n3.25\n"),
        ("2.5\n2.5\n1.234567\n3.25\n", "2.5\n2.5\n1.234567\n3.25\n"),
        ("1.234567\n2.5\n2.5\n3.2", "1.234567\n2.5\n2.5\n3.25\n"),
        ("1.234567\n2.5\n2.5\n3.25", "1.234567\n2.5\n2.5\n3.25\n"),
        ("another's\n9.5", "another's\n9.5\n1.234567\n2.5\n2.5\n3.25\n"),
        ("\xff 1.234567\n", "\xff 1.234567\n1.234567\n2.5\n2.5\n3.25\n"),
    ],
)
def test_each_record_has_one_line_whatever_was_written_of_them(
    tmp_path: Path, there: str, after: str
) -> None:
    file = tmp_path / "times.txt"
    file.write_bytes(there.encode("latin-1"))
    for _ in range(2):  # and nothing more the second time
        add_missing_times([(None, 7.0), (str(file), None), *((str(file), t) for t in RECORDS)])
        assert file.read_bytes().decode("latin-1") == after


def test_a_line_never_goes_on_with_another_ones(tmp_path: Path) -> None:
    file = tmp_path / "times.txt"
    check_takes_lines(str(file))
    assert file.read_bytes() == b""
    for there, after in ((b"", b"1.5\n"), (b"7", b"7\n1.5\n"), (b"7\n", b"7\n1.5\n")):
        file.write_bytes(there)
        add_time(str(file), 1.5)
        assert file.read_bytes() == after


@pytest.mark.slow
def test_a_kill_between_a_record_and_its_line_loses_no_line(
    command: Command, tmp_path: Path
) -> None:
    """Even if the sweep has nothing left to measure."""
    file = tmp_path / "times.txt"
    matrix = (*SMOKE, "attention=original", f"time_file={file}")
    assert command(*matrix, "protocol.rounds=2").returncode == 0
    runtimes = sorted(str(r.runtime_s) for r in records(tmp_path))
    assert sorted(file.read_text().split()) == runtimes
    file.write_text(f"{file.read_text().splitlines()[0]}\n")  # as such a kill leaves it
    done = command("resume=true", f"time_file={file}")
    assert done.returncode == 0, done.stderr
    assert sorted(file.read_text().split()) == runtimes
