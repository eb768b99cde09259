"""How long rounds will take, from earlier records, and where the time of a sweep went."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from sd_bench.execution.cell import cell_hash, choices
from sd_bench.execution.time_account import Account
from sd_bench.execution.time_estimate import Estimate, estimates
from sd_bench.records import write_record
from tests.support.composition import Compose
from tests.support.plans import planned_cell
from tests.support.records import sample_record


def test_times_come_from_the_same_cell_or_else_from_a_like_one(
    compose_config: Compose, tmp_path: Path
) -> None:
    math, flash, other = (
        planned_cell(compose_config, override)
        for override in ("attention=math", "attention=flash", "batch_size=4")
    )
    config = math.cell.config
    for index, worker_s in enumerate((3.0, 5.0, 10.0)):
        record = sample_record(1.0)
        assert record.times is not None
        times = structs.replace(record.times, worker_s=worker_s)
        known = structs.replace(
            record, times=times, cell_hash=cell_hash(config), choices=choices(config), round=index
        )
        write_record(tmp_path / f"round-{index}.json", known)
    found = estimates([math, flash, other], [tmp_path, tmp_path])
    assert found == [Estimate(5.0, is_own=True), Estimate(5.0, is_own=False), None]
    assert [str(estimate) for estimate in found[:2]] == ["5.0 s", "about 5.0 s"]


def test_overhead_is_what_the_records_do_not_account_for() -> None:
    record = sample_record(1.0)
    assert record.times is not None
    times = structs.replace(record.times, import_s=2.0, build_s=1.0, prepare_s=0.5, proof_s=0.5)
    measured_s = 4.0 + times.runtime_s + sum(times.warmup_unet_calls_s)
    measured_s += sum(iteration.total_s for iteration in times.warmup)
    known = structs.replace(record, times=times)
    account = Account.of([known, known], 2 * measured_s + 1.0)
    assert account is not None
    assert abs(account.overhead_per_round_s() - 0.5) < 1e-9
    assert abs(account.share("overhead") - 100 / (2 * measured_s + 1.0)) < 1e-9
    assert Account.of([known, structs.replace(known, status="crashed", times=None)], 9.0) is None
