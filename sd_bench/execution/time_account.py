"""Where the seconds of a sweep went, and how many are the launcher's overhead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sd_bench.records import Record, Times


def accounted_s(times: Times) -> dict[str, float]:
    """The seconds of a round by purpose; the rest of its time is overhead."""
    return {
        "imports": times.import_s,
        "building": times.build_s,
        "warm-up": times.prepare_s
        + sum(times.warmup_unet_calls_s)
        + sum(i.total_s for i in times.warmup),
        "timed calls": times.runtime_s,
        "kernel proof": times.proof_s or 0.0,
    }


@dataclass(frozen=True, slots=True)
class Account:
    """The ``seconds`` of ``rounds`` measured rounds by purpose, including overhead."""

    rounds: int
    seconds: dict[str, float]

    @classmethod
    def of(
        cls,
        records: Sequence[Record],
        total_s: float,
        servers_import_s: float = 0.0,
        calibration_s: float = 0.0,
    ) -> Account | None:
        """The account of the ``total_s`` seconds after calibrating in which ``records`` were made.

        ``servers_import_s`` of them went to imports of the servers that forked rounds.
        ``None`` if a round has no times, since it is unknown where its seconds went.
        """
        times = [record.times for record in records if record.status != "unsupported"]
        known = [accounted_s(t) for t in times if t is not None]
        if not known or len(known) < len(times):
            return None
        sums = {name: sum(parts[name] for parts in known) for name in known[0]}
        sums["imports"] += servers_import_s
        conversions = [r.conversion for r in records if r.conversion is not None]
        if conversions:
            sums["converting"] = sum(c.convert_s + c.compile_s for c in conversions)
        if calibration_s:
            sums = {"calibration": calibration_s, **sums}
        total_s += calibration_s
        return cls(len(known), {**sums, "overhead": total_s - sum(sums.values())})

    @property
    def total_s(self) -> float:
        return sum(self.seconds.values())

    def share(self, name: str) -> float:
        """The percentage of all seconds that went to ``name``."""
        return 100 * self.seconds[name] / self.total_s

    def overhead_per_round_s(self) -> float:
        return self.seconds["overhead"] / self.rounds

    def sentence(self) -> str:
        """The account as one line for the screen."""
        others = ", ".join(
            f"{name} {self.share(name):.0f} %" for name in self.seconds if name != "overhead"
        )
        return (
            f"{self.total_s:.1f} s: {others}; overhead {self.share('overhead'):.1f} % "
            f"({self.overhead_per_round_s():.2f} s per round)"
        )
