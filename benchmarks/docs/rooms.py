"""The rooms of both packages as a picture and a table, by the contracts of pyproject.toml."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from typing import Any

from benchmarks.docs.docstrings import ROOT, read_docstring

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PACKAGES = ("sd_bench", "analysis")


def draw_rooms() -> str:
    """The picture in Mermaid's language, and below it what each room is for."""
    layers = {package: read_layers(package) for package in _PACKAGES}
    lines = [
        "```mermaid",
        "flowchart TB",
        *_draw("sd_bench", layers["sd_bench"], find_shared(layers["sd_bench"])),
        *_draw("analysis", layers["analysis"], ()),
        "  classDef shared stroke-width:4px",
        "```",
        "",
        "| room | what it is for |",
        "|---|---|",
        *(
            f"| [`{package}.{room}`](../{package}/{room}) | {_purpose(package, room)} |"
            for package in _PACKAGES
            for layer in reversed(layers[package])
            for room in layer
            if (ROOT / package / room).is_dir()
        ),
    ]
    return "\n".join(lines) + "\n"


def _contracts() -> list[dict[str, Any]]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts: list[dict[str, Any]] = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    return contracts


def read_layers(package: str) -> list[list[str]]:
    """The rooms from the door to the ground, those of a layer together."""
    (contract,) = (c for c in _contracts() if c.get("containers") == [package])
    return [layer.split(" | ") for layer in contract["layers"]]


def find_shared(layers: list[list[str]]) -> list[str]:
    """What of sd_bench the analysis may import, from the door to the ground."""
    (contract,) = (c for c in _contracts() if c.get("source_modules") == ["analysis"])
    closed = {name.removeprefix("sd_bench.") for name in contract["forbidden_modules"]}
    return [room for layer in layers for room in layer if room not in closed]


def _draw(package: str, layers: list[list[str]], shared: Collection[str]) -> Iterator[str]:
    """A box for each layer, from the door to the ground."""
    yield f"  subgraph {package}\n    direction TB"
    for number, layer in enumerate(layers):
        kind = ":::shared" if shared and all(room in shared for room in layer) else ""
        yield f'    {package}{number}["{", ".join(layer)}"]{kind}'
    yield "    " + " --> ".join(f"{package}{number}" for number in range(len(layers)))
    yield "  end"


def _purpose(package: str, room: str) -> str:
    text = read_docstring(f"{package}.{room}").partition("\n\n")[0]
    return " ".join(text.split()).replace("``", "`")
