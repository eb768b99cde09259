"""The settings of a scheduler's launcher: unknown or wrong ones are refused."""

from __future__ import annotations

from typing import Any

import pytest

from sd_bench.cluster.settings import RaySettings, SlurmSettings, read_settings
from sd_bench.errors import ConfigError


def test_settings_are_read_as_they_are_written() -> None:
    settings = read_settings(
        SlurmSettings, "slurm", {"time_min": 60, "setup": ["a", "b"], "signal_delay_s": 30}
    )
    assert (settings.time_min, settings.setup, settings.partition) == (60, ("a", "b"), None)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"partitoin": "gpu"}, "no such setting"),
        ({"time_min": "long"}, "time_min"),
        ({"time_min": 0}, "1 minute or more"),
        ({"time_min": 5, "signal_delay_s": 300}, "below the limit of 5 minutes"),
        ({"setup": "module load x"}, "setup"),
        ({"poll_s": 0}, "above 0 seconds"),
    ],
)
def test_wrong_settings_are_reported(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_settings(SlurmSettings, "slurm", values)


def test_each_scheduler_has_its_own() -> None:
    with pytest.raises(ConfigError, match="hydra/launcher=ray has no such setting"):
        read_settings(RaySettings, "ray", {"partition": "gpu"})
