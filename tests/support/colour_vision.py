"""How different two colours look, with normal and with deficient colour vision.

Simulation: Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color
vision deficiency", IEEE TVCG 15 (2009), table 1, severity 1.0, on linear sRGB. Difference:
CIEDE2000 after Sharma, Wu and Dalal, Color Research and Application 30 (2005), D65.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.colors import to_rgb

Lab = tuple[float, float, float]

#: CIEDE2000 between colours that must be distinguishable at a glance; 2.3 is just noticeable.
FAR_ENOUGH = 12.0

SIGHTS = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
}

_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def difference_seen(one: str, other: str, sight: str) -> float:
    """CIEDE2000 of two colours such as ``#0072b2`` for people with this colour vision."""
    return ciede2000(_to_lab(one, sight), _to_lab(other, sight))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.1), 1 to 21."""
    lighter, darker = sorted((float((_TO_XYZ @ _linear(c))[1]) for c in (one, other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _linear(colour: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _to_lab(colour: str, sight: str) -> Lab:
    seen = np.clip(SIGHTS[sight] @ _linear(colour), 0.0, 1.0)
    ratio = _TO_XYZ @ seen / _WHITE
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return float(116 * y - 16), float(500 * (x - y)), float(200 * (y - z))


def ciede2000(one: Sequence[float], other: Sequence[float]) -> float:
    """The difference of two colours in CIELAB."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    chroma = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    grey = 0.5 * (1 - math.sqrt(chroma**7 / (chroma**7 + 25**7)))
    a1, a2 = (1 + grey) * a1, (1 + grey) * a2
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    d_hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    light, c_mean = (l1 + l2) / 2, (c1 + c2) / 2
    hue = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360

    def cosine(times: int, shift: float) -> float:
        return math.cos(math.radians(times * hue + shift))

    t = 1 - 0.17 * cosine(1, -30) + 0.24 * cosine(2, 0) + 0.32 * cosine(3, 6) - 0.2 * cosine(4, -63)
    s_light = 1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2)
    s_chroma, s_hue = 1 + 0.045 * c_mean, 1 + 0.015 * c_mean * t
    turned = math.radians(60 * math.exp(-(((hue - 275) / 25) ** 2)))
    rotation = -2 * math.sqrt(c_mean**7 / (c_mean**7 + 25**7)) * math.sin(turned)
    parts = ((l2 - l1) / s_light, (c2 - c1) / s_chroma, d_hue / s_hue)
    return math.sqrt(sum(part**2 for part in parts) + rotation * parts[1] * parts[2])


def propose(taken: Sequence[str], count: int = 5) -> list[tuple[float, str]]:
    """The colours that differ most from all ``taken`` ones, with the distance, the farthest first.

    Only colours that stand out from white paper and from a report's dark one count. The search is
    on a coarse grid, then on a finer one around the best.
    """
    steps = (*range(0, 256, 39), 255)
    coarse = _farthest(itertools.product(steps, repeat=3), taken)[:count]
    around = (range(-26, 27, 13),) * 3
    fine = {
        tuple(min(max(c + by, 0), 255) for c, by in zip(_rgb(colour), change, strict=True))
        for _, colour in coarse
        for change in itertools.product(*around)
    }
    return _farthest(fine, taken)[:count]


def _farthest(colours: Iterable[tuple[int, ...]], taken: Sequence[str]) -> list[tuple[float, str]]:
    names = (f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colours)
    return sorted(
        (
            (min(difference_seen(name, other, sight) for sight in SIGHTS for other in taken), name)
            for name in names
            if all(contrast(name, paper) >= 1.5 for paper in ("#ffffff", "#16181c"))
        ),
        reverse=True,
    )


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


if __name__ == "__main__":  # python -m tests.support.colour_vision
    from analysis.charts.colours import PALETTE

    for difference, colour in propose(PALETTE):
        enough = "" if difference >= FAR_ENOUGH else f": too near, {FAR_ENOUGH:.0f} are needed"
        print(f"{colour}  {difference:.1f} from the nearest of the palette{enough}")
