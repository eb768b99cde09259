"""What a configuration takes from files, fixed before anything runs (no torch).

Afterwards it says by itself what a round computes: the prompts, and which weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from sd_bench.config.conversion import known_models
from sd_bench.config.hydra_arguments import typed_value
from sd_bench.config.schema import DEFAULT_PROMPT, RANDOM_WEIGHTS, Config
from sd_bench.errors import ConfigError
from sd_bench.weights.checkpoint import digest, open_checkpoint
from sd_bench.weights.checkpoint_fit import check_fits, recognise


def pinned(config: Config) -> Config:
    """``config`` with the prompts of its file and the digest of its weights.

    Raises ConfigError if a file cannot be read, or holds another model's weights.
    """
    if config.prompt_file is not None:
        if config.prompt != DEFAULT_PROMPT:
            raise ConfigError("prompt and prompt_file are both given: drop one")
        config = dataclasses.replace(config, prompt=_read_prompts(Path(config.prompt_file)))
    if config.weights == RANDOM_WEIGHTS:
        return config
    path = Path(config.weights)
    check_fits(open_checkpoint(path), config.model_version, known_models())
    return dataclasses.replace(config, weights_digest=digest(path))


def _read_prompts(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ConfigError(f"prompt_file={path}: is not text in UTF-8") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"prompt_file={path}: {reason}; name a text file") from None
    prompts = [line.strip() for line in lines if line.strip()]
    if not prompts:
        raise ConfigError(f"prompt_file={path}: holds no prompt; write one a line")
    return prompts


def recognised_model(arguments: Sequence[str]) -> tuple[str, list[str]] | None:
    """The checkpoint and the models it may hold, where the command line names it and no model.

    Raises ConfigError if it cannot be read. None: there is nothing to recognise.
    """
    names_given = {argument.lstrip("+").partition("=")[0] for argument in arguments}
    weights = typed_value(arguments, "weights") or RANDOM_WEIGHTS
    if {"model_version", "experiment"} & names_given or weights == RANDOM_WEIGHTS:
        return None
    names = recognise(open_checkpoint(Path(weights)), known_models())
    return (weights, names) if names else None
