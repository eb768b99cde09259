"""The keys and shapes of real checkpoints, as they lie in ``checkpoint_layout/``."""

from __future__ import annotations

from pathlib import Path

LAYOUTS = Path(__file__).with_name("checkpoint_layout")


def real_layout(name: str) -> dict[str, str]:
    """Key to shape of a real checkpoint's UNet and autoencoder."""
    lines = (LAYOUTS / f"{name}.txt").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)
