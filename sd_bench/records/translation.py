"""Records of older schema versions, translated to the newest version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sd_bench.records.old_names import rename_presets, rename_setting
from sd_bench.records.schema import SCHEMA_VERSION


def translated(data: dict[str, Any]) -> dict[str, Any]:
    """``data`` of any known version, translated to the newest version."""
    while data["schema_version"] < SCHEMA_VERSION:
        data = _TO_NEXT[data["schema_version"]](data)
    return data


def _from_1_to_2(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had only random weights, and did not list them among the choices."""
    data = {**data, "schema_version": 2}
    if isinstance(data.get("choices"), dict):
        data["choices"] = {"weights": "random", **data["choices"]}
    return data


def _from_2_to_3(data: dict[str, Any]) -> dict[str, Any]:
    """Version 2 used other names: configuration, plan, guidance, work, and marks of iterations."""
    fields = {"work": "flops"}
    data = {fields.get(name, name): value for name, value in data.items()} | {"schema_version": 3}
    for name, translate in (("choices", _with_presets), ("config", _config), ("times", _times)):
        if isinstance(data.get(name), dict):
            data[name] = translate(data[name])
    return data


def _from_3_to_4(data: dict[str, Any]) -> dict[str, Any]:
    """Version 3 had no looks and no second attempts, and a kernel proof in every round."""
    return {**data, "schema_version": 4}


def _from_4_to_5(data: dict[str, Any]) -> dict[str, Any]:
    """Version 4 had only this project's own networks, and stages in every iteration."""
    return {**data, "schema_version": 5}


def _with_presets(choices: dict[str, Any]) -> dict[str, Any]:
    return {
        rename_setting(name): _preset_name(value) if name == "configuration" else value
        for name, value in choices.items()
    }


def _preset_name(name: Any) -> Any:
    return rename_presets(name) if isinstance(name, str) else name


def _config(config: dict[str, Any]) -> dict[str, Any]:
    config = _renamed(config, "")
    preset = config.get("preset")
    if isinstance(preset, dict):
        config["preset"] = {**preset, "name": _preset_name(preset.get("name"))}
    return config


def _renamed(config: Any, group: str) -> Any:
    """``config`` with the current names of all settings, including those inside groups."""
    if not isinstance(config, dict):
        return config
    present = {}
    for name, value in config.items():
        path = rename_setting(f"{group}{name}")
        present[path.rpartition(".")[2]] = _renamed(value, f"{path}.")
    return present


def _times(times: dict[str, Any]) -> dict[str, Any]:
    return {name: _with_flags(value) for name, value in times.items()}


def _with_flags(iterations: Any) -> Any:
    if not isinstance(iterations, list):
        return iterations
    return [
        {("flags" if name == "marks" else name): value for name, value in entry.items()}
        if isinstance(entry, dict)
        else entry
        for entry in iterations
    ]


_TO_NEXT: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: _from_1_to_2,
    2: _from_2_to_3,
    3: _from_3_to_4,
    4: _from_4_to_5,
}
