"""A prompt is measured as it was typed, or refused."""

from __future__ import annotations

import pytest

from sd_bench.config.checks import check
from sd_bench.errors import ConfigError
from tests.support.commands import SMOKE, Command
from tests.support.composition import Compose

ROCKET = "\N{ROCKET}"


@pytest.mark.slow
def test_letters_that_the_locale_cannot_read_are_refused(command: Command) -> None:
    c_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = command(*SMOKE, "attention=original", f'prompt="a {ROCKET}"', **c_locale)
    assert done.returncode == 2
    assert done.stderr == (
        "sd_bench: prompt: contains characters that this locale cannot read; set PYTHONUTF8=1, "
        "or write the prompts into a file (prompt_file=FILE)\n"
    )


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
def test_every_letter_that_is_one_is_fine(compose_config: Compose, name: str) -> None:
    check(compose_config("gpu=cpu", f'{name}="a {ROCKET}, \u00e9, \u732b"'))
    config = compose_config("gpu=cpu")
    setattr(config, name, "\udcf0")
    with pytest.raises(ConfigError, match="this locale cannot read"):
        check(config)
