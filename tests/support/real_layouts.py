"""The keys and shapes of real checkpoints, from the files in ``checkpoint_layout/``."""

from __future__ import annotations

from pathlib import Path

LAYOUTS = Path(__file__).with_name("checkpoint_layout")


def real_layout(name: str) -> dict[str, str]:
    """The shape of each key in a real checkpoint's UNet and autoencoder."""
    lines = (LAYOUTS / f"{name}.txt").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)
