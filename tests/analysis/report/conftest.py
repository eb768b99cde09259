"""A browser for tests that look at a report, and a sweep with every kind of verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main
from tests.support.pictures import add_pictures
from tests.support.records import SCALED, sample_record, write_sample, write_sweep


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium; skips the test if playwright or a browser is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    from benchmarks.analysis_screenshot import chromium

    try:
        with chromium() as started:
            yield started
    except playwright.Error as error:
        if "Executable doesn't exist" not in str(error):
            raise
        pytest.skip("no Chromium: apt install chromium-headless-shell, or playwright install it")


def _rounds(mean_s: float, shift: int = 0) -> Sequence[float]:
    """Ten rounds in a different order for each ``shift``, so that no two cells vary together."""
    spread = [(7 * (at + shift)) % 10 - 4.5 for at in range(10)]
    return [mean_s * (1 + 0.005 * each / 3) for each in spread]


@pytest.fixture(scope="session")
def verdicts_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep with its analysis: faster, slower, no claim, unsupported, and pictures."""
    root = tmp_path_factory.mktemp("verdicts")
    seconds = {
        (batch_size, attention): _rounds(mean_s * batch_size, shift)
        for batch_size in (1, 4)
        for attention, mean_s, shift in (
            *(("math", 10.0, 0), ("flash", 8.0, 3), ("mem_efficient", 12.0, 5)),
            ("cudnn", 7.0, 1),
        )
    }
    changes: dict[tuple[Any, ...], float] = {(1, "cudnn"): 0.3, (4, "cudnn"): 0.3}
    write_sweep(root, seconds, changes=changes, scaled=SCALED)
    reason = "needs compute capability 7.5, and this device has none: " + "see the table " * 12
    for batch_size in (1, 4):
        record = sample_record(
            status="unsupported", reason=reason, attention="xformers", batch_size=batch_size
        )
        write_sample(root, record)
    add_pictures(root, {"flash": 4, "cudnn": 90})
    assert main([str(root), "--out", str(root / "analysis")]) == 0
    return root / "analysis"
