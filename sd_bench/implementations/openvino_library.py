"""OpenVINO without its telemetry, which would tell its makers of every import and conversion.

That would be traffic on the user's network, and other work in the middle of a measurement. The
library does without the package that sends it where that cannot be imported.
"""

from __future__ import annotations

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # prevents the import

import openvino  # noqa: E402

__all__ = ["openvino"]
