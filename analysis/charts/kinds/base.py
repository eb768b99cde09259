"""What all charts have in common: title, caption, drawing and description."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.charts.colours import INK, number_variants
from analysis.charts.kinds.sheet import Sheet, silence_fonts
from analysis.charts.kinds.sizes import SCREEN, Sizes

#: Hatches of areas by the number of their variant. Lines only: dots and circles make an SVG file
#: several times larger.
HATCHES = (
    *("", "////", r"\\\\", "xxxx", "----", "||||", "++++"),
    *("//", r"\\", "xx", "--", "||", "++"),
)

#: Markers of points by the number of their variant.
MARKERS = "os^DvP*<>hpd8"

_Look = TypeVar("_Look")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart(ABC):
    """What a chart shows.

    ``caption`` is the text below the chart and is not drawn. ``origin`` is drawn: one short line on
    where and when it was measured. Some kinds also draw a ``subtitle``.
    """

    title: str
    subtitle: str = ""
    caption: list[str]
    origin: str = ""

    def draw(self, sizes: Sizes = SCREEN) -> Figure:
        """Draw the chart."""
        with silence_fonts():
            return self._draw(sizes)

    def alt(self) -> str:
        """What the chart shows, in words."""
        return f"{self._kind()}. {self.title.rstrip('.')}. {self._content().rstrip('.')}."

    @abstractmethod
    def _draw(self, sizes: Sizes) -> Figure: ...

    @abstractmethod
    def _kind(self) -> str:
        """The kind of chart, which begins its description."""

    @abstractmethod
    def _content(self) -> str:
        """Its axes and values as text."""


def vary(colours: Mapping[str, str], looks: Sequence[_Look]) -> dict[str, _Look]:
    """A look for each series, different for series that share a colour."""
    return {name: looks[at % len(looks)] for name, at in number_variants(colours).items()}


def fill_area(colour: str, hatch: str) -> dict[str, Any]:
    """Keyword arguments for Matplotlib's patches and bars that give an area its look."""
    return {"facecolor": colour, "edgecolor": INK, "linewidth": 0, "hatch": hatch}


def name_axes(axes: Axes, sheet: Sheet, x: str = "", y: str = "") -> None:
    """Label the axes that have a name."""
    for name, write in ((x, axes.set_xlabel), (y, axes.set_ylabel)):
        if name:
            write(name, fontsize=sheet.sizes.label, color=INK, parse_math=False)


def join_values(values: Mapping[str, Iterable[str]]) -> str:
    """Values by name as text: ``a: 1, 2; b: 3``."""
    return "; ".join(f"{name}: {', '.join(each)}" for name, each in values.items())
