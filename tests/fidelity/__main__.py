"""``python -m tests.fidelity``: measure every comparison and write docs/fidelity.md."""

from __future__ import annotations

import sys
import time

from tests.fidelity.report import PAGE, page
from tests.fidelity.table import COMPARISONS


def main() -> int:
    """The exit code is 1, and no page is written, if any comparison exceeds its tolerance."""
    errors, failed = {}, []
    for comparison in COMPARISONS:
        began = time.perf_counter()
        error = errors[comparison.key] = comparison.measure()
        if not comparison.tolerance.allows(error):
            failed.append(comparison.key)
        print(f"{error:8.1e}  {comparison.key}  ({time.perf_counter() - began:.0f} s)", flush=True)
    if failed:
        print(f"outside their tolerance, {PAGE.name} not written: {'; '.join(failed)}")
        return 1
    PAGE.write_text(page(errors), encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
