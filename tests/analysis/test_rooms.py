"""The rooms of the analysis: every import goes down, and of sd_bench only to what is named here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import analysis

ROOT = Path(analysis.__file__).parents[1]

#: From the ground up: a room imports only those before it. Rooms of one line stand side by side.
FLOORS = (
    ("errors", "rows", "formatting", "truncation"),
    ("series",),
    ("ingest",),
    ("comparison",),
    ("wording",),
    ("tables", "charts.colours"),
    ("charts.kinds",),
    ("charts.select", "charts.drawing"),
    ("published",),
    ("report",),
    ("cli",),
    ("__main__",),
)

#: The same for what lies below both packages.
GROUND = ("paths", "records", "statistics", "attention_backends", "devices_table", "verdicts")
SHARED = {"records", "statistics", "verdicts", "attention_backends", "devices_table"}
HEAVY = {"torch", "hydra", "omegaconf", "pandas", "analysis"}


def imports(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def modules(package: str) -> dict[str, Path]:
    paths = sorted((ROOT / package).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}


def room(module: str) -> str:
    inside = f"{module.removeprefix('analysis.')}."
    return next(r for rooms in FLOORS for r in rooms if inside.startswith(f"{r}."))


def floor(module: str) -> int:
    return next(at for at, rooms in enumerate(FLOORS) if room(module) in rooms)


def test_every_import_goes_down() -> None:
    upward = [
        (module, imported)
        for module, path in modules("analysis").items()
        for imported in imports(path)
        if not module.endswith("__init__") and imported.startswith("analysis.")
        if room(module) != room(imported) and floor(module) <= floor(imported)
    ]
    assert upward == []


def test_of_sd_bench_only_what_lies_below_both_packages_is_imported() -> None:
    imported = {name for path in modules("analysis").values() for name in imports(path)}
    of_sd_bench = {name.split(".")[1] for name in imported if name.startswith("sd_bench.")}
    assert of_sd_bench == SHARED - {"devices_table"}  # which is behind the order of an axis


def test_what_lies_below_imports_only_what_lies_lower_and_no_heavy_library() -> None:
    for module, path in modules("sd_bench").items():
        below = module.split(".")[1]
        if below in GROUND:
            for name in imports(path):
                package, _, rest = name.partition(".")
                if package == "sd_bench":
                    lower = rest.split(".")[0]
                    assert GROUND.index(lower) <= GROUND.index(below), (module, name)
                assert package not in HEAVY, module


def test_a_room_says_what_it_is_for() -> None:
    rooms = [path for name, path in modules("analysis").items() if name.endswith("__init__")]
    rooms += [ROOT / "sd_bench" / name / "__init__.py" for name in ("statistics", "verdicts")]
    for path in rooms:
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert said, path
        assert "mport" in said, path
