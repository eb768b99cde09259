"""OpenVINO without its telemetry, which reports every import and conversion to its makers.

That would cause traffic on the user's network, and extra work during a measurement. OpenVINO works
without the package that sends it if that cannot be imported.
"""

from __future__ import annotations

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # prevents the import

import openvino  # noqa: E402

__all__ = ["openvino"]
