"""The record of one round: its schema, and how it is written to and read from disk.

It is all that ``analysis`` reads. May import ``errors``, and of others the standard library only.
"""

from sd_bench.records.schema import (
    RECORD_GLOB,
    SCHEMA_VERSION,
    STATUSES,
    Compilation,
    Energy,
    Failure,
    Iteration,
    KernelProof,
    Memory,
    NewerRecordError,
    Output,
    Profile,
    Record,
    RecordError,
    Telemetry,
    Times,
    Work,
    find_records,
    read_record,
    record_path,
    write_atomically,
    write_record,
)

__all__ = [
    "RECORD_GLOB",
    "SCHEMA_VERSION",
    "STATUSES",
    "Compilation",
    "Energy",
    "Failure",
    "Iteration",
    "KernelProof",
    "Memory",
    "NewerRecordError",
    "Output",
    "Profile",
    "Record",
    "RecordError",
    "Telemetry",
    "Times",
    "Work",
    "find_records",
    "read_record",
    "record_path",
    "write_atomically",
    "write_record",
]
