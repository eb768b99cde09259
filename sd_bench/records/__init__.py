"""The record of one round: what it stores, and how it is written to and read from disk.

Records are the only output of ``sd_bench`` that ``analysis`` reads. May import only ``errors``,
``regular_files``, msgspec and the standard library.
"""

from sd_bench.errors import NewerRecordError, RecordError
from sd_bench.records.files import (
    RECORD_GLOB,
    find_records,
    read_record,
    record_path,
    round_number,
    write_atomically,
    write_record,
)
from sd_bench.records.schema import (
    SCHEMA_VERSION,
    STATUSES,
    Compilation,
    Conversion,
    Efficiency,
    Energy,
    Failure,
    FirstAttempt,
    Flops,
    Iteration,
    KernelProof,
    Looks,
    MatmulRate,
    Memory,
    Output,
    Profile,
    Record,
    Status,
    Telemetry,
    Times,
)
from sd_bench.regular_files import open_regular, read_text, reason_of

__all__ = [
    "RECORD_GLOB", "SCHEMA_VERSION", "STATUSES", "Compilation", "Conversion", "Efficiency",
    "Energy", "Failure", "FirstAttempt", "Flops", "Iteration", "KernelProof", "Looks",
    "MatmulRate", "Memory", "NewerRecordError", "Output", "Profile", "Record", "RecordError",
    "Status", "Telemetry", "Times", "find_records", "open_regular", "read_record", "read_text",
    "reason_of", "record_path", "round_number", "write_atomically", "write_record",
]  # fmt: skip
