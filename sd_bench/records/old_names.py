"""Names of earlier versions and their replacements: in records, on command lines, in files.

Old names work until version 1.0. If a user types one, a line tells them the new one.
"""

from __future__ import annotations

import re

#: Renamed presets; the published study and its files still use the first old name.
PRESETS = {"original": "original_xformers", "original_pt2": "original_xformers_pt2"}
#: Renamed groups and settings of the configuration.
SETTINGS = {
    "configuration": "preset",
    "plan": "dry_run",
    "workload.guidance": "workload.guidance_scale",
    "model_version.guidance": "model_version.guidance_scale",
}

_ONE_PRESET = re.compile(rf"(?<![\w=])({'|'.join(PRESETS)})(?!\w)")


def rename_presets(names: str) -> str:
    """``names`` with the current name of each preset: one, a list, or one with changed settings."""
    return _ONE_PRESET.sub(lambda found: PRESETS[found[1]], names)


def rename_setting(name: str) -> str:
    """The current name of a setting, which may be inside a renamed group."""
    for old, new in SETTINGS.items():
        if name == old or name.startswith(f"{old}."):
            return new + name.removeprefix(old)
    return name


def rename_baseline(name: str) -> str:
    """A baseline in current names: a preset (``original``), or an axis with a value."""
    axis, equals, value = name.partition("=")
    if not equals:
        return rename_presets(name)
    axis = rename_setting(axis)
    return f"{axis}={rename_presets(value) if axis == 'preset' else value}"


def name_published(preset: str, model_version: str) -> str:
    """The current name of a preset of the study, whose "original" had no xFormers for SD 1."""
    if preset == "original" and model_version.startswith("sd1"):
        return "original_no_xformers"
    return rename_presets(preset)
