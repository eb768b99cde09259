"""The table of environments: which is which, and what it holds."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.rows import Row
from sd_bench.verdicts.environments import ran_nowhere


def list_environments(rounds: pd.DataFrame) -> pd.DataFrame:
    """One row per environment, in the order given: what it is, how many sweeps, cells and rounds.

    What ran nowhere counts nowhere, unless nothing ran at all.
    """
    rows: list[Row] = [
        {
            "env": str(env),
            **{name: members[name].iloc[0] for name in ("machine", "gpu", "device")},
            **{name: _joined(members[name]) for name in ("torch_env", "torch", "python", "commit")},
            "sweeps": tuple(dict.fromkeys(members["sweep"])),
            "cells": members["cell_hash"].nunique(),
            "rounds": len(members),
            "fingerprint": members["fingerprint"].iloc[0],
        }
        for (_, env), everyone in rounds.groupby(["env_number", "env"])
        for members in [_begun(everyone)]
    ]
    return pd.DataFrame(rows)


def _begun(rounds: pd.DataFrame) -> pd.DataFrame:
    facts = zip(rounds["status"], rounds["fingerprint"], strict=True)
    began = rounds[[not ran_nowhere(status, fingerprint) for status, fingerprint in facts]]
    return began if len(began) else rounds


def _joined(values: pd.Series[Any]) -> str:
    return ", ".join(str(value) for value in dict.fromkeys(values) if value is not None)
