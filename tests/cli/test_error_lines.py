"""What a user is told about an unknown name."""

from __future__ import annotations

import pytest
from hydra.errors import HydraException
from omegaconf.errors import ConfigKeyError

from sd_bench.cli.error_lines import one_line
from sd_bench.command_lines import shown
from tests.support.composition import Compose

HELP = shown("sd_bench", "--help")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("atention=flash", "atention: there is no such choice (did you mean attention?);"),
        ("workload.hieght=64", "(did you mean workload.height?)"),
        ("protocol.round=6", "(did you mean protocol.rounds?)"),
        ("quite_another=1", f"quite_another: there is no such choice; {HELP}"),
        (
            "attention=flahs",
            "attention=flahs: there is no such option (did you mean flash?); ",
        ),
        ("compile=max-autotune", "(did you mean max_autotune?)"),
        ("hydra.swep.dir=x", "hydra.swep.dir: Hydra has no such setting; "),
        ("batch_size=3", "for another size of 1 or more use workload.batch_size=N"),
    ],
)
def test_the_nearest_name_is_suggested(compose_config: Compose, typed: str, words: str) -> None:
    with pytest.raises(HydraException) as error:
        compose_config("gpu=cpu", typed)
    line = one_line(error.value)
    assert words in line
    assert "+" not in line
    assert "\n" not in line


def test_only_a_variable_that_hydra_looked_up_is_called_a_variable() -> None:
    """OmegaConf's errors are KeyErrors too."""
    assert "environment variable A" in one_line(KeyError("A"))
    assert one_line(ConfigKeyError("Key 'a' not in 'B'")) == "Key 'a' not in 'B'"
