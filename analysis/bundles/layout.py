"""What is in a bundle: a zip of records and latents, and a manifest that lists them."""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

VERSION: Final = 1
#: The ending of bundle file names; any other zip with a manifest is read as well.
SUFFIX = ".sdbench.zip"
#: Which latents may be packed: those of the first round (enough for parity), all, or none.
LATENTS = ("first", "all", "none")
MANIFEST, README = "manifest.json", "README.txt"
#: All other names that are allowed in a bundle.
ENTRY = re.compile(r"sweep-\d{1,6}/\d{1,7}/round-\d{1,9}(\.json|-latents\.npy)")
#: Limits: entries per bundle, bytes of one entry, and bytes of all entries once unpacked.
MOST_ENTRIES, LARGEST_ENTRY, LARGEST_BUNDLE = 200_000, 2**28, 2**33
#: Limits: bytes of the manifest, which has a line per entry, and names and values in it.
LARGEST_MANIFEST, MOST_IN_MANIFEST = 2**26, 500_000
#: Unpacked bytes allowed per packed byte: records shrink to a tenth, zip bombs to a thousandth.
MOST_GROWTH, ALWAYS_ALLOWED = 200, 2**24

README_TEXT = """\
Records of sd_bench, as `python -m analysis bundle` packs them.

    python -m analysis THIS_FILE                  # tables, charts and a report
    python -m analysis THIS_FILE OTHER --out DIR  # with others: a section for each machine

sweep-N/M/round-R.json is round R of cell M, round-R-latents.npy what it drew, before decoding.
manifest.json lists every file with its SHA-256, and what was replaced because it was personal.
"""


class Replacement(Struct, kw_only=True, frozen=True):
    """A replacement: the kind of text (never the text), what replaced it, how often and where."""

    what: str
    by: str
    times: int
    fields: list[str]


class SweepFacts(Struct, kw_only=True, frozen=True):
    """A sweep in a bundle: its name, number of records, devices and versions."""

    name: str
    records: int
    devices: list[str]
    versions: list[str]


class Manifest(Struct, kw_only=True, frozen=True):
    """``files`` holds the SHA-256 of each entry, ``left_out`` counts by kind what is missing."""

    format: Literal["sd_bench bundle"]
    version: int
    made_by: str
    sweeps: dict[str, SweepFacts]
    files: dict[str, str]
    replaced: list[Replacement]
    left_out: dict[str, int]
