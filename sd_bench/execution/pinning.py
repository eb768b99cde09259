"""Fixes what a configuration takes from files, before anything runs (no torch).

Afterwards the configuration itself holds the prompts and identifies the weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from sd_bench.config.conversion import known_models
from sd_bench.config.overrides import composed_values
from sd_bench.config.schema import DEFAULT_PROMPT, RANDOM_WEIGHTS, Config
from sd_bench.errors import ConfigError
from sd_bench.regular_files import read_text, reason_of
from sd_bench.weights.checkpoint import digest, open_checkpoint
from sd_bench.weights.checkpoint_fit import check_fits, recognise

#: In bytes: enough for a hundred thousand prompts.
_LARGEST_PROMPT_FILE = 2**24


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
    check_fits(
        open_checkpoint(path), config.model_version, known_models(), config.ignore_extra_keys
    )
    return dataclasses.replace(config, weights_digest=digest(path))


def _read_prompts(path: Path) -> list[str]:
    try:
        lines = read_text(path, _LARGEST_PROMPT_FILE).splitlines()
    except OSError as error:
        reason = reason_of(error)
        raise ConfigError(f"prompt_file={path}: {reason}; name a text file") from None
    prompts = [line.strip() for line in lines if line.strip()]
    if not prompts:
        raise ConfigError(f"prompt_file={path}: contains no prompt; write one per line")
    return prompts


def recognised_model(overrides: Sequence[Override]) -> tuple[str, str] | None:
    """The checkpoints that the overrides name, and the model that they hold.

    ``None`` if there is nothing to recognise: no weights are named, or a model is. Raises
    ConfigError if a checkpoint cannot be read or may be one of several models, or if several
    checkpoints hold different models.
    """
    named = {override.key_or_group for override in overrides if not override.is_delete()}
    if {"model_version", "experiment"} & named or "weights" not in named:
        return None
    models = known_models()
    try:
        composed = composed_values(overrides, "weights")
    except (HydraException, OmegaConfBaseException):
        return None  # they depend on the rest of the configuration
    found = {
        weights: _only_model(weights, recognise(open_checkpoint(Path(weights)), models))
        for weights in composed
        if weights not in ("", RANDOM_WEIGHTS)
    }
    known = {weights: name for weights, name in found.items() if name is not None}
    if len(set(known.values())) > 1:
        held = ", ".join(f"{weights} holds {name}" for weights, name in known.items())
        raise ConfigError(f"weights: {held}; sweep over the weights of one model")
    return next(iter({", ".join(known): name for name in known.values()}.items()), None)


def _only_model(weights: str, names: Sequence[str]) -> str | None:
    if len(names) < 2:
        return next(iter(names), None)
    alike, either = " or ".join(names), " or ".join(f"model_version={name}" for name in names)
    raise ConfigError(
        f"{weights}: may hold {alike}, which have the same keys and shapes, and does not say which "
        f"of them; add {either}"
    )
