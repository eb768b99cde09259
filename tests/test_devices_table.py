"""The devices that conf/gpu knows, and their order."""

from __future__ import annotations

import yaml

from sd_bench.devices_table import list_devices
from sd_bench.paths import CONF_DIR


def test_every_device_of_conf_is_in_the_table_once() -> None:
    files = (CONF_DIR / "gpu").glob("*.yaml")
    options = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
    assert sorted(list_devices()) == sorted(o["name"] for o in options if "name" in o)


def test_the_published_order_holds_and_the_cpu_stands_first() -> None:
    devices = list_devices()
    published = [name for name in devices if name in ("p100", "t4", "a10", "v100", "a100")]
    assert published == ["p100", "t4", "a10", "v100", "a100"]
    assert devices[0] == "cpu"
    assert devices[-4:] == ("cuda", "mps", "rocm", "xpu")  # of which no figure is known


def test_rtx_cards_stand_among_the_others() -> None:
    devices = list_devices()
    assert devices.index("t4") < devices.index("rtx_3090") < devices.index("rtx_4090")
    assert devices.index("rtx_4090") < devices.index("h100")
