"""A picture and a table of the rooms of both packages, from the contracts in pyproject.toml."""

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
    """A Mermaid diagram, and a table of what each room is for."""
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
    """The rooms of a package by layer, from the top to the ground floor."""
    (contract,) = (c for c in _contracts() if c.get("containers") == [package])
    return [layer.split(" | ") for layer in contract["layers"]]


def find_shared(layers: list[list[str]]) -> list[str]:
    """The rooms of sd_bench that analysis may import, from the top to the ground floor."""
    (contract,) = (c for c in _contracts() if c.get("source_modules") == ["analysis"])
    closed = {name.removeprefix("sd_bench.") for name in contract["forbidden_modules"]}
    return [room for layer in layers for room in layer if room not in closed]


def _draw(package: str, layers: list[list[str]], shared: Collection[str]) -> Iterator[str]:
    """One box per layer, from the top to the ground floor."""
    yield f"  subgraph {package}\n    direction TB"
    for number, layer in enumerate(layers):
        kind = ":::shared" if shared and all(room in shared for room in layer) else ""
        yield f'    {package}{number}["{", ".join(layer)}"]{kind}'
    yield "    " + " --> ".join(f"{package}{number}" for number in range(len(layers)))
    yield "  end"


def _purpose(package: str, room: str) -> str:
    text = read_docstring(f"{package}.{room}").partition("\n\n")[0]
    return " ".join(text.split()).replace("``", "`")
