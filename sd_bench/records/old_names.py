"""Words of earlier versions and the ones in their place: in records, on command lines, in files.

They work until version 1.0. Where somebody types one, one line says the new one.
"""

from __future__ import annotations

import re

#: Presets that were called otherwise; the study and its files still call the first so.
PRESETS = {"original": "original_xformers", "original_pt2": "original_xformers_pt2"}
#: Groups and values of the configuration.
SETTINGS = {
    "configuration": "preset",
    "plan": "dry_run",
    "workload.guidance": "workload.guidance_scale",
    "model_version.guidance": "model_version.guidance_scale",
}

_ONE_PRESET = re.compile(rf"(?<![\w=])({'|'.join(PRESETS)})(?!\w)")


def rename_presets(names: str) -> str:
    """``names`` with each preset by its present name: one, a list, or one with its departures."""
    return _ONE_PRESET.sub(lambda found: PRESETS[found[1]], names)


def rename_setting(name: str) -> str:
    """The present name of a setting, or of one inside a group that was renamed."""
    for old, new in SETTINGS.items():
        if name == old or name.startswith(f"{old}."):
            return new + name.removeprefix(old)
    return name


def rename_baseline(name: str) -> str:
    """A baseline in present words: a preset (``original``), or an axis with a value."""
    axis, equals, value = name.partition("=")
    if not equals:
        return rename_presets(name)
    axis = rename_setting(axis)
    return f"{axis}={rename_presets(value) if axis == 'preset' else value}"


def name_published(preset: str, model_version: str) -> str:
    """The present name of a preset of the study, whose SD 1 "original" had no xFormers."""
    if preset == "original" and model_version.startswith("sd1"):
        return "original_no_xformers"
    return rename_presets(preset)
